"""What an object looks like, in numbers that need no network: colours, edges and outline.

This is appearance and no product type: on photos of street fashion it finds none (docs/explanation/measured.md).
"""

from itertools import pairwise

import cv2
import numpy as np

from maskfold.clusters.objects import box_of, on_backdrop

WEIGHTS = (1.5, 1.0, 1.0)  # of colours, edges and outline: two objects of one colour may well be cut differently
BANDS = 3  # of equal height, from the top of the object to its bottom
BINS = 8  # of lightness and of both colours, in each band
SHAPE = 16  # pixels, side of the picture of the mask
_SIZE, _CELL, _ANGLES = (128, 64), 16, 9  # of the picture whose edges are counted: height and width, pixels
_GREY = (119, 119, 119)  # L = 50


def appearance(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return an object's colours, edges and outline, parts of lengths `WEIGHTS`.

    Args:
        image: `(H, W, 3) uint8` RGB.
        mask: `(H, W) uint8` 0 or 1, not empty.

    Returns:
        `(D,) float32`, the same D for every photo.
    """
    parts = (colours(image, mask), edges(image, mask), outline(mask))
    scaled = [weight * part / max(np.linalg.norm(part), 1e-6) for weight, part in zip(WEIGHTS, parts, strict=True)]
    return np.concatenate(scaled).astype(np.float32)


def colours(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the roots of histograms of L, a and b in bands of the object; equal ones differ by 0, others by up to 2.

    Each value is shared between the two bins it lies between, so that a little more light moves little.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    rows, _ = box_of(mask)
    edges_of_bands = np.linspace(rows.start, rows.stop, BANDS + 1).round().astype(int)
    histograms = []
    for top, bottom in pairwise(edges_of_bands):
        pixels = lab[top:bottom][mask[top:bottom] > 0]
        for channel, (low, high) in enumerate(((0, 100), (-60, 60), (-60, 60))):
            histograms.append(_histogram(pixels[:, channel], low, high))
    return np.sqrt(np.concatenate(histograms))


def _histogram(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the shares of values in `BINS` bins, each value shared linearly between its two nearest."""
    if not values.size:
        return np.zeros(BINS)
    place = ((values - low) / (high - low) * (BINS - 1)).clip(0, BINS - 1)
    left = np.floor(place).astype(int)
    right, share = np.minimum(left + 1, BINS - 1), place - left
    counts = np.bincount(left, 1 - share, BINS) + np.bincount(right, share, BINS)
    return counts / values.size


def edges(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the histograms of oriented gradients (Dalal and Triggs, CVPR 2005) of the object on grey."""
    picture = cv2.cvtColor(on_backdrop(image, mask, size=_SIZE, grey=_GREY), cv2.COLOR_RGB2GRAY)
    cell, block = (_CELL, _CELL), (2 * _CELL, 2 * _CELL)
    return cv2.HOGDescriptor(_SIZE[::-1], block, cell, cell, _ANGLES).compute(picture).ravel()


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the mask's box as a small picture, and how tall and how full the box is."""
    box = mask[box_of(mask)].astype(np.float32)
    picture = cv2.resize(box, (SHAPE, SHAPE), interpolation=cv2.INTER_AREA)
    tall = np.log(box.shape[0] / box.shape[1])
    return np.append(picture.ravel() / SHAPE, [tall, box.mean()])
