"""What a task is to learn, and how one sees that it has: all that the engine asks of an objective."""

from abc import ABC, abstractmethod

import torch
from torch import nn
from torchmetrics import Metric

from maskfold.runs.monitor import Monitor

Batch = dict[str, torch.Tensor]
Output = torch.Tensor | tuple[torch.Tensor, ...]
"""What a network answers: one tensor; in training auxiliary ones may follow it."""


class Objective(nn.Module, ABC):
    """Losses, a metric, and which of its values is monitored; a module, so that it moves to the device with the task.

    N is the number of samples in a batch, which is a dictionary of tensors whose first dimension it is.

    Attributes:
        monitor: The value of `metric`, behind `val/`, that chooses the best epoch; `val/loss` works as well.
        metric: What is measured in validation. Its `compute` returns scalars by name.
        epochs: How many the run has, which the task says before the first; None if nobody knows.
    """

    monitor: Monitor
    metric: Metric
    epochs: int | None = None

    def prepared(self, batch: Batch, *, seed: tuple[int, ...]) -> Batch:
        """Return a training batch as it is learned from, where its samples change one another; as it is by default.

        Args:
            batch: As it was loaded, on the device.
            seed: What everything random about it follows from.
        """
        return batch

    @abstractmethod
    def losses(self, output: Output, batch: Batch) -> torch.Tensor:
        """Return each sample's loss, `(N,) float32`, before its weight."""

    @abstractmethod
    def measure(self, output: Output, batch: Batch) -> None:
        """Add a batch of validation to `metric`."""
