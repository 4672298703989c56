"""What a prediction is worth: pure functions on counts and batches, and their mean over images on any number of ranks.

N is the number of images in a batch, H and W their height and width in pixels.
"""

from typing import TypeVar

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from torchmetrics import Metric

Counts = TypeVar("Counts", float, np.ndarray, torch.Tensor)  # all of one kind and shape

# OpenCV counts in float32, which is exact up to here.
EXACT_COUNT = 2**24


def dice_score(intersection: Counts, predicted: Counts, actual: Counts, *, smooth: float = 0.0) -> Counts:
    """Return 2 |A∩B| / (|A| + |B|), and 1 where both are empty, as the Carvana challenge scores an image.

    Args:
        intersection: Pixels (or their summed weight) in both masks, any shape.
        predicted: Pixels in the predicted mask.
        actual: Pixels in the true mask.
        smooth: Added to numerator and denominator, in pixels.
    """
    return _ratio(2 * intersection + smooth, predicted + actual + smooth)


def iou_score(intersection: Counts, predicted: Counts, actual: Counts) -> Counts:
    """Return |A∩B| / |A∪B|, and 1 where both are empty; arguments as for `dice_score`."""
    return _ratio(intersection, predicted + actual - intersection)


def _ratio(part: Counts, whole: Counts) -> Counts:
    """Divide, and return 1 where both are 0."""
    empty = whole == 0
    return (part + empty) / (whole + empty)


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


def threshold_counts(probability: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the overlap of a mask with a probability map cut at every threshold, where `probability >= threshold`.

    Args:
        probability: (H, W) uint8, 0..255.
        mask: (H, W) uint8, 0 or 1.

    Returns:
        `intersection, predicted, actual`, each (256,) int64 with the threshold as its index; ready for `dice_score`.

    Raises:
        ValueError: If the shapes differ.
    """
    if probability.shape != mask.shape:
        raise ValueError(f"probability {probability.shape} and mask {mask.shape} differ in shape")
    inside, everywhere = _histogram(probability, mask), _histogram(probability, None)
    intersection, predicted = (histogram[::-1].cumsum()[::-1] for histogram in (inside, everywhere))
    return intersection, predicted, np.full(256, intersection[0])


def _histogram(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Count the pixels of each value, of the whole image or where `mask` is not 0; (256,) int64."""
    rows = max(EXACT_COUNT // image.shape[1], 1)
    counts = np.zeros(256, np.int64)
    for top in range(0, image.shape[0], rows):
        band = slice(top, top + rows)
        part = None if mask is None else np.ascontiguousarray(mask[band])
        counts += cv2.calcHist([np.ascontiguousarray(image[band])], [0], part, [256], [0, 256])[:, 0].astype(np.int64)
    return counts


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
