"""The mean over samples: whatever batches they came in, and whichever ranks saw them."""

import torch
import torchmetrics


class SampleMean(torchmetrics.Metric):
    """The mean of a value a sample, exact over batches and ranks of any sizes.

    Lightning's own mean of what a step logs is not: on gloo it rounds the mean number of samples of unequal ranks down.
    Sums are float64, in which those of many float32 values have no rounding that would depend on their order.
    """

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("samples", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, values: torch.Tensor) -> None:
        """Add a batch's values, `(N,)`."""
        self.total += values.detach().double().sum()
        self.samples += len(values)

    def compute(self) -> torch.Tensor:
        """Return the mean over all samples seen, a float64 scalar."""
        return self.total / self.samples
