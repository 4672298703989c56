"""A toy task that the engine fits in a fraction of a second: it knows no more of masks than the engine does."""

from collections.abc import Callable
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import Dataset

from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.schedules import Schedule
from maskfold.runs.run_folder import RunFolder


class ToyData(Dataset):
    """Ten pictures of 4x4 whose target is their own mean, with noise that follows from epoch and index."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        epoch, index = key
        image = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(1000 * epoch + index))
        return {"image": image, "index": torch.tensor(index)}


class ToyTask(lightning.LightningModule):
    """One layer behind batch normalisation; `val/dice` is the negated loss, unless the epochs' losses are given."""

    def __init__(self, *, losses: list[float] | None = None, optimizer: Callable = torch.optim.Adam) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 1))
        self.losses = losses
        self.make_optimizer = optimizer
        self.stop_at: tuple[int, int] | None = None
        self.seen: list[tuple[int, list[int]]] = []
        self.rates: list[float] = []
        self.validated: dict[int, torch.Tensor] = {}

    def _loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return (self.network(batch["image"])[:, 0] - batch["image"].mean(dim=(1, 2, 3))).square().mean()

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.stop_at == (self.current_epoch, batch_idx):
            raise KilledError
        self.seen.append((self.current_epoch, batch["index"].tolist()))
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        loss = self._loss(batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.validated[self.current_epoch] = self.network[-1].weight.detach().clone()

    def validation_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        loss = self._loss(batch)
        given = loss if self.losses is None else torch.tensor(self.losses[self.current_epoch])
        self.log_dict({"val/loss": given, "val/dice": -given}, batch_size=len(batch["image"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.make_optimizer(self.parameters(), lr=1.0)


class KilledError(Exception):
    """Ends a training in the middle of an epoch."""


@pytest.fixture
def toy(tmp_path) -> Callable[..., ToyTask]:
    """Fit a toy into `tmp_path/<run>` and return its task; `stop_at=(epoch, batch)` ends it there."""

    def run(
        run: str = "run",
        *,
        phases: list[dict] | None = None,
        losses: list[float] | None = None,
        optimizer: Callable = torch.optim.Adam,
        stop_at: tuple[int, int] | None = None,
        schedule: Any = None,
        averaging: Callback | None = None,
        **trainer: Any,
    ) -> ToyTask:
        folder = RunFolder(tmp_path / run)
        task = ToyTask(losses=losses, optimizer=optimizer)
        task.stop_at = stop_at
        loaders = [
            EpochLoader(ToyData(), batch_size=2, seed=1, shuffle=shuffle, num_workers=0) for shuffle in (True, False)
        ]
        try:
            task.best = Engine(**{"accelerator": "cpu"} | trainer).fit(
                task,
                *loaders,
                folder=folder,
                schedule=schedule or Schedule(phases=phases or [{"epochs": 4, "rate": 0.01}]),
                seed=1,
                monitor="val/dice",
                averaging=averaging,
            )
        except KilledError:
            assert stop_at is not None
        task.folder = folder
        return task

    return run
