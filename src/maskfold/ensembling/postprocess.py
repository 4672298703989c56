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
    """Draw an object anew, as a convex hull, where a large area of the probability map is unreliable.

    In the box around the largest unreliable area the mask becomes the convex hull of the largest contour of what is
    above a low threshold. Idea and numbers: the final script of the 1st place of the Carvana Image Masking Challenge
    (2017), for white vans in front of a white wall, whose roofs the networks lost.

    Args:
        low: A pixel is unreliable above this probability, 0..255.
        high: A pixel is unreliable below this probability, 0..255.
        min_area: Only an unreliable area whose contour holds more than this is repaired; pixels at the reference size.
        margin: The box around it is this much wider on every side; pixels at the reference size.
        erosion: Unreliable areas are eroded by this radius first, so that the seam along every outline does not
            count; pixels at the reference size.
        cut: The hull is of the pixels above this probability, 0..255.
        upper_half: Look for unreliable areas in the upper half of the image only.
        reference_height: Pixels.
        reference_width: Pixels.
    """

    low: int = 30
    high: int = 210
    min_area: float = 40_000
    margin: float = 50
    erosion: float = 10
    cut: int = 55
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
        box = self._box(probability)
        if box is not None:
            hull = largest_hull((probability[box] > self.cut).astype(np.uint8))
            repaired[box] = hull if hull.any() else mask[box]
        return repaired

    def _box(self, probability: np.ndarray) -> tuple[slice, slice] | None:
        """Find the widened bounding box of the largest unreliable area, if that is large enough."""
        scale = _scale(probability, self.reference_height, self.reference_width)
        passes, margin = (round(length * sqrt(scale)) for length in (self.erosion, self.margin))
        unreliable = cv2.inRange(probability, self.low + 1, self.high - 1)
        unreliable = cv2.erode(unreliable, np.ones((3, 3), np.uint8), iterations=passes)
        if self.upper_half:
            unreliable = unreliable[: len(unreliable) // 2]
        largest = _largest_contour(unreliable)
        if largest is None or cv2.contourArea(largest) <= self.min_area * scale:
            return None
        left, top, width, height = cv2.boundingRect(largest)
        return (
            slice(max(0, top - margin), top + height + margin),
            slice(max(0, left - margin), left + width + margin),
        )


def largest_hull(mask: np.ndarray) -> np.ndarray:
    """Draw the convex hull of the largest contour of a mask.

    Args:
        mask: `(H, W)` uint8, 0 or 1.

    Returns:
        `(H, W)` uint8, 0 or 1; empty when `mask` is.
    """
    hull = np.zeros(mask.shape, np.uint8)
    largest = _largest_contour(mask)
    if largest is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(largest), 1)
    return hull


def _largest_contour(mask: np.ndarray) -> np.ndarray | None:
    """Return the outer contour that holds most of an `(H, W)` uint8 mask, None where that is empty."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return max(contours, key=cv2.contourArea, default=None)


def _scale(image: np.ndarray, reference_height: int, reference_width: int) -> float:
    """Divide the area of an `(H, W)` image by the reference area."""
    return image.size / (reference_height * reference_width)
