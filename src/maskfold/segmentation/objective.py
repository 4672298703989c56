"""What a segmentation learns: a loss an image between logits and masks, judged by what the data is scored by."""

from collections.abc import Sequence

import torch
from torch import nn

from maskfold.engine.deep_supervision import DeepSupervision
from maskfold.engine.objective import Batch, Objective, Output
from maskfold.engine.once import once
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME, Metric
from maskfold.runs.monitor import Monitor
from maskfold.segmentation.batch_changes import changed
from maskfold.segmentation.metrics import SegmentationMetrics
from maskfold.segmentation.mixing import OTHER_MASK, SHARES, MaskMixing
from maskfold.terminal import counted


class MaskObjective(Objective):
    """Compares logits `(N, C, H, W)` with a batch's `mask (N, C, H, W) uint8`.

    A mask is 255 where the object is certain; a soft one, a pseudo-label, has all values from 0.

    Args:
        loss: `(logits, target) -> (N,)`, one value an image; the target is 0..1.
        metric: What the data is scored by, which is monitored.
        classes: The names of several classes; none for one.
        mixing: What mixes training batches; None for nothing.
    """

    def __init__(
        self,
        loss: nn.Module,
        *,
        metric: Metric = METRICS_BY_NAME["dice"],
        classes: Sequence[str] = (),
        mixing: MaskMixing | None = None,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.mixing = mixing
        self.metric = SegmentationMetrics(metric, classes=classes)
        self.monitor = Monitor(name=f"val/{metric.name}", mode="max", label=f"validation {metric.title}")

    def prepared(self, batch: Batch, *, seed: tuple[int, ...]) -> Batch:
        """See `Objective`; makes what changes the samples have drawn for the device, then mixes them if asked to."""
        batch = changed(batch)
        return batch if self.mixing is None else self.mixing(batch, seed=seed, epochs=self.epochs)

    def losses(self, output: Output, batch: Batch) -> torch.Tensor:
        """See `Objective`.

        Raises:
            MaskfoldError: If the network has auxiliary outputs and the loss is not one for them, or it answers with
                another number of classes than the masks have.
        """
        if not isinstance(output, torch.Tensor) and not isinstance(self.loss, DeepSupervision):
            raise MaskfoldError(
                f"The network has {len(output)} outputs in training and the loss is for one: wrap it in "
                "maskfold.engine.deep_supervision.DeepSupervision, as loss=deep_supervision does."
            )
        for logits in [output] if isinstance(output, torch.Tensor) else output:
            _check_classes(logits, batch["mask"])
        own = self.loss(output, _target(batch["mask"]))
        if SHARES not in batch:
            return own
        of_own, of_other = batch[SHARES].unbind(1)
        return of_own * own + of_other * self.loss(output, _target(batch[OTHER_MASK]))

    def measure(self, output: Output, batch: Batch) -> None:
        """See `Objective`."""
        self.metric.update(output, _target(batch["mask"]))


def _check_classes(logits: torch.Tensor, mask: torch.Tensor) -> None:
    """Refuse logits that have not a plane for each of a mask's."""
    answered, expected = logits.shape[1], mask.shape[1]
    if answered != expected:
        raise MaskfoldError(
            f"The network answers with {counted(answered, 'channel')}, {tuple(logits.shape)}, and the data has "
            f"{counted(expected, 'class', 'classes')}: set the argument that says how many channels this model "
            f"answers with (classes, num_classes, out_channels or the like) to {expected}: +model.<argument>={expected}"
        )


def _target(mask: torch.Tensor) -> torch.Tensor:
    return once(_as_probability, mask)


def _as_probability(mask: torch.Tensor) -> torch.Tensor:
    return mask / 255
