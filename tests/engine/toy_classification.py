"""A classification of drawn shapes on the engine, which imports no other rooms than those it needs.

`python toy_classification.py <folder>` trains a small network, frozen in its first layer and tracked by TensorBoard,
into `<folder>/whole`; and into `<folder>/broken`, where it is broken off in the middle of an epoch and goes on.
`said.json` has the rooms of `maskfold` that were imported, and the best row of either log.
"""

import json
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.objective import Objective
from maskfold.engine.schedules import Schedule
from maskfold.engine.task import Task
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder
from maskfold.tracking.guard import tracked
from maskfold.tracking.tensorboard_tracker import TensorBoardTracker

EPOCHS = 6


class Shapes(Dataset):
    """Circles (class 0) and squares (class 1) of any size and place, 24x24 pixels."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng((self.seed, key[1]))
        image, label, radius = np.zeros((24, 24), np.uint8), key[1] % 2, int(rng.integers(5, 9))
        row, column = (int(place) for place in rng.integers(radius, 24 - radius, 2))
        if label:
            cv2.rectangle(image, (column - radius, row - radius), (column + radius, row + radius), 255, 1)
        else:
            cv2.circle(image, (column, row), radius, 255, 1)
        return {"image": torch.from_numpy(image[None] / np.float32(255)), "label": torch.tensor(label)}


class Classes(Objective):
    """Cross-entropy, judged by the share that is right."""

    monitor = Monitor(name="val/accuracy", mode="max", label="validation accuracy")

    def __init__(self) -> None:
        super().__init__()
        self.metric = MetricCollection({"accuracy": MulticlassAccuracy(num_classes=2, average="micro")})

    def losses(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return F.cross_entropy(output, batch["label"], reduction="none")

    def measure(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> None:
        self.metric.update(output, batch["label"])


class KilledError(Exception):
    """Ends a training in the middle of an epoch."""


class Breakable(Task):
    """Breaks off in the second epoch, at a batch."""

    stop_at: int | None = None

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1 and batch_idx == self.stop_at:
            raise KilledError
        return super().training_step(batch, batch_idx)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        nn.Sequential(nn.Conv2d(8, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU()),
        nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 2)),
    )


def train(path: Path, stop_at: int | None = None) -> dict[str, float]:
    run = RunFolder(path)
    config = {"name": path.name, "fold": 0, "seed": 0, "task": {"_target_": "toy_classification.Shapes"}}
    run.begin(config, identity={"data": "shapes"})
    task = Breakable(network(), optimizer=torch.optim.Adam, objective=Classes(), freeze=["0"])
    task.stop_at = stop_at
    load = partial(EpochLoader, batch_size=8, seed=0, num_workers=0)
    with tracked([TensorBoardTracker(folder=str(path.parent / "events"))], run) as trackers:
        best = Engine(accelerator="cpu").fit(
            task,
            load(Shapes(96, 0), shuffle=True),
            load(Shapes(40, 1)),
            folder=run,
            schedule=Schedule(phases=[{"epochs": EPOCHS, "rate": 0.01}]),
            seed=0,
            report=trackers.log_epoch,
        )
    run.finish(best, monitor=Classes.monitor)
    return best


def main(folder: Path) -> None:
    whole = train(folder / "whole")
    with suppress(KilledError):
        train(folder / "broken", stop_at=5)
    broken = train(folder / "broken")
    rooms = sorted({name.split(".")[1] for name in sys.modules if name.startswith("maskfold.")})
    (folder / "said.json").write_text(json.dumps({"rooms": rooms, "whole": whole, "broken": broken}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
