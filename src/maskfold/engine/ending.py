"""A training that is asked to end does so together with its other ranks, at the end of a step."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from maskfold.termination import has_come, pass_on


class EndWhenAsked(Callback):
    """Ends a training behind the step in which SIGTERM came to this process or to another of its ranks, and saves it.

    In validation it is put off to the checkpoint behind it, since without that the epoch would be lost. Once a step the
    ranks tell one another, through the CPU, so that no GPU is waited for.

    Args:
        timeout: Seconds after which a rank that says nothing is taken for lost.
        save: `(trainer, module, batches) -> None`, saves an epoch behind so many batches; None where that cannot be.
    """

    def __init__(self, timeout: int, save: Callable[[lightning.Trainer, Any, int], None] | None = None) -> None:
        self.timeout = timedelta(seconds=timeout)
        self.save = save

    def on_fit_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Make a line between the ranks."""
        if trainer.world_size > 1:
            self.line = torch.distributed.new_group(backend="gloo", timeout=self.timeout)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """End what was asked to end in validation; the epoch's checkpoint is written."""
        if self._is_asked(trainer):
            raise KeyboardInterrupt

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the training here, but for the last batch of an epoch, behind which its validation comes.

        Nor between two batches of a step, whose gradients no checkpoint has.
        """
        between_steps = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if between_steps and not trainer.is_last_batch and self._is_asked(trainer):
            if self.save is not None:
                self.save(trainer, module, batch_idx + 1)
            raise KeyboardInterrupt

    def _is_asked(self, trainer: lightning.Trainer) -> bool:
        """Return whether any rank was asked; all ranks ask this at the same places."""
        if trainer.world_size > 1:
            asked = torch.tensor(float(has_come()))
            torch.distributed.all_reduce(asked, op=torch.distributed.ReduceOp.MAX, group=self.line)
            if asked:
                pass_on()
        return has_come()
