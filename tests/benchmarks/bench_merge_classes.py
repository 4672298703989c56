"""Measure the merge of four classes against four merges of one: `python tests/benchmarks/bench_merge_classes.py`."""

import tempfile
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from bench_store import HEIGHT, WIDTH, probability_map
from measure import BASELINE, compete, publish

from maskfold.ensembling.merge import MergeJob, merge
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.prediction.store import ProbabilityStore

CLASSES = ("a", "b", "c", "d")
IMAGES = 16
MEMBERS = 4
ROUNDS = 5


def merge_stores(folder: Path, names: list[str], classes: tuple[str, ...]) -> list[str]:
    """Merge each of some ensembles, whose members are folders `<name><number>`; return the run lengths of all."""
    image_ids = [f"car_{number:02}" for number in range(IMAGES)]
    table = pd.DataFrame({"image_id": image_ids, "mask": None, "height": HEIGHT, "width": WIDTH})
    runs: list[str] = []
    for name in names:
        stores = [folder / f"{name}{member}" for member in range(MEMBERS)]
        sources = tuple(MemberMaps(Leaf(store.name, Fraction(1, MEMBERS), (store,)), None) for store in stores)
        parts = Path(tempfile.mkdtemp(dir=folder))
        threshold = (128,) * len(classes) if classes else 128
        merge(MergeJob(sources, threshold, (), parts, classes=classes), table, description=name, jobs=1)
        (part,) = parts.iterdir()
        found = pd.read_parquet(part)
        for column in [column for column in found if column.partition(".")[0] == "rle"]:
            runs += found[column].tolist()
    return runs


def prepare(folder: Path) -> tuple[int, int]:
    """Write every member's maps, one by one and of four classes together; return the bytes of both."""
    for member in range(MEMBERS):
        planes = [probability_map(member * len(CLASSES) + number) for number in range(len(CLASSES))]
        for image in range(IMAGES):
            turned = [np.roll(plane, 31 * image, axis=1) for plane in planes]
            ProbabilityStore(folder / f"all{member}").write(f"car_{image:02}", np.stack(turned))
            for name, plane in zip(CLASSES, turned, strict=True):
                ProbabilityStore(folder / f"{name}{member}").write(f"car_{image:02}", plane)
    return bytes_of(folder, CLASSES), bytes_of(folder, ["all"])


def bytes_of(folder: Path, names: Sequence[str]) -> int:
    """Return what the maps of some ensembles take on disk."""
    return sum(path.stat().st_size for name in names for path in folder.glob(f"{name}[0-9]/*.b2nd"))


def main() -> None:
    """Measure four classes one by one, and together."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = prepare(folder)
        ways = {
            BASELINE: partial(merge_stores, folder, [*CLASSES], ()),
            "together": partial(merge_stores, folder, ["all"], CLASSES),
        }
        table = compete(ways, rounds=ROUNDS, items=IMAGES).assign(case="four classes")
    table["map_bytes"] = [size / MEMBERS / IMAGES for size in sizes]
    settings = {"images": IMAGES, "members": MEMBERS, "size": f"{WIDTH}x{HEIGHT}", "baseline_is": "a merge for each"}
    publish("merge_classes", table, **settings)


if __name__ == "__main__":
    main()
