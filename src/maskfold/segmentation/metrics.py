"""What a prediction is worth in training: pure functions on batches, and their mean over images on any number of ranks.

N is the number of images in a batch, H and W their height and width in pixels.
"""

import torch
from torch.nn import functional as F
from torchmetrics import Metric

from maskfold.masks.scores import dice_score, iou_score


def overlap_counts(prediction: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Count each image's pixels in both masks, in the predicted and in the true one, ready for `dice_score`.

    Args:
        prediction: (N, 1, H, W) bool.
        target: (N, 1, H, W) bool.

    Returns:
        `intersection, predicted, actual`, each (N,) int64.
    """
    prediction, target = prediction.flatten(1), target.flatten(1)
    return (prediction & target).sum(1), prediction.sum(1), target.sum(1)


def soft_dice(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None, *, smooth: float = 1.0
) -> torch.Tensor:
    """Return the Dice score of each image's probabilities, computed in float32 whatever the dtype of the logits.

    Args:
        logits: (N, 1, H, W).
        target: (N, 1, H, W), 0..1.
        weight: (N, 1, H, W) weight of each pixel, or None for 1.
        smooth: Added to numerator and denominator, in pixels; it settles what an empty mask scores.

    Returns:
        (N,) float32, 0..1.
    """
    probability, target = logits.float().sigmoid().flatten(1), target.float().flatten(1)
    intersection = probability * target
    if weight is not None:
        weight = weight.float().flatten(1)
        intersection, probability, target = weight * intersection, weight * probability, weight * target
    return dice_score(intersection.sum(1), probability.sum(1), target.sum(1), smooth=smooth)


def bce(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Return each image's binary cross-entropy in nats, the mean over its pixels, computed in float32.

    Arguments as for `soft_dice`; a weight's mean over the image is expected to be 1.

    Returns:
        (N,) float32.
    """
    weight = None if weight is None else weight.float()
    pixels = F.binary_cross_entropy_with_logits(logits.float(), target.float(), weight, reduction="none")
    return pixels.flatten(1).mean(1)


class SegmentationMetrics(Metric):
    """Hard Dice, IoU, soft Dice and binary cross-entropy, each the mean over images, not over batches or ranks.

    Sums are kept in float64 and added up over the ranks, so ranks with different numbers of images agree with a
    single process.
    """

    full_state_update = False
    names = ("dice", "iou", "soft_dice", "bce")

    def __init__(self) -> None:
        super().__init__()
        self.add_state("totals", torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch: logits (N, 1, H, W), target (N, 1, H, W) 0..1; both are cut at a probability of 0.5."""
        counts = [count.double() for count in overlap_counts(logits >= 0, target >= 0.5)]
        scores = [dice_score(*counts), iou_score(*counts), soft_dice(logits, target), bce(logits, target)]
        self.totals += torch.stack([score.double().sum() for score in scores])
        self.images += len(logits)

    def compute(self) -> dict[str, torch.Tensor]:
        """Return the mean of every metric over all images seen, as float64 scalars by name."""
        return dict(zip(self.names, self.totals / self.images, strict=True))
