"""Measure augmentation one by one on the CPU against whole batches: `python tests/benchmarks/bench_augment.py`.

The baseline is a preset as a loading process applies it, on one core. The other two are the batch's changes on that
core too, for comparison, and on a GPU where there is one; drawing is in both.
"""

import sys
from functools import cache, partial
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from bench_store import HEIGHT, WIDTH
from measure import BASELINE, compete, one_thread, publish, ratio_chart
from torch.utils.data import default_collate

from maskfold.config import build, compose
from maskfold.data.drawing import Drawing
from maskfold.engine.tensors import to_tensor
from maskfold.segmentation.batch_changes import changed
from maskfold.segmentation.dataset import to_target

PRESETS = ("soft", "heavy", "light", "ternaus")
SIZES = ((HEIGHT, WIDTH + 2), (512, 768))
BATCH = 4
SAMPLES = 16
ROUNDS = 3


@cache
def sample(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return a photo of noise and a mask."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return image, (image[..., 0] > 127).astype(np.uint8)


@cache
def preset(name: str) -> object:
    """Return an augmentation."""
    return build(compose("train", ["name=any", f"augment={name}"]).augment)


def one_by_one(name: str, size: tuple[int, int]) -> float:
    """Change samples on the CPU, and return the seconds; their tensors are made too."""
    one_thread()
    augment, (image, mask) = preset(name), sample(size)
    start = perf_counter()
    for seed in range(SAMPLES):
        changed_image, changed_mask = augment(image, mask, seed)
        to_tensor(changed_image), to_target(changed_mask)
    return perf_counter() - start


def in_batches(name: str, size: tuple[int, int], device: str) -> float:
    """Draw for samples, change their batches on a device, and return the seconds of both; photos are there already."""
    one_thread()
    draw, (image, mask) = Drawing(preset(name)), sample(size)
    photo, target = to_tensor(image).to(device), to_target(mask).to(device)
    still = {"image": photo.expand(BATCH, -1, -1, -1), "mask": target.expand(BATCH, -1, -1, -1)}

    def change(seeds: range) -> None:
        drawn = default_collate(
            [{key: torch.from_numpy(row) for key, row in draw(image.shape, s).items()} for s in seeds]
        )
        changed(still | {key: rows.to(device) for key, rows in drawn.items()})

    change(range(BATCH))
    _wait(device)
    start = perf_counter()
    for first in range(0, SAMPLES, BATCH):
        change(range(first, first + BATCH))
    _wait(device)
    return perf_counter() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Compare them for each preset and size."""
    devices = {"in batches, the same core": "cpu"} | ({"in batches, GPU": "cuda"} if torch.cuda.is_available() else {})
    tables = []
    for size in SIZES:
        for name in PRESETS:
            ways = {way: partial(in_batches, name, size, device) for way, device in devices.items()}
            ways = {BASELINE: partial(one_by_one, name, size)} | ways
            table = compete(ways, rounds=ROUNDS, items=SAMPLES, clocks=True)
            tables.append(table.assign(case=f"{name}, {size[1]}x{size[0]}"))
    whole = pd.concat(tables, ignore_index=True)
    publish("augment", whole, ratio_chart(whole, title="Augmentation of whole batches"), batch=BATCH)


if __name__ == "__main__":
    sys.exit(main())
