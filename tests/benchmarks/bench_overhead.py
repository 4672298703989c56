"""Measure an epoch of the engine against a bare PyTorch loop: `python tests/benchmarks/bench_overhead.py`.

Both take the same batches from the same loader through the same network, loss and optimizer, and both measure the same
validation; the time is that of the epochs after the first, without the start and without checkpoints.
"""

import tempfile
import time
from functools import cache, partial
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from measure import BASELINE, compete, publish, ratio_chart
from torch.utils.data import Dataset

from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.schedules import Schedule
from maskfold.engine.task import Task
from maskfold.models.network import Network
from maskfold.models.unet import UNetScratch
from maskfold.runs.run_folder import RunFolder
from maskfold.segmentation.losses import BCE, Dice, Sum
from maskfold.segmentation.objective import MaskObjective

SIZE = (192, 288)
BATCH = 4
IMAGES, VALIDATED = 120, 16
EPOCHS = 3
ROUNDS = 3


class Drawn(Dataset):
    """Photos and masks that are there already."""

    def __init__(self, length: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (length, 3, *SIZE), dtype=torch.uint8, generator=generator)
        self.masks = 255 * (self.images[:, :1] > 128).to(torch.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Return a sample as `LabelledDataset` does."""
        return {"image": self.images[key[1]], "mask": self.masks[key[1]], "weight": torch.tensor(1.0)}


@cache
def loaders() -> tuple[EpochLoader, EpochLoader]:
    """Return what both train and validate on."""
    load = partial(EpochLoader, batch_size=BATCH, num_workers=0)
    return load(Drawn(IMAGES), shuffle=True), load(Drawn(VALIDATED))


def task() -> Task:
    """Return the demo's small network with its loss and optimizer."""
    torch.manual_seed(0)
    network = Network(UNetScratch(widths=(8, 16, 32, 64, 128)))
    objective = MaskObjective(Sum(terms=[BCE(), Dice()]))
    return Task(network, objective=objective, optimizer=partial(torch.optim.Adam, lr=1e-3), channels_last=True)


def engine_epoch() -> float:
    """Return the median seconds of an epoch of the engine."""
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        schedule = Schedule(phases=[{"epochs": EPOCHS, "rate": 1e-3}])
        train, validation = loaders()
        options = {"folder": folder, "schedule": schedule, "seed": 0}
        Engine(accelerator="cpu", precision="32-true").fit(task(), train, validation, **options)
        return median(pd.read_csv(folder.metrics)["seconds"][1:])


def bare_epoch() -> float:
    """Return the median seconds of an epoch of a loop over the same batches."""
    module = task()
    optimizer = module.configure_optimizers()
    train, validation = loaders()
    seconds = []
    for epoch in range(EPOCHS):
        start = time.perf_counter()
        train.set_epoch(epoch)
        module.train()
        for batch in train:
            optimizer.zero_grad()
            loss = (module.objective.loss(module(batch["image"]), batch["mask"] / 255) * batch["weight"]).mean()
            loss.backward()
            optimizer.step()
        module.eval()
        with torch.no_grad():
            for batch in validation:
                logits, target = module(batch["image"]), batch["mask"] / 255
                module.objective.loss(logits, target).mean()
                module.objective.metric.update(logits, target)
        module.objective.metric.compute()
        module.objective.metric.reset()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def main() -> None:
    """Compare an epoch of each."""
    ways = {BASELINE: bare_epoch, "engine": engine_epoch}
    steps = IMAGES // BATCH
    table = compete(ways, rounds=ROUNDS, items=steps, clocks=True).assign(case="a step")
    table["overhead"] = 1 / table["ratio"] - 1
    chart = ratio_chart(table, title=f"An epoch of the engine against a bare loop, {steps} steps")
    publish("overhead", table, chart, size=f"{SIZE[1]}x{SIZE[0]}", batch=BATCH, baseline_is="a bare PyTorch loop")


if __name__ == "__main__":
    main()
