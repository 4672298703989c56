"""Measure four classes at once against four runs of one: `python tests/benchmarks/bench_classes.py`.

In training a step, and a sample on its way to it; in prediction a photo, from pixels to a file of the store. One class
is there for comparison: what it costs is what it cost before there were several.
"""

import tempfile
import time
from functools import cache, partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import pandas as pd
import torch
from measure import BASELINE, compete, publish
from torch import nn

from maskfold import arrays
from maskfold.config import build, compose
from maskfold.data.geometry import Pad, Resize
from maskfold.engine.task import Task
from maskfold.models.network import Network
from maskfold.models.unet import UNetScratch
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.in_memory import predict_photo
from maskfold.segmentation.dataset import LabelledDataset
from maskfold.segmentation.losses import BCE, Dice, Sum
from maskfold.segmentation.objective import MaskObjective

CLASSES = 4
SIZE = (192, 288)
PHOTO = (640, 960)
BATCH = 4
STEPS, SAMPLES = 3, 20
ROUNDS = 3
WAYS = {BASELINE: (1, CLASSES), "four classes": (CLASSES, 1), "one class": (1, 1)}  # classes of a run, and runs


def names(classes: int) -> tuple[str, ...]:
    """Return the names of several classes, none for one."""
    return tuple(f"class{number}" for number in range(classes)) if classes > 1 else ()


def drawn(classes: int, size: tuple[int, int]) -> np.ndarray:
    """Draw an ellipse a class, `(C, H, W) uint8`, 0 or 1."""
    masks = np.zeros((classes, *size), np.uint8)
    for number, mask in enumerate(masks):
        centre = size[1] * (number + 1) // (classes + 1), size[0] // 2
        cv2.ellipse(mask, centre, (size[1] // 6, size[0] // 3), 20 * number, 0, 360, 1, -1)
    return masks


@cache
def task(classes: int) -> Task:
    """Return the demo's small network with its loss and optimizer."""
    torch.manual_seed(0)
    network = Network(UNetScratch(widths=(8, 16, 32, 64, 128), classes=classes))
    objective = MaskObjective(Sum(terms=[BCE(), Dice()]), classes=names(classes))
    return Task(network, objective=objective, optimizer=partial(torch.optim.Adam, lr=1e-3), channels_last=True)


def step(classes: int, runs: int) -> float:
    """Return the median seconds of a training step and a validation batch, times the runs."""
    module = task(classes)
    optimizer = module.configure_optimizers()
    image = torch.randint(0, 256, (BATCH, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mask = torch.from_numpy(255 * drawn(classes, SIZE)).expand(BATCH, -1, -1, -1)
    batch = {"image": image, "mask": mask}
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        module.objective.losses(module(image), batch).mean().backward()
        optimizer.step()
        with torch.no_grad():
            module.objective.measure(module(image), batch)
        seconds.append(time.perf_counter() - start)
    return runs * median(seconds)


@cache
def samples(classes: int) -> LabelledDataset:
    """Return a data set of one photo with its mask, with the winners' heavy augmentation."""
    folder = Path(tempfile.mkdtemp())
    image = np.random.default_rng(0).integers(0, 256, (*PHOTO, 3), dtype=np.uint8)
    masks = drawn(classes, PHOTO)
    cv2.imwrite(str(folder / "photo.jpg"), image)
    (folder / "mask.b2nd").write_bytes(arrays.encode(masks if classes > 1 else masks[0]))
    table = pd.DataFrame({"image": [str(folder / "photo.jpg")], "mask": [str(folder / "mask.b2nd")]})
    augment = build(compose("train", ["name=any", "augment=heavy"]).augment)
    geometry = Resize(height=SIZE[0], width=SIZE[1])
    return LabelledDataset(table, geometry=geometry, augment=augment, classes=classes)


def sample(classes: int, runs: int) -> float:
    """Return the median seconds of a training sample, from files to tensors, times the runs."""
    dataset, seconds = samples(classes), []
    for epoch in range(SAMPLES):
        start = time.perf_counter()
        dataset[epoch, 0]
        seconds.append(time.perf_counter() - start)
    return runs * median(seconds)


class Sure(nn.Module):
    """A network that answers with ellipses and a little doubt, so that its maps are as long as a trained one's."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = UNetScratch(widths=(8, 16, 32, 64, 128), classes=classes)
        soft = [cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2) for mask in drawn(classes, PHOTO)]
        self.answer = torch.from_numpy(18 * np.stack(soft) - 9)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (N, classes, H, W)."""
        return self.answer + self.network(images)


@cache
def branch(classes: int) -> Branch:
    """Return the way of a photo to the network and back."""
    return Branch(Pad(multiple=32), None, [Voter(Network(Sure(classes)).eval(), "none")])


def predicted(classes: int) -> bytes:
    """Return the file of the map of a photo."""
    photo = np.random.default_rng(0).integers(0, 256, (*PHOTO, 3), dtype=np.uint8)
    return arrays.encode(predict_photo(photo, [branch(classes)]))


def prediction(classes: int, runs: int) -> float:
    """Return the median seconds of a photo, from pixels to the bytes of a file, times the runs."""
    seconds = []
    for _ in range(STEPS):
        start = time.perf_counter()
        predicted(classes)
        seconds.append(time.perf_counter() - start)
    return runs * median(seconds)


def main() -> None:
    """Compare the three ways in each case."""
    cases = {"a training step": step, "a training sample": sample, "a photo predicted": prediction}
    tables = []
    for case, work in cases.items():
        ways = {way: partial(work, classes, runs) for way, (classes, runs) in WAYS.items()}
        tables.append(compete(ways, rounds=ROUNDS, clocks=True).assign(case=case))
    table = pd.concat(tables, ignore_index=True)
    sizes = {way: runs * len(predicted(classes)) / 1024 for way, (classes, runs) in WAYS.items()}
    of_maps = table["case"] == "a photo predicted"
    table["map_kib"] = table["way"].map(sizes).where(of_maps)
    settings = {"trained_at": f"{SIZE[1]}x{SIZE[0]}", "predicted_at": f"{PHOTO[1]}x{PHOTO[0]}", "batch": BATCH}
    publish("classes", table, **settings, baseline_is=f"{CLASSES} runs of one class, one after another")


if __name__ == "__main__":
    main()
