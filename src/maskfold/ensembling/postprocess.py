"""Repairs of an ensemble's masks, each a pure function of a probability map and a mask.

Areas and lengths are given in pixels of a reference size, by default a photo of the Carvana Image Masking Challenge,
and scaled to the image at hand: areas with its area, lengths with the square root of that.
"""

from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np


@dataclass(frozen=True, kw_only=True)
class FillHoles:
    """Fill background that the object encloses.

    A hole is 4-connected and does not touch the border of the image.

    Args:
        max_area: Leave larger holes as they are; pixels at the reference size. None fills every hole.
        reference_height: Pixels.
        reference_width: Pixels.
    """

    max_area: float | None = None
    reference_height: int = 1280
    reference_width: int = 1918

    def __call__(self, probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return a filled copy of `mask`, `(H, W)` uint8 0/1; `probability` is not looked at."""
        height, width = mask.shape
        scale = _scale(mask, self.reference_height, self.reference_width)
        largest = np.inf if self.max_area is None else self.max_area * scale
        _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
        left, top, box_width, box_height, area = stats.T
        inside = (left > 0) & (top > 0) & (left + box_width < width) & (top + box_height < height)
        hole = inside & (area <= largest)
        hole[0] = False  # label 0 is the object
        return mask | hole.astype(np.uint8)[labels] if hole.any() else mask.copy()


@dataclass(frozen=True)
class LargestComponent:
    """Keep the largest 8-connected part of the object and drop the others."""

    def __call__(self, probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return `(H, W)` uint8 0/1 with at most one component; `probability` is not looked at."""
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        if count <= 2:  # the background and one component, or none
            return mask.copy()
        return (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class HullRepair:
    """Mend a bite out of an object with the convex hull of what is around it.

    Where a large area of the probability map is unreliable, the mask inside a box around that area is joined by the
    convex hull of its largest contour there. Idea and numbers: 1st place of the Carvana Image Masking Challenge
    (2017), for white vans in front of a white wall, whose roofs the networks lost.

    Args:
        low: A pixel is unreliable from this probability on, 0..255.
        high: A pixel is unreliable up to this probability, 0..255.
        min_area: Only unreliable areas larger than this are repaired; pixels at the reference size.
        margin: The box around an unreliable area is this much wider on every side; pixels at the reference size.
        erosion: Unreliable areas are eroded by this radius first, so that the seam along every outline does not
            count; pixels at the reference size.
        upper_half: Look for unreliable areas in the upper half of the image only.
        reference_height: Pixels.
        reference_width: Pixels.
    """

    low: int = 30
    high: int = 210
    min_area: float = 40_000
    margin: float = 50
    erosion: float = 1
    upper_half: bool = True
    reference_height: int = 1280
    reference_width: int = 1918

    def __call__(self, probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return the repaired mask.

        Args:
            probability: `(H, W)` uint8, 0..255.
            mask: `(H, W)` uint8, 0 or 1.

        Returns:
            `(H, W)` uint8, 0 or 1; a plain copy of `mask` when no unreliable area is large enough.
        """
        repaired = mask.copy()
        for box in self._boxes(probability):
            repaired[box] |= largest_hull(mask[box])
        return repaired

    def _boxes(self, probability: np.ndarray) -> list[tuple[slice, slice]]:
        """Find the widened bounding boxes of the large unreliable areas."""
        scale = _scale(probability, self.reference_height, self.reference_width)
        margin = round(self.margin * sqrt(scale))
        unreliable = cv2.inRange(probability, self.low, self.high)
        if self.upper_half:
            unreliable[len(unreliable) // 2 :] = 0
        if cv2.countNonZero(unreliable) <= self.min_area * scale:
            return []  # nearly every image: the search for components below takes ten times as long
        passes = round(self.erosion * sqrt(scale))
        unreliable = cv2.erode(unreliable, np.ones((3, 3), np.uint8), iterations=passes)
        _, _, stats, _ = cv2.connectedComponentsWithStats(unreliable, connectivity=8)
        return [
            (
                slice(max(0, top - margin), top + height + margin),
                slice(max(0, left - margin), left + width + margin),
            )
            for left, top, width, height, area in stats[1:].tolist()
            if area > self.min_area * scale
        ]


def largest_hull(mask: np.ndarray) -> np.ndarray:
    """Draw the convex hull of the largest contour of a mask.

    Args:
        mask: `(H, W)` uint8, 0 or 1.

    Returns:
        `(H, W)` uint8, 0 or 1; empty when `mask` is.
    """
    hull = np.zeros(mask.shape, np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if contours:
        cv2.fillConvexPoly(hull, cv2.convexHull(max(contours, key=cv2.contourArea)), 1)
    return hull


def _scale(image: np.ndarray, reference_height: int, reference_width: int) -> float:
    """Divide the area of an `(H, W)` image by the reference area."""
    return image.size / (reference_height * reference_width)
