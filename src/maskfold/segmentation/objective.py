"""What a segmentation learns: a loss an image between logits and masks, judged by Dice."""

import torch
from torch import nn

from maskfold.engine.deep_supervision import DeepSupervision
from maskfold.engine.objective import Batch, Objective, Output
from maskfold.errors import MaskfoldError
from maskfold.runs.monitor import Monitor
from maskfold.segmentation.metrics import SegmentationMetrics


class MaskObjective(Objective):
    """Compares logits `(N, 1, H, W)` with a batch's `mask (N, 1, H, W) uint8`.

    A mask is 255 where the object is certain; a soft one, a pseudo-label, has all values from 0.

    Args:
        loss: `(logits, target) -> (N,)`, one value an image; the target is 0..1.
    """

    monitor = Monitor(name="val/dice", mode="max", label="validation Dice")

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.metric = SegmentationMetrics()

    def losses(self, output: Output, batch: Batch) -> torch.Tensor:
        """See `Objective`.

        Raises:
            MaskfoldError: If the network has auxiliary outputs and the loss is not one for them.
        """
        if not isinstance(output, torch.Tensor) and not isinstance(self.loss, DeepSupervision):
            raise MaskfoldError(
                f"The network has {len(output)} outputs in training and the loss is for one: wrap it in "
                "maskfold.engine.deep_supervision.DeepSupervision, as loss=deep_supervision does."
            )
        return self.loss(output, _target(batch))

    def measure(self, output: Output, batch: Batch) -> None:
        """See `Objective`."""
        self.metric.update(output, _target(batch))


def _target(batch: Batch) -> torch.Tensor:
    return batch["mask"] / 255
