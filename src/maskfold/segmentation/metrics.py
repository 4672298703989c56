"""What a prediction is worth in training: pure functions on batches, and their mean over images on any number of ranks.

N is the number of images in a batch, C that of classes, H and W an image's height and width in pixels.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torchmetrics
from torch.nn import functional as F

from maskfold.engine.once import once
from maskfold.masks.metrics import METRICS_BY_NAME, Metric
from maskfold.masks.scores import dice_score, iou_score
from maskfold.masks.scoring import of_class


def each_alone(*batches: torch.Tensor) -> list[torch.Tensor]:
    """Return batches `(N, C, ...)` as if each class were an image of its own, `(N C, 1, ...)`; of one class views."""
    return [batch.flatten(0, 1).unsqueeze(1) for batch in batches]


def over_classes(values: torch.Tensor, images: int) -> torch.Tensor:
    """Return `(N,)`, the mean over the classes of values `(N C,)` of what `each_alone` gives."""
    return values if len(values) == images else values.view(images, -1).mean(1)


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
    return once(_soft_dice, logits, target, weight, smooth)


def _soft_dice(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None, smooth: float) -> torch.Tensor:
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
    return once(_bce, logits, target, weight)


def _bce(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    weight = None if weight is None else weight.float()
    pixels = F.binary_cross_entropy_with_logits(logits.float(), target.float(), weight, reduction="none")
    return pixels.flatten(1).mean(1)


class SegmentationMetrics(torchmetrics.Metric):
    """Hard Dice, IoU, soft Dice and binary cross-entropy, each the mean over images, not over batches or ranks.

    Of several classes they are the means over all masks, one for each image and class, and `dice.<class>` is the Dice
    of one class. What the data is scored by is measured besides, where it is another: its mean over all masks, weighted
    as it says.

    Sums are kept in float64 and added up over the ranks, so ranks with different numbers of images agree with a
    single process.

    Args:
        metric: What the data is scored by.
        classes: The names of several classes; none for one.
    """

    full_state_update = False
    names = ("dice", "iou", "soft_dice", "bce")

    def __init__(self, metric: Metric = METRICS_BY_NAME["dice"], *, classes: Sequence[str] = ()) -> None:
        super().__init__()
        self.other = None if metric.name in self.names[:2] else metric
        self.classes = tuple(classes)
        sums = {"totals": len(self.names)}
        if self.classes:
            sums["class_dice"] = len(self.classes)
        if self.other is not None:
            sums["value_and_weight"] = 2
        for name, length in sums.items():
            self.add_state(name, torch.zeros(length, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch: logits (N, C, H, W), target (N, C, H, W) 0..1; both are cut at a probability of 0.5."""
        images = len(logits)
        logits, target = each_alone(logits, target)
        masks = logits >= 0, target >= 0.5
        counts = [count.double() for count in overlap_counts(*masks)]
        scores = [dice_score(*counts), iou_score(*counts), soft_dice(logits, target), bce(logits, target)]
        self.totals += torch.stack([over_classes(score.double(), images).sum() for score in scores])
        self.images += images
        if self.classes:
            self.class_dice += scores[0].view(images, -1).sum(0)
        if self.other is not None:
            values, weights = _by_counts(self.other, counts) if self.other.of_counts else _by_masks(self.other, masks)
            self.value_and_weight += torch.stack([(values * weights).sum(), weights.sum()])

    def compute(self) -> dict[str, torch.Tensor]:
        """Return every metric over all images seen, as float64 scalars by name; NaN where no mask counts."""
        scores = dict(zip(self.names, self.totals / self.images, strict=True))
        if self.classes:
            columns = [of_class("dice", name) for name in self.classes]
            scores |= zip(columns, self.class_dice / self.images, strict=True)
        if self.other is not None:
            total, weight = self.value_and_weight
            scores[self.other.name] = total / weight
        return scores


def _by_counts(metric: Metric, counts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return value and weight of each mask, `(N C,) float64`, of pixels counted."""
    # pyrefly: ignore[not-callable]
    return metric.of_counts(*counts)


def _by_masks(metric: Metric, masks: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the same of a metric that must see the masks, `(N C, 1, H, W) bool`, which it does on the CPU."""
    pairs = zip(*(batch[:, 0].to("cpu", torch.uint8).numpy() for batch in masks), strict=True)
    scored = np.array([metric.of_masks(*pair) for pair in pairs])
    values, weights = torch.from_numpy(scored).to(masks[0].device).T
    return values, weights
