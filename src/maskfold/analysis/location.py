"""Where on the object errors lie: how far from its boundary, and on which part of it.

H and W are an image's height and width in pixels.
"""

from itertools import pairwise

import cv2
import numpy as np
import pandas as pd

from maskfold.masks.scores import histogram

EDGES = (0, 1, 2, 3, 5, 10, 20, 50, np.inf)  # pixels
REACH = 51  # pixels from the boundary that are counted one by one: to the last band, whose pixels count together
GRID = (48, 72)  # rows and columns of the picture of an object
MARGIN = 1 / 8  # of the object's height and width, shown around it
SIDES = ("missed", "too much")  # inside the true mask, outside it


def distance_counts(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count right and wrong pixels by their distance to the true boundary.

    A pixel's distance is that to the nearest pixel across the boundary, Euclidean and rounded up: pixels beside the
    boundary have 1.

    Args:
        prediction: `(H, W) uint8`, 0 or 1.
        truth: `(H, W) uint8`, 0 or 1.

    Returns:
        `(2, 2, REACH) int64`: of pixels inside the object and outside it, the wrong ones and all of them, at distance
        1, 2, ... `REACH` or more.
    """
    wrong = prediction ^ truth
    counts = np.zeros((2, 2, REACH), np.int64)
    # Exact distances are slow. The nearest background of an object's pixel is in the object's box or beside it, and of
    # what is more than REACH outside of the box nobody asks how far it is.
    inside, outside = (_around(truth, margin) for margin in (1, REACH))
    counts[0] = _by_distance(truth[inside], wrong[inside])
    counts[1] = _by_distance(1 - truth[outside], wrong[outside])
    counts[1, 0, -1] += np.count_nonzero(wrong) - np.count_nonzero(wrong[outside])
    counts[1, 1, -1] += truth.size - truth[outside].size
    return counts


def _around(truth: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return the object's box with a margin in pixels, as far as there are pixels."""
    left, top, width, height = cv2.boundingRect(truth)
    return slice(max(top - margin, 0), top + height + margin), slice(max(left - margin, 0), left + width + margin)


def _by_distance(part: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """Count the wrong pixels of a part, and all of them, by their distance to what is not of it: `(2, REACH) int64`."""
    distance = cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Rounds to the nearest, so this rounds up: no root of a whole number is less than 1/512 above one up to 255.
    step = cv2.convertScaleAbs(np.minimum(distance, REACH), beta=0.499)  # 0 beside the part
    return np.stack([np.bincount(step[wrong > 0], minlength=REACH + 1), histogram(step, None)[: REACH + 1]])[:, 1:]


def distance_table(counts: np.ndarray) -> pd.DataFrame:
    """Sum counts up into bands.

    Args:
        counts: As `distance_counts` returns them, added up over images.

    Returns:
        A row for each band, from deep inside the object to far outside: `side` (of `SIDES`), `distance` in pixels as
        text, `wrong` pixels, their `share` of all wrong pixels, and the `rate` of the band's pixels that are wrong (NaN
        for an empty band).
    """
    total = counts[:, 0].sum()
    rows = []
    for side, bands in ((0, [*pairwise(EDGES)][::-1]), (1, [*pairwise(EDGES)])):
        for low, high in bands:
            wrong, pixels = counts[side][:, low : None if np.isinf(high) else high].sum(axis=1)
            share, rate = wrong / total if total else 0.0, wrong / pixels if pixels else np.nan
            rows.append((SIDES[side], _band(low, high), int(wrong), share, rate))
    return pd.DataFrame(rows, columns=["side", "distance", "wrong", "share", "rate"])


def _band(low: float, high: float) -> str:
    if np.isinf(high):
        return f"> {low}"
    return f"{high}" if high == low + 1 else f"{low + 1} to {high}"


def object_errors(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Scale the object's box, with a margin, to a grid that is the same for every image.

    Args:
        prediction: `(H, W) uint8`, 0 or 1.
        truth: `(H, W) uint8`, 0 or 1, not empty.

    Returns:
        `(3, *GRID) uint8`: of each cell, the share that is object, that was missed, and that is too much, 255 for all.
    """
    left, top, width, height = cv2.boundingRect(truth)
    above, aside = round(height * MARGIN), round(width * MARGIN)
    rows, columns = slice(top, top + height + 2 * above), slice(left, left + width + 2 * aside)
    prediction, truth = (
        cv2.copyMakeBorder(mask, above, above, aside, aside, cv2.BORDER_CONSTANT)[rows, columns] * np.uint8(255)
        for mask in (prediction, truth)
    )
    layers = cv2.merge([truth, truth & ~prediction, prediction & ~truth])  # which are shrunk together in half the time
    return np.moveaxis(cv2.resize(layers, GRID[::-1], interpolation=cv2.INTER_AREA), 2, 0)
