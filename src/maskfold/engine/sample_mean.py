"""The mean over samples: whatever batches they came in, and whichever ranks saw them."""

import torch
import torchmetrics


class SampleMean(torchmetrics.Metric):
    """The mean of a value a sample, the same to the last bit over batches and ranks of any sizes.

    Sums are float64: those of float32 values, unless they are very many or of very different sizes, are not rounded
    there, so that their order, which depends on the number of ranks, does not matter. Lightning's own are float32.
    """

    full_state_update = False
    total: torch.Tensor
    samples: torch.Tensor

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
