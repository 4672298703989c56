"""What happens around the epochs of any task: the log, the random state, the learning rate."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback

from maskfold import files
from maskfold.engine.loaders import Loader
from maskfold.engine.progress import epoch_line, peak_memory
from maskfold.engine.schedules import PlateauWatch, Schedule
from maskfold.runs.monitor import Monitor

log = logging.getLogger(__name__)


class BatchSeed(Callback):
    """Start every epoch, and every batch, from a random state that follows from the seed, the epoch and the batch.

    A resumed run repeats it, wherever it was broken off.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Seed Python, NumPy and torch."""
        lightning.seed_everything(self._of(trainer.current_epoch), verbose=False)

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed them anew."""
        seed = self._of(trainer.current_epoch) * 1_000_003 + batch_idx + 1
        lightning.seed_everything(seed % 2**32, verbose=False)

    def _of(self, epoch: int) -> int:
        return (self.seed * 1_000_003 + epoch) % 2**32


class TellEpoch(Callback):
    """Tells the loaders which epoch it is, after a resume too; Lightning knows only samplers.

    Of an epoch that a run goes on with in its middle, `maskfold.engine.middle` tells them.
    """

    def __init__(self, train_batches: Loader, validation_batches: Loader | None) -> None:
        self.train_batches = train_batches
        self.validation_batches = validation_batches

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Tell the training batches."""
        self.train_batches.set_epoch(trainer.current_epoch)

    def on_validation_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Tell the validation batches."""
        if self.validation_batches is not None:
            self.validation_batches.set_epoch(trainer.current_epoch)


class FollowSchedule(Callback):
    """Set the learning rate of every epoch from a table, and start the optimizer afresh where the table says so."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.watch = PlateauWatch()

    def state_dict(self) -> dict[str, Any]:
        """Return what has been seen of the plateau, to be kept in the checkpoint."""
        return self.watch.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the plateau of a checkpoint."""
        self.watch = PlateauWatch(**state_dict)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Set the epoch's rate in every parameter group."""
        epoch = self.schedule.epoch(trainer.current_epoch)
        if epoch.begins:
            self.watch = PlateauWatch()
        for optimizer in trainer.optimizers:
            if epoch.restart:
                optimizer.state.clear()
            for group in optimizer.param_groups:
                group["lr"] = epoch.rate * self.watch.scale * group.get("factor", 1.0)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Look whether validation loss still falls."""
        epoch = self.schedule.epoch(trainer.current_epoch)
        if epoch.plateau is not None:
            self.watch.see(float(trainer.callback_metrics["val/loss"]), epoch.plateau)


class EpochLog(Callback):
    """Keep `metrics.csv`, one row an epoch, and tell each to the console and to `report`.

    The rows travel inside the checkpoint, so a resumed run's log has every epoch once, and so does what an epoch has
    taken before a run was broken off in it. Columns: `epoch` (from 0),
    `rate`, all logged metrics, `seconds` (training and validation), `images_per_second` (training images over the
    training time), `peak_memory_mb` (of the device; of nothing, 0, on a CPU).
    """

    def __init__(
        self, path: Path, *, monitor: Monitor, report: Callable[[dict[str, float]], None] | None = None
    ) -> None:
        self.path = path
        self.monitor = monitor
        self.report = report
        self.rows: list[dict[str, float]] = []
        self.started = time.perf_counter()
        self.images = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, and what this epoch has taken so far, to be kept in the checkpoint."""
        return {"rows": self.rows, "seconds": time.perf_counter() - self.started, "images": self.images}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint, and where the clocks were, which an epoch's start sets back."""
        self.rows = state_dict["rows"]
        self.started = time.perf_counter() - state_dict.get("seconds", 0)
        self.images = state_dict.get("images", 0)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the clocks."""
        self.started = time.perf_counter()
        self.images = 0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Note the rate; at the epoch's end a torch scheduler has already set the next one's."""
        self.rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_fit_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Forget the memory that trials of the batch size, or an earlier run of this process, have taken."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the images."""
        self.images += len(batch["image"])

    def on_validation_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Stop the training clock."""
        self.trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Add the epoch's row and rewrite the file; other ranks keep the same rows but leave the file alone."""
        if not trainer.enable_validation:
            self.trained = time.perf_counter()
        row = {"epoch": trainer.current_epoch, "rate": self.rate}
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row["seconds"] = round(time.perf_counter() - self.started, 3)
        row["images_per_second"] = round(self.images * trainer.world_size / (self.trained - self.started), 3)
        row["peak_memory_mb"] = round(peak_memory() / 2**20)
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        files.write_text(self.path, pd.DataFrame(self.rows).to_csv(index=False))
        log.info("%s", epoch_line(self.rows, epochs=trainer.max_epochs, monitor=self.monitor))
        if self.report is not None:
            self.report(row)
