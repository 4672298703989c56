"""Whether a mask fits its photo: an outline that is right runs where the photo changes, across the outline.

The photo's change across the outline is compared with that a little aside, so neither texture nor contrast has to be
known. A mask of another photo, a mirrored, turned or shifted one runs across places where nothing changes.
"""

from collections.abc import Callable

import cv2
import numpy as np

from maskfold.masks.pictures import as_rgb, shrink

SIDE = 256  # pixels: photos are reduced to it, so that outlines stay, grain goes, and all of them compare
_BLUR = 1.0  # pixels: of the photo
_NORMAL_BLUR = 2.0  # pixels: of the distance whose slope is the outline's normal
_NEAR = 1  # pixels from the outline at most
_ASIDE = (4, 14)  # pixels from the outline, both exclusive
_BORDER = 3  # pixels along the photo's border that are left out: every photo ends there

Turn = Callable[[np.ndarray], np.ndarray]

# What would have to be done to a mask, by what has happened to it. Clockwise turns undo counterclockwise ones.
TURNS: dict[str, Turn] = {
    "mirrored left to right": np.fliplr,
    "mirrored top to bottom": np.flipud,
    "turned upside down": lambda mask: np.rot90(mask, 2),
    "turned by 90 degrees clockwise": np.rot90,
    "turned by 90 degrees counterclockwise": lambda mask: np.rot90(mask, -1),
    "mirrored across its main diagonal": np.transpose,
    "mirrored across its other diagonal": lambda mask: np.rot90(mask, 2).T,
}


class PhotoEdges:
    """How a photo changes from pixel to pixel, reduced to `SIDE`; masks of any size are laid on it."""

    def __init__(self, photo: np.ndarray):
        """Take a photo `(H, W, C)`, uint8 or float32, see `maskfold.masks.pictures.as_rgb`."""
        small = shrink(as_rgb(photo), width=SIDE, height=SIDE)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        lab = cv2.GaussianBlur(lab, (0, 0), _BLUR)
        self._across = cv2.Sobel(lab, cv2.CV_32F, 1, 0)
        self._down = cv2.Sobel(lab, cv2.CV_32F, 0, 1)
        self.shape = small.shape[:2]

    def ratio(self, mask: np.ndarray) -> float:
        """Return the logarithm of how much more the photo changes at a mask's outline than a little aside.

        Args:
            mask: `(h, w) uint8`, 0 or 1, of any size.

        Returns:
            About 0 where the outline means nothing to the photo, 1 and more where it fits; NaN where there is none.
        """
        distance = _signed_distance(_fitted(mask, self.shape))
        if distance is None:
            return float("nan")
        smooth = cv2.GaussianBlur(distance, (0, 0), _NORMAL_BLUR)
        across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        length = np.maximum(np.hypot(across, down), 1e-6)[..., None]
        change = self._across * (across[..., None] / length) + self._down * (down[..., None] / length)
        change = np.sqrt((change**2).sum(axis=2))
        inner = (slice(_BORDER, -_BORDER), slice(_BORDER, -_BORDER))
        change, away = change[inner], np.abs(distance[inner])
        near, aside = change[away <= _NEAR], change[(away > _ASIDE[0]) & (away < _ASIDE[1])]
        if not near.size or not aside.size:
            return float("nan")
        return float(np.log((near.mean() + 1) / (aside.mean() + 1)))

    def best_turn(self, mask: np.ndarray) -> tuple[str, float]:
        """Return the one of `TURNS` that makes a mask fit best, by what it says of the mask, and its ratio."""
        ratios = {name: self.ratio(turn(mask)) for name, turn in TURNS.items()}
        name = max(ratios, key=lambda name: np.nan_to_num(ratios[name], nan=-np.inf))
        return name, ratios[name]


def _fitted(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask brought to another size, `(h, w) uint8`; what is half object or more is object."""
    share = cv2.resize(np.ascontiguousarray(mask, np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
    return (share >= 0.5).astype(np.uint8)


def _signed_distance(mask: np.ndarray) -> np.ndarray | None:
    """Return each pixel's distance to the outline, `(H, W) float32`, positive inside; None where there is none."""
    if mask.min() == mask.max():
        return None
    inside, outside = (cv2.distanceTransform(part, cv2.DIST_L2, 5) for part in (mask, 1 - mask))
    return inside - outside
