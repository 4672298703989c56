"""Whether a mask fits its photo: an outline that is right runs where the photo changes, across the outline.

The photo's change across the outline is compared with that a little aside, so neither texture nor contrast has to be
known. A mask of another photo, a mirrored, turned or shifted one runs across places where nothing changes.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from maskfold.masks.pictures import as_rgb, shrink

SIDE = 256  # pixels: photos are reduced to it, so that outlines stay, grain goes, and all of them compare
_BLUR = 1.0  # pixels: of the photo
_NORMAL_BLUR = 2.0  # pixels: of the distance whose slope is the outline's normal
_NEAR = 1  # pixels from the outline at most
_ASIDE = (4, 14)  # pixels from the outline, both exclusive
_BORDER = 3  # pixels along the photo's border that are left out: every photo ends there

_SHIFTS = (3, 5, 7, 9, 12)  # pixels by which a mask is moved, in 16 directions, to see whether it fits better
_STAYS = 0.7  # of an outline that must stay inside the photo when it is moved
_STRETCH = 40  # pixels of an outline in one piece
_LEFT_OUT = 1e3  # change of what is not looked at: no stretch with it is the weakest

Turn = Callable[[np.ndarray], np.ndarray]

# What would have to be done to a mask, by what has happened to it. Clockwise turns undo counterclockwise ones.
TURNS: dict[str, Turn] = {
    "mirrored left to right": np.fliplr,
    "mirrored top to bottom": np.flipud,
    "turned upside down (EXIF?)": lambda mask: np.rot90(mask, 2),
    "turned by 90 degrees clockwise (EXIF?)": np.rot90,
    "turned by 90 degrees counterclockwise (EXIF?)": lambda mask: np.rot90(mask, -1),
    "mirrored across its main diagonal": np.transpose,
    "mirrored across its other diagonal": lambda mask: np.rot90(mask, 2).T,
}


def _directions() -> np.ndarray:
    angles = np.arange(16) * np.pi / 8
    moves = [(round(r * np.cos(angle)), round(r * np.sin(angle))) for r in _SHIFTS for angle in angles]
    return np.array([(0, 0), *moves])


_MOVES = _directions()  # (M, 2) pixels to the right and down, none first


class Fit(NamedTuple):
    """How well a mask fits its photo; all NaN and 0 where it has no outline.

    Attributes:
        ratio: The edge ratio: the logarithm of how much more the photo changes across the outline than a little aside.
            About 0 where the outline means nothing to the photo, 1 and more where it fits.
        gain: What the ratio gains where the mask is moved a little, 0 where it is in its place.
        right: By how much of the photo's width it would have to be moved, negative to the left.
        down: By how much of its height.
        weakest: The same logarithm of the stretch of the outline where it is lowest.
    """

    ratio: float
    gain: float
    right: float
    down: float
    weakest: float


NO_FIT = Fit(float("nan"), 0.0, 0.0, 0.0, float("nan"))


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
        self._inner = np.zeros(self.shape, bool)
        self._inner[_BORDER:-_BORDER, _BORDER:-_BORDER] = True

    def ratio(self, mask: np.ndarray) -> float:
        """Return the edge ratio alone, see `fit`."""
        outline = self._outline(mask)
        return NO_FIT.ratio if outline is None else float(np.log(outline.near_mean / outline.aside))

    def fit(self, mask: np.ndarray) -> Fit:
        """Return how well a mask `(h, w) uint8`, 0 or 1, of any size fits."""
        outline = self._outline(mask)
        if outline is None:
            return NO_FIT
        means = self._moved(outline)
        best = int(means.argmax())
        right, down = _MOVES[best] / [self.shape[1], self.shape[0]]
        ratio, gain = np.log(means[0] / outline.aside), np.log(means[best] / means[0])
        return Fit(float(ratio), float(gain), float(right), float(down), self._weakest(outline))

    def best_turn(self, mask: np.ndarray) -> tuple[str, float]:
        """Return the one of `TURNS` that makes a mask fit best, by what it says of the mask, and its ratio."""
        ratios = {name: self.ratio(turn(mask)) for name, turn in TURNS.items()}
        name = max(ratios, key=lambda name: np.nan_to_num(ratios[name], nan=-np.inf))
        return name, ratios[name]

    def _outline(self, mask: np.ndarray) -> "_Outline | None":
        small = _fitted(mask, self.shape)
        distance = _signed_distance(small)
        if distance is None:
            return None
        smooth = cv2.GaussianBlur(distance, (0, 0), _NORMAL_BLUR)
        across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        normal = np.stack([across, down]) / np.maximum(np.hypot(across, down), 1e-6)
        away = np.abs(distance)
        near = np.nonzero(self._inner & (away <= _NEAR))
        aside = np.nonzero(self._inner & (away > _ASIDE[0]) & (away < _ASIDE[1]))
        if not near[0].size or not aside[0].size:
            return None
        changes = [self._change(rows, columns, normal[:, rows, columns]) + 1 for rows, columns in (near, aside)]
        return _Outline(small, near, normal, changes[0], float(changes[1].mean()))

    def _change(self, rows: np.ndarray, columns: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Return how much the photo changes at some pixels in the directions `(2, ...)`."""
        across, down = normal[..., None]
        change = self._across[rows, columns] * across + self._down[rows, columns] * down
        return np.sqrt((change**2).sum(axis=-1))

    def _moved(self, outline: "_Outline") -> np.ndarray:
        """Return the mean change, and 1, at an outline that is moved by each of `_MOVES`."""
        rows, columns = (place + move[:, None] for place, move in zip(outline.near, _MOVES.T[::-1], strict=True))
        height, width = self.shape
        rows_inside, columns_inside = rows.clip(0, height - 1), columns.clip(0, width - 1)
        stays = self._inner[rows_inside, columns_inside] & (rows == rows_inside) & (columns == columns_inside)
        normal = outline.normal[:, *outline.near][:, None]
        changes = self._change(rows_inside, columns_inside, normal)
        means = (changes * stays).sum(axis=1) / np.maximum(stays.sum(axis=1), 1) + 1
        return np.where(stays.mean(axis=1) >= _STAYS, means, 1.0)

    def _weakest(self, outline: "_Outline") -> float:
        """Return the lowest ratio of a stretch of an outline; NaN where all of its parts are short."""
        contours, _ = cv2.findContours(outline.mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        lowest = np.inf
        for contour in contours:
            columns, rows = contour[:, 0].T
            if len(rows) < 2 * _STRETCH:
                continue
            changes = self._change(rows, columns, outline.normal[:, rows, columns])
            changes[~self._inner[rows, columns]] = _LEFT_OUT
            around = np.concatenate([changes, changes[:_STRETCH]])
            lowest = min(lowest, np.convolve(around, np.full(_STRETCH, 1 / _STRETCH), "valid").min())
        return float(np.log((lowest + 1) / outline.aside)) if lowest < np.inf else float("nan")


class _Outline(NamedTuple):
    """A mask's outline on a photo: the pixels near it, and how the photo changes there and aside, with 1 added."""

    mask: np.ndarray
    near: tuple[np.ndarray, np.ndarray]
    normal: np.ndarray
    near_changes: np.ndarray
    aside: float

    @property
    def near_mean(self) -> float:
        """The mean change near the outline, with 1 added."""
        return float(self.near_changes.mean())


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
