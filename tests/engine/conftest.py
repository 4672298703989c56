"""A toy task that the engine fits in a fraction of a second: it knows no more of masks than the engine does."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only
from torch import nn
from torch.utils.data import Dataset
from torchmetrics import MeanMetric, MetricCollection

from maskfold import termination
from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.objective import Objective
from maskfold.engine.schedules import Schedule
from maskfold.engine.step_schedule import StepSchedule
from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder


class ToyData(Dataset):
    """Ten pictures of 4x4 whose target is their own mean, with noise that follows from epoch and index."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, key: tuple[int, ...]) -> dict[str, torch.Tensor]:
        epoch, index, *again = key
        seed = 1000 * epoch + index + 100 * sum(again)
        image = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(seed))
        return {"image": image, "index": torch.tensor(index)}


class ToyObjective(Objective):
    """The mean of a picture; `val/score` is the negated loss. Losses of validation may be given, one an epoch."""

    monitor = Monitor(name="val/score", mode="max", label="validation score")

    def __init__(self, given: list[float] | None) -> None:
        super().__init__()
        self.given = given
        self.epoch = 0
        self.metric = MetricCollection({"score": MeanMetric()})

    def losses(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        own = (output[:, 0] - batch["image"].mean(dim=(1, 2, 3))).square()
        return own if self.given is None or own.requires_grad else torch.full_like(own, self.given[self.epoch])

    def measure(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> None:
        self.metric.update(-self.losses(output, batch))


class ToyTask(Task):
    """One layer behind batch normalisation, whose training can be watched and broken off."""

    def __init__(
        self, *, losses: list[float] | None = None, optimizer: Callable = torch.optim.Adam, scheduler: Any = None
    ) -> None:
        torch.manual_seed(3)
        network = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 1))
        made = partial(optimizer, lr=1.0)
        super().__init__(network, optimizer=made, objective=ToyObjective(losses), scheduler=scheduler)
        self.stop_at: tuple[int, int] | None = None
        self.seen: list[tuple[int, list[int]]] = []
        self.rates: list[float] = []
        self.validated: dict[int, torch.Tensor] = {}

    def training_step(self, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.stop_at == (self.current_epoch, batch_idx):
            raise KilledError
        self.seen.append((self.current_epoch, batch["index"].tolist()))
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        return super().training_step(batch, batch_idx)

    def on_validation_epoch_start(self) -> None:
        self.objective.epoch = self.current_epoch
        self.validated[self.current_epoch] = self.network[-1].weight.detach().clone()


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
        keep_best: int | None = None,
        loaders: Sequence[EpochLoader] | None = None,
        draws: Sequence[float] | None = None,
        batch_size: int = 2,
        **trainer: Any,
    ) -> ToyTask:
        folder = RunFolder(tmp_path / run)
        scheduler = schedule if isinstance(schedule, StepSchedule) else None
        task = ToyTask(losses=losses, optimizer=optimizer, scheduler=scheduler)
        task.stop_at = stop_at
        load = partial(EpochLoader, ToyData(), batch_size=batch_size, seed=1, num_workers=0)
        try:
            task.best = Engine(**{"accelerator": "cpu"} | trainer).fit(
                task,
                *(loaders or (load(shuffle=True, draws=draws), load())),
                folder=folder,
                schedule=schedule or Schedule(phases=phases or [{"epochs": 4, "rate": 0.01}]),
                seed=1,
                averaging=averaging,
                keep_best=keep_best,
            )
        except KilledError:
            assert stop_at is not None
        task.folder = folder
        return task

    return run


@pytest.fixture
def together() -> Iterator[Callable]:
    """Run something in two forked ranks of one run, as torchrun starts them; return their exit codes.

    A rank that raises `MaskfoldError` writes what it says to `<said><rank>` and ends with 3; one that SIGTERM ends
    does so with 143.
    """
    shared = {"MASTER_ADDR": "127.0.0.1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    shared |= {"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "test"}
    every = []

    def as_rank(rank: int, act: Callable, said: str) -> None:
        os.environ.update(shared | {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}"})
        rank_zero_only.rank = rank
        torch.set_num_threads(1)  # a fork has none of the threads that its parent has made, and would wait for them
        try:
            act(rank)
        except MaskfoldError as error:
            with open(f"{said}{rank}", "w") as file:
                file.write(f"{error}")
            os._exit(3)
        except KeyboardInterrupt:
            os._exit(termination.STATUS if termination.has_come() else 1)
        os._exit(0)

    def run(act: Callable, said: str = os.devnull) -> list[int | None]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            shared["MASTER_PORT"] = f"{free.getsockname()[1]}"
        fork = torch.multiprocessing.get_context("fork")
        begun = [fork.Process(target=as_rank, args=(rank, act, said)) for rank in range(2)]
        every.extend(begun)
        for process in begun:
            process.start()
        begun[0].join(60)
        begun[1].join(0 if begun[0].exitcode else 60)
        return [process.exitcode for process in begun]

    yield run
    for process in every:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.join()
