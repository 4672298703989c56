"""Hard-negative mining: what the network finds hardest is shown to it once more."""

from collections.abc import Iterator
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch.utils.data import Dataset

from maskfold.engine.loaders import Loader
from maskfold.errors import MaskfoldError


class HardNegativeLoader:
    """Repeats, after every `every` fresh batches, the one of them with the largest loss.

    The idea is the Carvana winners'. A repeated batch is trained on like any other, so that accumulation, clipping and
    several ranks (each with its own memory) need to know nothing of it. It has a length, without which Lightning would
    ask for the next batch before the last one's loss is known.

    Args:
        loader: Where fresh batches come from.
        every: How many fresh batches there are to one repeated.

    Raises:
        MaskfoldError: If `every` is below 1.
    """

    def __init__(self, loader: Loader, *, every: int) -> None:
        if every < 1:
            raise MaskfoldError(f"trainer.hard_negatives_every={every}: give at least 1, or null for no mining.")
        self.loader = loader
        self.every = every
        self._forget()

    def _forget(self) -> None:
        self._fresh: Any = None
        self._hardest: Any = None
        self._largest = float("-inf")

    @property
    def dataset(self) -> Dataset:
        """See `Loader`."""
        return self.loader.dataset

    @property
    def batch_size(self) -> int:
        """See `Loader`."""
        return self.loader.batch_size

    def set_epoch(self, epoch: int, *, done: int = 0) -> None:
        """See `Loader`; where batches are left out, what was the hardest of them is not known."""
        self.loader.set_epoch(epoch, done=done)

    def __len__(self) -> int:
        return len(self.loader) + len(self.loader) // self.every

    def __iter__(self) -> Iterator[Any]:
        self._forget()
        for number, batch in enumerate(self.loader, start=1):
            self._fresh = batch
            yield batch
            if number % self.every == 0:
                hardest = self._hardest
                self._forget()
                yield hardest

    def report(self, loss: float) -> None:
        """Take the loss of the batch that was given last; a repeated one's does not count."""
        if self._fresh is not None and (self._hardest is None or loss > self._largest):
            self._hardest, self._largest = self._fresh, loss


class ReportLosses(Callback):
    """Tells a `HardNegativeLoader` every batch's loss."""

    def __init__(self, loader: HardNegativeLoader) -> None:
        self.loader = loader

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the loss."""
        self.loader.report(float(outputs["loss"]))
