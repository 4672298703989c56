"""What a mask is worth: in its whole area, and near the boundary, where strong models of large objects still differ.

Sources: boundary IoU is Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation" (CVPR
2021); scores within a trimap, a band along the true boundary, are Kohli et al., "Robust Higher Order Potentials for
Enforcing Label Consistency" (IJCV 2009).

Nothing here needs torch, which takes seconds to import. H and W are an image's height and width in pixels.
"""

from typing import TypeVar

import cv2
import numpy as np

Counts = TypeVar("Counts")  # numbers, arrays or tensors, all of one kind and shape

METRICS = ("dice", "iou", "boundary_iou", "trimap_dice")  # what members are compared by
ACCURACY = "accuracy"
SCORES = (*METRICS, ACCURACY)  # what is kept of each image
TITLES = {"dice": "Dice", "iou": "IoU", "boundary_iou": "boundary IoU", "trimap_dice": "trimap Dice"}
TITLES |= {ACCURACY: "pixel accuracy"}
BAND = 0.02  # of the image's diagonal, as Cheng et al. chose
EXACT_COUNT = 2**24  # OpenCV counts in float32, which is exact up to here


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


def pixel_accuracy(intersection: Counts, predicted: Counts, actual: Counts, pixels: Counts) -> Counts:
    """Return the share of all pixels that are right, background as well.

    It looks better than IoU wherever there is much background: a tenth of the photo, missed altogether, leaves 0.9.

    Args:
        intersection: As for `dice_score`.
        predicted: Likewise.
        actual: Likewise.
        pixels: Of the image.
    """
    return (pixels - predicted - actual + 2 * intersection) / pixels


def mask_scores(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return each of `SCORES`, 0..1; arguments as for `boundary_scores`."""
    counts = _counts(prediction, truth)
    overlap, accuracy = (dice_score(*counts), iou_score(*counts)), pixel_accuracy(*counts, np.float64(truth.size))
    values = (*map(float, overlap), *boundary_scores(prediction, truth), float(accuracy))
    return dict(zip(SCORES, values, strict=True))


def band_width(shape: tuple[int, int], band: float = BAND) -> int:
    """Return how far the band reaches to either side of a boundary, in whole pixels and at least 1.

    Args:
        shape: H, W.
        band: Share of the image's diagonal.
    """
    return max(1, round(band * float(np.hypot(*shape))))


def near_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Return where the square of `2 width + 1` pixels around a pixel holds both object and background.

    Beyond the frame is background, so an object that the frame cuts off has a boundary there. The object's part is
    what eroding the mask `width` times by 3x3 pixels takes away.

    Args:
        mask: `(H, W) uint8`, 0 or 1.
        width: Pixels, at least 1.

    Returns:
        `(H, W) bool`.
    """
    side = 2 * width + 1
    # Sums cost the same for any width, an erosion does not.
    inside = cv2.boxFilter(mask, cv2.CV_32S, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return (inside > 0) & (inside < side * side)


def boundary_scores(prediction: np.ndarray, truth: np.ndarray, *, band: float = BAND) -> tuple[float, float]:
    """Return the boundary IoU and the trimap Dice of a mask.

    Boundary IoU is the IoU of the two objects' inner rims; trimap Dice is the Dice of the pixels on either side of the
    true boundary. Both are 1 where both masks are empty, and 0 where only one of them is.

    Args:
        prediction: `(H, W) uint8`, 0 or 1.
        truth: `(H, W) uint8`, 0 or 1.
        band: Width of rim and trimap, as a share of the image's diagonal.

    Raises:
        ValueError: If the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} differ in shape")
    width = band_width(truth.shape, band)
    left, top, columns, rows = cv2.boundingRect(prediction | truth)
    if not rows:
        return 1.0, 1.0
    # Pixels in neither mask count for nothing.
    box = slice(top, top + rows), slice(left, left + columns)
    prediction, truth = prediction[box], truth[box]
    if not truth.any():  # no boundary to be near to
        return 0.0, 0.0
    trimap = near_boundary(truth, width)
    rims = prediction & near_boundary(prediction, width), truth & trimap
    within = prediction & trimap, truth & trimap
    return float(iou_score(*_counts(*rims))), float(dice_score(*_counts(*within)))


def _counts(predicted: np.ndarray, actual: np.ndarray) -> tuple[np.float64, np.float64, np.float64]:
    """Count the pixels in both masks, in the predicted and in the true one, ready for `dice_score`."""
    both, first, second = (np.float64(np.count_nonzero(part)) for part in (predicted & actual, predicted, actual))
    return both, first, second


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
    inside, everywhere = histogram(probability, mask), histogram(probability, None)
    intersection, predicted = (histogram[::-1].cumsum()[::-1] for histogram in (inside, everywhere))
    return intersection, predicted, np.full(256, intersection[0])


def histogram(image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Count the pixels of each value of an image (H, W) uint8, or of those where `mask` is not 0; (256,) int64."""
    rows = max(EXACT_COUNT // image.shape[1], 1)
    counts = np.zeros(256, np.int64)
    for top in range(0, image.shape[0], rows):
        band = slice(top, top + rows)
        part = None if mask is None else np.ascontiguousarray(mask[band])
        counts += cv2.calcHist([np.ascontiguousarray(image[band])], [0], part, [256], [0, 256]).ravel().astype(np.int64)
    return counts
