"""What a probability map says of its own mask: numbers that go with the mask's IoU, and need no truth.

Each is a count over a map of bytes, so all of a photo's come from one histogram, its contour and a window's sums. None
is best on all data (`docs/how-to/quality.md`), so all are taken and the choice is made on out-of-fold maps.
"""

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np

from maskfold.data.windows import LARGE, is_large
from maskfold.errors import MaskfoldError
from maskfold.masks.unconfidence import unconfidence
from maskfold.quality.names import DIRECTIONS, HALF, OF_MEMBERS

PATCH = 31  # pixels of the side of the window in which doubt is added up
_PIECE = 2**20  # pixels that are counted at a time

_VALUES = np.arange(256)
_P = _VALUES / 255
with np.errstate(divide="ignore", invalid="ignore"):
    _ENTROPY = -np.nan_to_num(_P * np.log2(_P)) - np.nan_to_num((1 - _P) * np.log2(1 - _P))
# Sums over a window are taken in whole numbers: 255 is one bit.
_ENTROPY_BYTES = np.round(255 * _ENTROPY).astype(np.uint8)


def measure(
    mean: np.ndarray,
    *,
    members: Sequence[np.ndarray] | None = None,
    mirrored: np.ndarray | None = None,
    threshold: int = HALF,
) -> dict[str, float]:
    """Measure one photo's map; `m` is its mask, `p` its probability.

    `soft_dice` is 2 Σpm / (Σp + Σm), the Dice to expect where p is calibrated (arXiv 2402.10665); `pairwise_dice` the
    mean Dice of each two members' masks (arXiv 2406.03323); `mirror_dice` that with the mirror image's mask;
    `certainty` the mean of max(p, 1 - p); `entropy` bits for each pixel of the object; `patch_entropy` the mean bits of
    the worst window of 31 x 31; `unconfidence` the winners'; `disputed` the pixels that some members' masks have and
    others' have not, for each pixel of the object; `components` how many pieces the mask has, `largest` the share of
    the largest one; `at_edge` the share of the picture's outermost pixels that is mask; `area` the share of all.

    Args:
        mean: `(H, W) uint8`, round(255 p).
        members: Each member's own map; fewer than two say nothing of one another.
        mirrored: The map of the mirror image, turned back. Where each map is a mean of both views it is the same one,
            and says nothing.
        threshold: Of 255; at or above is object.

    Returns:
        Every measure of `DIRECTIONS`; NaN where what it needs was not given.

    Raises:
        MaskfoldError: If a map is not `(H, W) uint8`, is very large, or has not the mean's size.
    """
    for one in (mean, *(members if members is not None else ()), *(() if mirrored is None else (mirrored,))):
        _check(one, mean.shape)
    mask = mean >= threshold
    values = _of_histogram(_histogram(mean), threshold) | _of_shape(mask)
    values |= {"patch_entropy": _worst_patch(mean), "unconfidence": unconfidence(mean)}
    values |= _of_members([one >= threshold for one in members] if members is not None else [], values["area"])
    values["mirror_dice"] = np.nan if mirrored is None else _dice(mask, mirrored >= threshold)
    return {name: float(values[name]) for name in DIRECTIONS}


def is_empty(measures: dict[str, float]) -> bool:
    """Return whether a measured mask has no pixel."""
    return measures["area"] == 0


def _check(probability: np.ndarray, shape: tuple[int, ...]) -> None:
    if probability.dtype != np.uint8 or probability.ndim != 2 or not probability.size:
        kind = f"{probability.dtype} of shape {probability.shape}"
        raise MaskfoldError(f"quality is measured on a map of one object, (H, W) uint8, and this one is {kind}.")
    if is_large(*probability.shape):
        raise MaskfoldError(
            f"a map of {probability.size:,} pixels; quality is measured on up to {LARGE:,}, since pieces are traced "
            "over the whole picture. Measure a smaller copy."
        )
    if probability.shape != shape:
        raise MaskfoldError(f"a map of shape {probability.shape} beside a mean of {shape}: not of one photo.")


def _histogram(mean: np.ndarray) -> np.ndarray:
    """Count the pixels of each value, `(256,) int64`, in pieces: counting widens every pixel to eight bytes."""
    flat = np.ascontiguousarray(mean).reshape(-1)
    counts = np.zeros(256, np.int64)
    for start in range(0, flat.size, _PIECE):
        counts += np.bincount(flat[start : start + _PIECE], minlength=256)
    return counts


def _of_histogram(counts: np.ndarray, threshold: int) -> dict[str, float]:
    pixels, inside = counts.sum(), counts[threshold:].sum()
    in_object = _VALUES[threshold:] @ counts[threshold:]
    soft = (_VALUES @ counts + 255 * inside) / 2
    return {
        "soft_dice": in_object / soft if soft else 1.0,  # surely nothing, and nothing is shown
        "certainty": np.maximum(_VALUES, 255 - _VALUES) @ counts / (255 * pixels),
        "entropy": float(_ENTROPY @ counts) / max(int(inside), 1),
        "area": inside / pixels,
    }


def _of_shape(mask: np.ndarray) -> dict[str, float]:
    number, _, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    sizes = statistics[1:, cv2.CC_STAT_AREA]
    edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return {
        "components": number - 1,
        "largest": sizes.max() / sizes.sum() if len(sizes) else 0.0,
        "at_edge": edge.mean(),
    }


def _worst_patch(mean: np.ndarray) -> float:
    """Return the mean bits of the worst window; what of it lies outside the picture is sure."""
    doubt = cv2.LUT(mean, _ENTROPY_BYTES)
    border = {"borderType": cv2.BORDER_CONSTANT | cv2.BORDER_ISOLATED}
    sums = cv2.boxFilter(doubt, cv2.CV_32S, (PATCH, PATCH), normalize=False, **border)
    return int(sums.max()) / (255 * PATCH**2)


def _of_members(masks: Sequence[np.ndarray], area: float) -> dict[str, float]:
    if len(masks) < 2:
        return dict.fromkeys(OF_MEMBERS, np.nan)
    disputed = np.logical_or.reduce(masks) & ~np.logical_and.reduce(masks)
    inside = round(area * masks[0].size)
    return {
        "pairwise_dice": float(np.mean([_dice(one, other) for one, other in combinations(masks, 2)])),
        "disputed": np.count_nonzero(disputed) / max(inside, 1),
    }


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Dice of two masks `(H, W) bool`; two empty ones agree."""
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / total if total else 1.0
