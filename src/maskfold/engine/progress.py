"""What a training says of itself while it runs: what it is, how long it will take, and a line an epoch."""

import logging
import statistics
import time
from collections.abc import Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from maskfold.engine.precision import FULL
from maskfold.engine.task import Task
from maskfold.processor import cpu_has_bf16
from maskfold.runs.monitor import UNKNOWN, Monitor
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import bar, counted, duration, readable

log = logging.getLogger(__name__)

TIMED_STEPS, TIMED_S = 20, 5.0  # what is timed, behind the first step, before the length of the run is estimated
LONG_S = 600.0  # from here on it is worth saying what would be quicker
FORWARD = 1 / 3  # of a training step is taken for a validation step, until an epoch has shown what it takes


class Announce(Callback):
    """Says at the start what is trained on what and in which steps, and then how long the run will take.

    Args:
        folder: The run's.
        photos: How many there are to train on, and to validate on.
        batch_size: Images to a batch, in each process.
    """

    def __init__(self, folder: RunFolder, photos: tuple[int, int], batch_size: int) -> None:
        self.folder = folder
        self.photos = photos
        self.batch_size = batch_size
        self.estimated = False
        self.begun = False
        self.second_step: float | None = None

    def on_fit_start(self, trainer: lightning.Trainer, module: Task) -> None:
        """Say what is trained."""
        if trainer.is_global_zero:
            training, validation = self.photos
            log.info(
                "%s: %s on %s, %s to train on and %s to validate, %s",
                self.folder.path,
                counted(trainer.max_epochs, "epoch"),
                device_name(trainer),
                counted(training, "photo"),
                f"{validation:,}",
                parameters(module.network),
            )

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: Task) -> None:
        """Forget the clock of an epoch that was too short for an estimate."""
        self.second_step = None

    def on_train_batch_start(self, trainer: lightning.Trainer, module: Task, batch: Any, batch_idx: int) -> None:
        """Say what a step takes, now that the first epoch's rate is set."""
        if trainer.is_global_zero and not self.begun:
            self.begun = True
            log.info("%s", step_line(trainer, images=self.batch_size, factor=module.rate_factor))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Task, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Say how long the run will take once enough steps were timed; the first one, which warms up, is not."""
        if self.estimated or not trainer.is_global_zero:
            return
        if self.second_step is None:
            self.second_step, self.timed, self.images = time.perf_counter(), 0, 0
            return
        self.timed += 1
        self.images += len(batch["image"])
        seconds = time.perf_counter() - self.second_step
        if self.timed >= TIMED_STEPS or seconds >= TIMED_S or trainer.is_last_batch:
            self.estimated = True
            log.info("%s", self._estimate(trainer, seconds))
            if self._left(trainer, seconds) > LONG_S and could_use_bf16(trainer, module):
                log.info("this processor is quicker in bf16: trainer.precision=bf16-mixed (docs/how-to/gpu.md)")

    def _left(self, trainer: lightning.Trainer, seconds: float) -> float:
        """Return the seconds that are left, by those that the timed steps took."""
        steps = trainer.num_training_batches + FORWARD * sum(trainer.num_val_batches)
        return (trainer.max_epochs - trainer.current_epoch) * steps * seconds / self.timed

    def _estimate(self, trainer: lightning.Trainer, seconds: float) -> str:
        """Return the sentence about the time that is left, and the device's memory if it has one of its own."""
        left = self._left(trainer, seconds)
        speed = self.images * trainer.world_size / seconds
        memory = f", device memory {readable(peak_memory())}" if peak_memory() else ""
        return f"about {duration(left)} to go, by {counted(self.timed, 'step')}: {speed:.3g} photos/s{memory}"


def could_use_bf16(trainer: lightning.Trainer, module: lightning.LightningModule) -> bool:
    """Return whether a training computes in float32 on a processor that has bf16 of its own."""
    return module.device.type == "cpu" and trainer.precision == FULL and cpu_has_bf16()


class EpochBar(Callback):
    """Draws a bar an epoch, of its training and validation steps, which is gone when the epoch has ended."""

    def on_train_start(self, trainer: lightning.Trainer, module: Task) -> None:
        """Draw it where a run goes on in the middle of an epoch, which Lightning then does not begin."""
        if trainer.fit_loop.restarted_mid_epoch:
            self.on_train_epoch_start(trainer, module)
            if trainer.is_global_zero:
                self.bar.update(trainer.fit_loop.epoch_loop.batch_progress.current.ready)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: Task) -> None:
        """Draw it."""
        if trainer.is_global_zero:
            steps = trainer.num_training_batches + sum(trainer.num_val_batches)
            self.bar = bar(numbered(trainer.current_epoch, trainer.max_epochs), total=steps, unit="steps", leave=False)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Task, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a step."""
        if trainer.is_global_zero:
            self.bar.update()

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        module: Task,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a step."""
        self.on_train_batch_end(trainer, module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Task) -> None:
        """Clear it away."""
        if trainer.is_global_zero:
            self.bar.close()

    def on_exception(self, trainer: lightning.Trainer, module: Task, exception: BaseException) -> None:
        """Clear it away before the error is printed."""
        if hasattr(self, "bar"):
            self.bar.close()


class PredictionBar(Callback):
    """Draws a bar of the batches that are predicted."""

    def on_predict_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Draw it."""
        if trainer.is_global_zero:
            self.bar = bar("predict", total=int(sum(trainer.num_predict_batches)), unit="batches", leave=False)

    def on_predict_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch."""
        if trainer.is_global_zero:
            self.bar.update()

    def on_predict_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Clear it away."""
        if trainer.is_global_zero:
            self.bar.close()

    def on_exception(self, trainer: lightning.Trainer, module: Any, exception: BaseException) -> None:
        """Clear it away before the error is printed."""
        if hasattr(self, "bar"):
            self.bar.close()


def epoch_line(rows: Sequence[dict[str, float]], *, epochs: int, monitor: Monitor) -> str:
    """Return what is said of the last epoch: its score, whether it is the best so far, its losses, the time left.

    Args:
        rows: Of `metrics.csv` up to now.
        epochs: Of the whole run.
        monitor: What an epoch is judged by.
    """
    row = rows[-1]
    name = monitor.label.removeprefix("validation ")
    best = " (best)" if monitor.best(rows) is row else ""
    score = monitor.label if monitor == UNKNOWN else f"{name} {row[monitor.name]:.5f}{best}"
    parts = [f"{numbered(int(row['epoch']), epochs)}: {score}"]
    if "train/loss" in row and monitor == UNKNOWN:
        parts.append(f"loss {row['train/loss']:.4f}")
    if "train/loss" in row and "val/loss" in row:
        parts.append(f"loss {row['train/loss']:.4f} (validation {row['val/loss']:.4f})")
    left = epochs - int(row["epoch"]) - 1
    if left > 0:
        parts.append(f"{duration(left * statistics.median(one['seconds'] for one in rows))} to go")
    return ", ".join(parts)


def step_line(trainer: lightning.Trainer, *, images: int, factor: float) -> str:
    """Return what an optimizer step takes, and at which rate.

    Args:
        trainer: Its ranks and the batches that each accumulates; its optimizers have their rates.
        images: To a batch, in each rank.
        factor: What the rates that were asked for have been multiplied by.
    """
    batches, ranks = trainer.accumulate_grad_batches, trainer.world_size
    devices = max(ranks // trainer.num_nodes, 1)
    parts = [f"{trainer.num_nodes} machines x"] * (trainer.num_nodes > 1) + [f"{devices} devices x"] * (ranks > 1)
    parts += [f"batch {images}"] + [f"x {batches} batches"] * (batches > 1)
    rates = sorted({group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups}, reverse=True)
    scaled = f", {factor:g} times what was given" if factor != 1 else ""
    total = counted(images * batches * ranks, "image")
    return f"a step takes {total} ({' '.join(parts)}), at rate {', '.join(f'{rate:.3g}' for rate in rates)}{scaled}"


def numbered(epoch: int, epochs: int) -> str:
    """Return how people call an epoch that counts from 0: `epoch  3/12`."""
    return f"epoch {epoch + 1:{len(str(epochs))}}/{epochs}"


def device_name(trainer: lightning.Trainer) -> str:
    """Return what a trainer computes on, such as `cpu` or `2 x NVIDIA H100`."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return name if trainer.world_size == 1 else f"{trainer.world_size} x {name}"


def parameters(network: nn.Module) -> str:
    """Return how many parameters a network has, and how many of them train where that is not all."""
    numbers = [(one.numel(), one.requires_grad) for one in network.parameters()]
    every = sum(number for number, _ in numbers)
    training = sum(number for number, trains in numbers if trains)
    return f"{every:,} parameters" + (f", of which {training:,} train" if training < every else "")


def peak_memory() -> int:
    """Return the bytes of device memory that were taken at most; 0 where the device has none of its own."""
    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
