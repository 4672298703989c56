"""A loss that is no number any more: it is said at once, and an epoch of it ends the run."""

import logging
from itertools import chain
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from maskfold.errors import MaskfoldError

log = logging.getLogger(__name__)

LOOK_EVERY = 20  # batches on a GPU, which to look at the loss of every batch would keep waiting


class StopWhenDiverged(Callback):
    """Ends a run whose network has broken, before a checkpoint of that epoch is written.

    A single loss that is no number is a warning: with 16 bits the step is left out and nothing is lost. The network has
    broken when its weights or its validation loss are no numbers, or no loss of an epoch was one.

    Args:
        folder: The run's, for the messages.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.batches = 0
        self.bad: torch.Tensor | int = 0
        self.noticed = False
        self.endless: set[str] = set()

    def on_fit_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Note the buffers that are infinite on purpose, as those that close attention to a place are."""
        self.endless = {name for name, buffer in module.named_buffers() if not torch.isfinite(buffer).all()}

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Count from 0."""
        self.batches, self.bad, self.noticed = 0, 0, False

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look at the batch's loss, on a GPU at those of several batches together."""
        loss = outputs["loss"]
        self.batches += 1
        self.bad = self.bad + ~torch.isfinite(loss)
        if self.noticed or (loss.is_cuda and self.batches % LOOK_EVERY):
            return
        if self.bad:
            self.noticed = True
            log.warning(
                "%s: the training loss is %s in epoch %d, batch %d.",
                self.folder,
                loss.item() if not loss.isfinite() else "no number",
                trainer.current_epoch + 1,
                self.batches,
            )

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """End the run if its network has broken; this comes before the callbacks that write checkpoints.

        Raises:
            MaskfoldError: If it has.
        """
        fault = self._fault(trainer, module)
        if trainer.strategy.reduce_boolean_decision(fault is not None, all=False):
            raise MaskfoldError(self._message(fault or "another process's part of it is", trainer.current_epoch))

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Look where nothing is validated."""
        if not trainer.enable_validation:
            self.on_validation_end(trainer, module)

    def _fault(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> str | None:
        """Return what is no number, with its verb, or None."""
        buffers = (buffer for name, buffer in module.named_buffers() if name not in self.endless)
        if not all(bool(torch.isfinite(part).all()) for part in chain(module.parameters(), buffers)):
            return "the network's weights are"
        if not torch.isfinite(torch.as_tensor(trainer.callback_metrics.get("val/loss", 0.0))):
            return "the validation loss is"
        if self.batches and int(self.bad) == self.batches:
            return "the training loss of every batch is"
        return None

    def _message(self, fault: str, epoch: int) -> str:
        kept = f"The checkpoints are those of the epochs up to {epoch}" if epoch else "No epoch has been finished"
        return (
            f"{self.folder}: the training has diverged: in epoch {epoch + 1} {fault} no number any more (NaN or "
            f"infinite). It was stopped, and nothing of this epoch is kept. {kept}. The same command would come to the "
            "same end: lower the rate (optimizer.lr, or those of schedule.phases), clip the gradient "
            "(trainer.gradient_clip=1), or train with trainer.precision=32-true, under another name=... or with "
            "overwrite=true."
        )
