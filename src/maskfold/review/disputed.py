"""Where members disagree about a mask: the areas that a person looks at first."""

from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

import cv2
import numpy as np

UNSURE = 64  # of 255, to either side of the threshold: p from about .25 to .75
_SEAM = 600  # a seam along an outline is up to this share of the diagonal wide, to either side, and is no area
_MOST = 20


class Area(NamedTuple):
    """A box around a disputed area, pixels.

    Attributes:
        left: Of the box.
        top: Of the box.
        width: Of the box.
        height: Of the box.
        pixels: That are disputed in it.
    """

    left: int
    top: int
    width: int
    height: int
    pixels: int


def disputed_areas(maps: Sequence[np.ndarray], mean: np.ndarray, *, threshold: int) -> list[Area]:
    """Return the areas on whose pixels the cut maps differ, the largest first; at most 20.

    The seam along an outline, on which no two maps agree, is left out where anything else is disputed. Of a single
    map, or where all agree, the areas near the threshold stand for the disputed ones.

    Args:
        maps: `(H, W) uint8` each, 0..255.
        mean: `(H, W) uint8`, their mean.
        threshold: Of 255; at or above is object.
    """
    votes = np.sum([one >= threshold for one in maps], axis=0)
    disputed = ((votes > 0) & (votes < len(maps))).astype(np.uint8)
    if not disputed.any():
        disputed = (np.abs(mean.astype(np.int16) - threshold) < UNSURE).astype(np.uint8)
    reach = max(1, round(hypot(*mean.shape) / _SEAM))
    opened = cv2.morphologyEx(disputed, cv2.MORPH_OPEN, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    stats = cv2.connectedComponentsWithStats(opened if opened.any() else disputed, connectivity=8)[2][1:]
    return [Area(*map(int, row)) for row in stats[np.argsort(-stats[:, cv2.CC_STAT_AREA], kind="stable")][:_MOST]]
