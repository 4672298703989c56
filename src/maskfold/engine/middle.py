"""The state of a run in the middle of an epoch, from which it goes on with exactly the samples that were left.

It is a file of its own, `middle.ckpt`: `last.ckpt` stays what it was at the end of the last whole epoch.
"""

import logging
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import lightning
from lightning.pytorch.callbacks import Callback

from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.loaders import Loader
from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import counted

log = logging.getLogger(__name__)

LOOK_EVERY = 20  # steps after which several processes ask the first one's clock, which costs all of them a moment


class Every(NamedTuple):
    """How often something is done: after so many optimizer steps, or after so many seconds."""

    steps: int | None
    seconds: float | None


def parse_every(text: str) -> Every:
    """Read `500 steps` or `10 min`.

    Raises:
        MaskfoldError: If it is neither.
    """
    parts = re.fullmatch(r"(\d+(?:\.\d+)?) ?(steps?|min(?:utes?)?)", text.strip())
    number = float(parts[1]) if parts else 0
    is_steps = parts is not None and parts[2].startswith("step")
    if number <= 0 or (is_steps and number != int(number)):
        raise MaskfoldError(f"trainer.save_every={text}: give minutes or steps, such as 10min or 500steps, or null.")
    return Every(int(number), None) if is_steps else Every(None, 60 * number)


class Share(NamedTuple):
    """How a run's processes share an epoch; what is left of one can be shared in the same way only.

    Attributes:
        processes: How many there are.
        batch_size: Samples in a batch, in each.
        batches: To a step, in each.
    """

    processes: int
    batch_size: int
    batches: int

    def __str__(self) -> str:
        accumulated = f", {self.batches} to a step" if self.batches > 1 else ""
        return f"{counted(self.processes, 'process', 'processes')} with batches of {self.batch_size}{accumulated}"


class SaveInEpoch(Callback):
    """Writes `middle.ckpt` every so often, and goes on behind its batches where a run begins with one.

    Args:
        folder: The run's.
        every: How often; None for never.
        train_batches: They are told how many batches a broken-off run has had.
    """

    def __init__(self, folder: RunFolder, every: Every | None, train_batches: Loader) -> None:
        self.folder = folder
        self.every = every
        self.train_batches = train_batches
        self.saved = time.monotonic()
        self.middle: dict[str, Any] = {}  # what a checkpoint in the middle of an epoch holds, and no other
        self.begun_with: dict[str, Any] = {}  # the same of the checkpoint that the run goes on from

    def state_dict(self) -> dict[str, Any]:
        """Return where the epoch is, while it is saved in its middle."""
        return self.middle

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take where the epoch was."""
        self.begun_with = state_dict

    def on_train_start(self, trainer: lightning.Trainer, module: Task) -> None:
        """Go on behind the batches that were done; Lightning begins no epoch that it resumes in the middle."""
        middle, self.begun_with = self.begun_with, {}
        if trainer.fit_loop.restarted_mid_epoch and middle:
            self.train_batches.set_epoch(trainer.current_epoch, done=middle["batches"])
            if trainer.is_global_zero:  # the sum over all processes: in each, it would count several times
                module.training_loss.total.copy_(middle["loss"])
                module.training_loss.samples.copy_(middle["samples"])

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: Task) -> None:
        """Remove the state of the epoch before, whose end is saved by now."""
        if trainer.is_global_zero:
            self.folder.middle.unlink(missing_ok=True)

    def on_fit_end(self, trainer: lightning.Trainer, module: Task) -> None:
        """Do so at the end of the run."""
        self.on_train_epoch_start(trainer, module)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: Task, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time; never behind the last batch, since the end of the epoch is saved anyway."""
        between_steps = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if self.every is None or not between_steps or trainer.is_last_batch or not self._is_due(trainer):
            return
        self.save(trainer, module, batch_idx + 1)

    def save(self, trainer: lightning.Trainer, module: Task, batches: int) -> None:
        """Save the epoch behind so many batches, between two optimizer steps; all processes do this together."""
        loss = module.training_loss
        total, samples = (trainer.strategy.reduce(part.clone(), reduce_op="sum") for part in (loss.total, loss.samples))
        share = share_of(trainer, self.train_batches)
        self.middle = {"batches": batches, "share": list(share), "loss": total, "samples": samples}
        trainer.save_checkpoint(self.folder.middle)
        self.middle = {}
        self.saved = time.monotonic()

    def _is_due(self, trainer: lightning.Trainer) -> bool:
        """Return whether it is time, in all processes alike."""
        if self.every.steps is not None:
            return trainer.global_step % self.every.steps == 0
        if trainer.world_size > 1 and trainer.global_step % LOOK_EVERY:
            return False
        return trainer.strategy.broadcast(time.monotonic() - self.saved >= self.every.seconds)


def share_of(trainer: lightning.Trainer, train_batches: Loader) -> Share:
    """Return how an epoch is shared now."""
    return Share(trainer.world_size, train_batches.batch_size, trainer.accumulate_grad_batches)


def where_to_go_on(folder: RunFolder, share: Share, *, restart: bool) -> Path | None:
    """Return the checkpoint that a run goes on from; None where it begins.

    Args:
        folder: The run's.
        share: How an epoch is shared now.
        restart: Where what is left of an epoch cannot be shared so, go on from the end of the epoch before.

    Raises:
        MaskfoldError: If it cannot, and `restart` is false; or a checkpoint is damaged.
    """
    last = folder.last if folder.last.exists() else None
    if not folder.middle.exists():
        return last
    checkpoint = load_checkpoint(folder.middle)
    if last is not None and load_checkpoint(last)["epoch"] >= checkpoint["epoch"]:
        return last  # the run was broken off between the end of that epoch and the removal of its middle
    middle = checkpoint["callbacks"][SaveInEpoch.__name__]
    if (before := Share(*middle["share"])) == share:
        return folder.middle
    epoch = checkpoint["epoch"] + 1
    if restart:
        log.warning("%s: epoch %d begins again: it was shared by %s.", folder.path, epoch, before)
        return last
    raise MaskfoldError(
        f"{folder.middle}: epoch {epoch} was broken off behind {counted(middle['batches'], 'batch', 'batches')}, "
        f"shared by {before}; now it is {share}, and what is left of the epoch can only be shared as it was. Start as "
        "many as before, or begin this epoch again: trainer.restart_epoch=true."
    )
