"""Measure the merge of members' maps against the usual recipe: `python tests/benchmarks/bench_merge.py`."""

import shutil
import tempfile
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from bench_rle import recipe_encode
from bench_store import HEIGHT, WIDTH, probability_map
from measure import BASELINE, compete, publish, ratio_chart

from maskfold import parallel
from maskfold.ensembling.merge import CHUNK, MergeJob, merge
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.prediction.store import SUFFIX, ProbabilityStore

IMAGES = 2 * CHUNK
MAPS = 8  # different ones, of which each image has others
ROUNDS = 3
MEMBERS = (4, 30)


def recipe(folder: Path, members: int, image_id: str) -> str:
    """Merge one image as is usual: read PNGs, add them up as floats, write the mean as PNG, encode the mask."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for member in range(members):
        total += cv2.imread(str(folder / f"png{member}" / f"{image_id}.png"), cv2.IMREAD_GRAYSCALE)
    mean = total / members
    cv2.imwrite(str(folder / "mean.png"), np.round(mean).astype(np.uint8))
    return recipe_encode((mean >= 127.5).astype(np.uint8))


def merge_by_recipe(folder: Path, members: int, image_ids: list[str]) -> list[str]:
    """Return the run-length strings of all images, the usual way."""
    return [recipe(folder, members, image_id) for image_id in image_ids]


def merge_by_store(folder: Path, members: int, image_ids: list[str], jobs: int) -> list[str]:
    """Return the run-length strings of all images, as `make ensemble` finds them."""
    parallel.START_UP_S = 0  # so few images would not be worth a second process
    table = pd.DataFrame({"image_id": image_ids, "mask": None, "height": HEIGHT, "width": WIDTH})
    stores = [folder / f"store{m}" for m in range(members)]
    sources = tuple(MemberMaps(Leaf(store.name, Fraction(1, members), (store,)), None) for store in stores)
    parts = Path(tempfile.mkdtemp(dir=folder))
    merge(MergeJob(sources, 128, (), parts), table, description=f"{members} members", jobs=jobs)
    found = pd.concat(pd.read_parquet(part, columns=["image_id", "rle"]) for part in parts.iterdir())
    return found.set_index("image_id")["rle"][image_ids].tolist()


def prepare(folder: Path, members: int) -> list[str]:
    """Write every member's maps of a few images, as PNGs and into stores; return the images."""
    for seed in range(MAPS):
        probability = probability_map(seed)
        cv2.imwrite(str(folder / f"{seed}.png"), probability)
        ProbabilityStore(folder).write(str(seed), probability)
    image_ids = [f"car_{number:02}" for number in range(IMAGES)]
    for member in range(members):
        for kind, suffix in (("png", ".png"), ("store", SUFFIX)):
            (folder / f"{kind}{member}").mkdir()
            for number, image_id in enumerate(image_ids):
                source = folder / f"{(number + member) % MAPS}{suffix}"
                shutil.copy(source, folder / f"{kind}{member}" / f"{image_id}{suffix}")
    return image_ids


def compare(members: int) -> pd.DataFrame:
    """Return the rows of one size of ensemble."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image_ids = prepare(folder, members)
        ways = {
            BASELINE: partial(merge_by_recipe, folder, members, image_ids),
            "one core": partial(merge_by_store, folder, members, image_ids, 1),
            "all cores": partial(merge_by_store, folder, members, image_ids, -1),
        }
        return compete(ways, rounds=ROUNDS, items=IMAGES).assign(case=f"{members} maps")


def main() -> None:
    """Measure a small ensemble and a large one."""
    table = pd.concat([compare(members) for members in MEMBERS], ignore_index=True)
    title = f"From stored maps to run lengths, {WIDTH}x{HEIGHT}"
    settings = {"images": IMAGES, "size": f"{WIDTH}x{HEIGHT}", "baseline_is": "PNG by cv2, float32 mean, np.where"}
    publish("merge", table, ratio_chart(table, title=title), **settings)


if __name__ == "__main__":
    main()
