"""Measure photos to training tensors against the usual loop: `python tests/benchmarks/bench_loading.py`.

Photos are the real ones of the challenge, where there are any beside the repository, and drawn ones of the same size,
which take eight times the bytes: every row says which. The usual loop is as it is elsewhere; ours is measured with
photos decoded in full and, where they are resized, at a part of their size, and with masks decoded each time and kept.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from statistics import mean
from time import perf_counter

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import torch
from bench_store import HEIGHT, WIDTH, probability_map
from measure import BASELINE, compete, publish, ratio_chart
from PIL import Image
from torch.utils.data import default_collate

from maskfold.config import build, compose
from maskfold.data.loading import content_hash
from maskfold.data.mask_copies import COPY, with_copies
from maskfold.data.shown import PhotoFile
from maskfold.engine.loaders import one_thread
from maskfold.segmentation.dataset import LabelledDataset

PHOTOS = 24
BATCH = 4
ROUNDS = 5
SIZES = (None, (512, 512), (192, 256))
REAL = Path(__file__).parents[2].parent / "shared/data/carvana/test"


def prepare(folder: Path) -> dict[str, pd.DataFrame]:
    """Return image tables by what their photos are, with a mask as the challenge stores them and its copy's place.

    Real photos are those of the challenge, where there are any beside the repository.
    """
    mask = folder / "mask.gif"
    Image.fromarray(np.where(probability_map(0) > 127, np.uint8(255), np.uint8(0))).convert("1").save(mask)
    for number in range(PHOTOS):
        noise = np.random.default_rng(number).normal(128, 40, (HEIGHT // 8, WIDTH // 8, 3)).clip(0, 255)
        photo = cv2.resize(noise.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.jpg"), photo)
    sets = {"real": sorted(REAL.glob("*.jpg"))[:PHOTOS], "drawn": sorted(folder.glob("*.jpg"))}
    tables = {}
    for name, paths in sets.items():
        if paths:
            table = pd.DataFrame({"image": [str(path) for path in paths], "mask": str(mask)})
            table["mask_hash"] = content_hash(mask)
            (tables[f"{name}, {mean(path.stat().st_size for path in paths) / 1000:.0f} KB"],) = with_copies(
                [table], folder
            )
    return tables


@cache
def usual_steps(size: tuple[int, int] | None = None) -> A.Compose:
    """Return the transforms of `conf/augment/soft.yaml` and what follows them, all of albumentations."""
    return A.Compose(
        [
            A.Resize(*size, interpolation=cv2.INTER_AREA)
            if size
            else A.PadIfNeeded(HEIGHT, WIDTH + 2, border_mode=cv2.BORDER_REFLECT_101),
            A.HorizontalFlip(p=0.5),
            A.Affine(
                translate_percent=0,
                scale=(0.9, 1.1),
                keep_ratio=True,
                rotate=(-5, 5),
                border_mode=cv2.BORDER_REFLECT_101,
                p=0.75,
            ),
            A.ColorJitter(brightness=(0.9, 1.1), contrast=(1, 1), saturation=(1, 1), hue=(0, 0), p=0.5),
            A.HueSaturationValue((-10, 10), (-25, 25), (-25, 25), p=0.5),
            A.Normalize(),
        ]
    )


def usual_item(row: tuple, size: tuple[int, int] | None = None) -> dict[str, torch.Tensor]:
    """Load a photo the usual way: cv2, albumentations, normalised on the CPU, float32 tensors."""
    image = cv2.cvtColor(cv2.imread(row.image), cv2.COLOR_BGR2RGB)
    mask = (np.array(Image.open(row.mask).convert("L")) > 0).astype(np.float32)
    sample = usual_steps(size)(image=image, mask=mask)
    pixels = np.ascontiguousarray(sample["image"].transpose(2, 0, 1))
    return {"image": torch.from_numpy(pixels), "mask": torch.from_numpy(sample["mask"][None])}


def usual_loop(table: pd.DataFrame, size: tuple[int, int] | None = None) -> None:
    """Load all photos in batches, the usual way."""
    for start in range(0, len(table), BATCH):
        default_collate([usual_item(row, size) for row in table.iloc[start : start + BATCH].itertuples()])


@cache
def pipeline(size: tuple[int, int] | None = None, decode: str = "full") -> dict:
    """Return the parts of the experiment `linknet34`, at another size where one is given."""
    shown = [] if size is None else ["geometry=resize", f"geometry.decode={decode}"]
    shown += [f"geometry.{side}={pixels}" for side, pixels in zip(("height", "width"), size or (), strict=False)]
    config = compose("train", ["experiment=linknet34", *shown])
    return {key: build(config[key]) for key in ("geometry", "preprocess", "augment")}


def our_loop(table: pd.DataFrame, size: tuple[int, int] | None = None, decode: str = "full") -> None:
    """Load all photos in batches as training does, in a loading process; they are normalised on the device."""
    one_thread(0)
    dataset = LabelledDataset(table, **pipeline(size, decode))
    for start in range(0, len(dataset), BATCH):
        default_collate([dataset[0, index] for index in range(start, min(start + BATCH, len(dataset)))])


def compared(table: pd.DataFrame, size: tuple[int, int] | None) -> pd.DataFrame:
    """Return what the usual loop takes and what ours does, each with masks decoded in every epoch and kept."""
    bare = table.drop(columns=COPY)
    ways = {BASELINE: partial(usual_loop, bare, size)}
    for decode in ("full",) if size is None else ("full", "scaled"):
        ways[f"ours, {decode}"] = partial(our_loop, bare, size, decode)
        ways[f"ours, {decode}, masks kept"] = partial(our_loop, table, size, decode)
    return compete(ways, rounds=ROUNDS, items=len(table), check=False)


def off(table: pd.DataFrame, size: tuple[int, int]) -> float:
    """Return how many levels of 255 a photo that is decoded at a part of its size is off, on average."""
    full, scaled = (pipeline(size, decode)["geometry"] for decode in ("full", "scaled"))
    levels = []
    for path in table["image"]:
        shown = [
            geometry.forward(PhotoFile(path).prepared(geometry, None))[0].astype(int) for geometry in (full, scaled)
        ]
        levels.append(np.abs(shown[0] - shown[1]).mean())
    return float(np.mean(levels))


def stages(table: pd.DataFrame) -> pd.DataFrame:
    """Return where our time goes: milliseconds a photo of each step, by itself."""
    from maskfold.data.loading import read_image, read_mask
    from maskfold.segmentation.dataset import to_target, to_tensor

    one_thread(0)
    geometry, augment = pipeline()["geometry"], pipeline()["augment"]
    images = [read_image(path) for path in table["image"][:8]]
    mask = read_mask(table["mask"][0])
    pairs = [geometry.training_pair(image, mask, np.random.default_rng(0)) for image in images]
    steps: dict[str, Callable[[int], object]] = {
        "decode the JPEG": lambda n: read_image(table["image"][n]),
        "decode the mask": lambda n: read_mask(table["mask"][n]),
        "pad": lambda n: geometry.training_pair(images[n], mask, np.random.default_rng(0)),
        "augment": lambda n: augment(*pairs[n], n),
        "to uint8 tensors": lambda n: (to_tensor(pairs[n][0]), to_target(pairs[n][1])),
    }
    rows = []
    for name, step in steps.items():
        times = []
        for turn in range(3 * len(images)):
            start = perf_counter()
            step(turn % len(images))
            times.append(perf_counter() - start)
        rows.append({"way": name, "ms": 1000 * np.mean(times[len(images) :])})
    return pd.DataFrame(rows)


def main() -> None:
    """Compare the loops at each size and of each kind of photo, and take ours apart."""
    parts = []
    with tempfile.TemporaryDirectory() as name:
        for photos, table in prepare(Path(name)).items():
            for size in SIZES:
                case = "soft, padded" if size is None else f"soft, {size[0]}x{size[1]}"
                rows = compared(table, size).assign(case=f"{photos}: {case}", photos=photos)
                if size is not None:
                    rows["levels_off"] = np.where(rows["way"].str.contains("scaled"), off(table, size), 0.0)
                parts.append(rows)
            parts.append(stages(table).assign(case=f"{photos}: breakdown", photos=photos))
    rows = pd.concat(parts, ignore_index=True)
    chart = ratio_chart(rows[rows["ratio"].notna()], title="Photos to training tensors, one core")
    publish("loading", rows, chart, images=PHOTOS, size=f"{WIDTH}x{HEIGHT}")


if __name__ == "__main__":
    sys.exit(main())
