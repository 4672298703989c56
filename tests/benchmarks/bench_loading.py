"""Measure photos to training tensors against the usual loop: `python tests/benchmarks/bench_loading.py`.

Photos are the real ones of the challenge where there are any beside the repository, else drawn ones of the same size.
"""

import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
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
from maskfold.engine.loaders import one_thread
from maskfold.segmentation.dataset import LabelledDataset

PHOTOS = 24
BATCH = 4
ROUNDS = 5
REAL = Path(__file__).parents[2].parent / "shared/data/carvana/test"


def prepare(folder: Path) -> tuple[pd.DataFrame, str]:
    """Return an image table of photos, each with a mask as the challenge stores them, and what photos they are."""
    found = sorted(REAL.glob("*.jpg"))[:PHOTOS]
    what = "real photos" if found else "drawn photos"
    mask = folder / "mask.gif"
    Image.fromarray(np.where(probability_map(0) > 127, np.uint8(255), np.uint8(0))).convert("1").save(mask)
    for number in range(0 if found else PHOTOS):
        noise = np.random.default_rng(number).normal(128, 40, (HEIGHT // 8, WIDTH // 8, 3)).clip(0, 255)
        photo = cv2.resize(noise.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.jpg"), photo)
    found = found or sorted(folder.glob("*.jpg"))
    return pd.DataFrame({"image": [str(path) for path in found], "mask": str(mask)}), what


@cache
def usual_steps() -> A.Compose:
    """Return the transforms of `conf/augment/soft.yaml` and what follows them, all of albumentations."""
    return A.Compose(
        [
            A.PadIfNeeded(HEIGHT, WIDTH + 2, border_mode=cv2.BORDER_REFLECT_101),
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


def usual_item(row: tuple) -> dict[str, torch.Tensor]:
    """Load a photo the usual way: cv2, albumentations, normalised on the CPU, float32 tensors."""
    image = cv2.cvtColor(cv2.imread(row.image), cv2.COLOR_BGR2RGB)
    mask = (np.array(Image.open(row.mask).convert("L")) > 0).astype(np.float32)
    sample = usual_steps()(image=image, mask=mask)
    pixels = np.ascontiguousarray(sample["image"].transpose(2, 0, 1))
    return {"image": torch.from_numpy(pixels), "mask": torch.from_numpy(sample["mask"][None])}


def usual_loop(table: pd.DataFrame) -> None:
    """Load all photos in batches, the usual way."""
    for start in range(0, len(table), BATCH):
        default_collate([usual_item(row) for row in table.iloc[start : start + BATCH].itertuples()])


@cache
def pipeline() -> dict:
    """Return the parts of the experiment `linknet34`."""
    config = compose("train", ["experiment=linknet34"])
    return {key: build(config[key]) for key in ("geometry", "preprocess", "augment")}


def our_loop(table: pd.DataFrame) -> None:
    """Load all photos in batches as training does, in a loading process; they are normalised on the device."""
    one_thread(0)
    dataset = LabelledDataset(table, **pipeline())
    for start in range(0, len(dataset), BATCH):
        default_collate([dataset[0, index] for index in range(start, min(start + BATCH, len(dataset)))])


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
        rows.append({"case": "breakdown", "way": name, "ms": 1000 * np.mean(times[len(images) :])})
    return pd.DataFrame(rows)


def main() -> None:
    """Compare the loops, and take ours apart."""
    with tempfile.TemporaryDirectory() as name:
        table, what = prepare(Path(name))
        ways = {BASELINE: partial(usual_loop, table), "LabelledDataset": partial(our_loop, table)}
        compared = compete(ways, rounds=ROUNDS, items=len(table), check=False).assign(case="soft")
        parts = stages(table)
    chart = ratio_chart(compared, title="Photos to training tensors, one core")
    settings = {"photos": what, "images": len(table), "size": f"{WIDTH}x{HEIGHT}"}
    publish("loading", pd.concat([compared, parts], ignore_index=True), chart, **settings)


if __name__ == "__main__":
    sys.exit(main())
