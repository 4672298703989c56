"""What a competition scores by: one number for many masks, and what each of them adds to it.

Every metric here is a weighted mean over masks, one mask for each photo and class: mean Dice weighs all alike, pooled
Dice by their pixels, and a mask that does not count weighs nothing. So what it comes to can be averaged over groups,
drawn by the bootstrap, and traced back to the photos that cost most.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

import cv2
import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.masks.scores import dice_score, iou_score
from maskfold.trust import METRIC, vet_function

Counts = TypeVar("Counts")  # numbers, arrays or tensors, all of one kind and shape

# TGS Salt (Kaggle, 2018): the share of these thresholds that a mask's IoU is above.
IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
TOLERANCE = 1.0  # pixels by which two outlines may lie apart, of the surface Dice


@dataclass(frozen=True)
class Metric:
    """A weighted mean over masks; larger is better.

    Attributes:
        name: What configuration, columns and monitors call it.
        title: What readers call it.
        of_counts: `(intersection, predicted, actual) -> (value, weight)`, pixels in both masks, in the predicted and
            in the true one; numbers, arrays or tensors. None where counts do not tell.
        of_pair: `(prediction, truth) -> value` of two masks `(H, W) uint8`, 0 or 1, where counts do not tell; NaN for
            a mask that does not count.
        weighted: Whether masks may weigh anything but 1.
    """

    name: str
    title: str
    of_counts: Callable[[Counts, Counts, Counts], tuple[Counts, Counts]] | None = None
    of_pair: Callable[[np.ndarray, np.ndarray], float] | None = None
    weighted: bool = False

    def of_masks(self, prediction: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
        """Return the value and the weight of one mask.

        Args:
            prediction: `(H, W) uint8`, 0 or 1.
            truth: `(H, W) uint8`, 0 or 1.
        """
        if self.of_pair is not None:
            value = float(self.of_pair(prediction, truth))
            return (0.0, 0.0) if np.isnan(value) else (value, 1.0)
        counts = (np.float64(np.count_nonzero(part)) for part in (prediction & truth, prediction, truth))
        # pyrefly: ignore[not-callable]
        value, weight = self.of_counts(*counts)
        return float(value), float(weight)


def total(values: np.ndarray, weights: np.ndarray) -> float:
    """Return what masks come to, `(N,)` values and weights; NaN where none counts."""
    return float(np.sum(values * weights) / np.sum(weights)) if np.sum(weights) > 0 else float("nan")


def mean_dice(intersection: Counts, predicted: Counts, actual: Counts) -> tuple[Counts, Counts]:
    """Return each mask's Dice, 1 where both are empty, and weight 1: the Carvana challenge's."""
    value = dice_score(intersection, predicted, actual)
    return value, value * 0 + 1


def mean_iou(intersection: Counts, predicted: Counts, actual: Counts) -> tuple[Counts, Counts]:
    """Return each mask's IoU, 1 where both are empty, and weight 1."""
    value = iou_score(intersection, predicted, actual)
    return value, value * 0 + 1


def dice_of_present(intersection: Counts, predicted: Counts, actual: Counts) -> tuple[Counts, Counts]:
    """Return each mask's Dice, with weight 0 where there is no object in truth: such photos are not counted."""
    return dice_score(intersection, predicted, actual), (actual > 0) * (intersection * 0 + 1)


def pooled_dice(intersection: Counts, predicted: Counts, actual: Counts) -> tuple[Counts, Counts]:
    """Return each mask's Dice, weighted by its pixels: the Dice of all masks laid side by side."""
    return dice_score(intersection, predicted, actual), predicted + actual


def mean_precision(intersection: Counts, predicted: Counts, actual: Counts) -> tuple[Counts, Counts]:
    """Return the share of `IOU_THRESHOLDS` that each mask's IoU is above, 1 where both are empty, and weight 1.

    The score of TGS Salt: an IoU of 0.72 is above 0.5, 0.55, 0.6, 0.65 and 0.7, which is 0.5.
    """
    iou = iou_score(intersection, predicted, actual)
    return sum((iou > threshold) * (iou * 0 + 1) for threshold in IOU_THRESHOLDS) / len(IOU_THRESHOLDS), iou * 0 + 1


def surface_dice(prediction: np.ndarray, truth: np.ndarray, *, tolerance: float = TOLERANCE) -> float:
    """Return the share of both outlines that lies within a tolerance of the other one; 1 where both masks are empty.

    Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy" (2021), with outlines made of the
    masks' own edge pixels.

    Args:
        prediction: `(H, W) uint8`, 0 or 1.
        truth: `(H, W) uint8`, 0 or 1.
        tolerance: Pixels.
    """
    outlines = [_outline(mask) for mask in (prediction, truth)]
    lengths = [np.count_nonzero(outline) for outline in outlines]
    if not all(lengths):
        return float(not any(lengths))
    left, top, width, height = cv2.boundingRect(outlines[0] | outlines[1])  # all that is measured, from and to
    outlines = [np.ascontiguousarray(one[top : top + height, left : left + width]) for one in outlines]
    near = 0
    for one, other in (outlines, outlines[::-1]):
        distance = cv2.distanceTransform(1 - other, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        near += np.count_nonzero(distance[one > 0] <= tolerance)
    return near / sum(lengths)


def _outline(mask: np.ndarray) -> np.ndarray:
    """Return the object's pixels that have background beside them, what lies beyond the frame among it."""
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inside = cv2.erode(framed, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    return (framed - inside)[1:-1, 1:-1]


METRICS_BY_NAME = {
    metric.name: metric
    for metric in (
        Metric("dice", "Dice", of_counts=mean_dice),
        Metric("dice_of_present", "Dice of photos with an object", of_counts=dice_of_present, weighted=True),
        Metric("pooled_dice", "pooled Dice", of_counts=pooled_dice, weighted=True),
        Metric("iou", "IoU", of_counts=mean_iou),
        Metric("mean_precision", "mean precision over IoU 0.5 to 0.95", of_counts=mean_precision),
        Metric("surface_dice", "surface Dice", of_pair=surface_dice),
    )
}


@dataclass(frozen=True)
class OwnFunction:
    """A function of the user's on two masks, of which only numbers are taken.

    Attributes:
        name: Dotted.
        function: `(mask, truth) -> float` of two masks `(H, W) uint8`, 0 or 1; NaN for a mask that does not count.
    """

    name: str
    function: Callable[[np.ndarray, np.ndarray], Any]

    def __call__(self, prediction: np.ndarray, truth: np.ndarray) -> float:
        """Return what the function does.

        Raises:
            MaskfoldError: If that is no number, or infinite.
        """
        value = self.function(prediction, truth)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("inf")
        if np.isinf(number):
            raise MaskfoldError(f"metric={self.name} returned {value!r}: a number is needed, or NaN for no score.")
        return number


def named(name: str) -> Metric:
    """Return a metric by its name, or make one of a function of the user's.

    Args:
        name: A name of `METRICS_BY_NAME`, or the dotted name of a function `(mask, truth) -> float` of two masks
            `(H, W) uint8`, 0 or 1, larger is better, NaN for a mask that does not count.

    Raises:
        MaskfoldError: If there is no such metric or function, or the user has not named the function.
    """
    if not isinstance(name, str):
        raise MaskfoldError(f"metric={name!r}: give a name.")
    if name in METRICS_BY_NAME:
        return METRICS_BY_NAME[name]
    if "." not in name.strip("."):
        near = get_close_matches(name, METRICS_BY_NAME, n=2)
        guess = f" Did you mean {' or '.join(near)}?" if near else ""
        raise MaskfoldError(
            f"metric={name}: no such metric.{guess} There are {', '.join(METRICS_BY_NAME)}, and functions of your own "
            "by their dotted name, my_module.my_function."
        )
    vet_function(name, METRIC, f"metric={name}")
    return Metric(name, name.rpartition(".")[2], of_pair=OwnFunction(name, _imported(name)), weighted=True)


def _imported(name: str) -> Callable:
    from hydra.utils import get_object  # a tenth of a second, for functions only

    try:
        function = get_object(name)
    except Exception as error:  # whatever an import raises
        raise MaskfoldError(
            f"metric={name}: cannot be imported: {error.__cause__ or error}. Check the name, and that the folder "
            "of its module is in PYTHONPATH."
        ) from error
    if not callable(function):
        raise MaskfoldError(f"metric={name}: is no function. Name one that takes a mask and its truth.")
    return function
