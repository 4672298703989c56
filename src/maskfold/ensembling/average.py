"""The weighted mean of probability maps in whole numbers: exact, one rounding, one map in memory at a time."""

import math
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby, islice
from operator import itemgetter
from typing import TypeVar

import cv2
import numpy as np

from maskfold.arrays import Packed
from maskfold.errors import MaskfoldError

_Map = TypeVar("_Map", bound=np.ndarray | Packed)
_MAPS_PER_SUM = 257  # times 255 is the largest uint16
_LARGEST_TOTAL = 2**48  # of weights: 255 times it is far inside uint64


def average_probabilities(maps: Iterable[np.ndarray], weights: Sequence[int]) -> np.ndarray:
    """Average probability maps, rounding halves up, once, at the end.

    Neighbours of equal weight are summed first, as uint16 += uint8: give the maps in an order that keeps equal weights
    together. Where all weigh the same that is all but the division.

    Args:
        maps: `(H, W)` uint8 each, 0..255, or `(C, H, W)` of several classes; consumed one by one.
        weights: One whole number for each map, 0 or more, not all 0; see `integer_weights`.

    Returns:
        As the maps, uint8, 0..255.

    Raises:
        MaskfoldError: Maps of different shapes or not uint8; weights that are negative, all 0 or immense.
        ValueError: There are more or fewer weights than maps.
    """
    total = sum(weights)
    if total <= 0 or min(weights) < 0 or total > _LARGEST_TOTAL:
        raise MaskfoldError(f"weights must be 0 or more, not all 0, with a sum of at most 2^48, but are {[*weights]}")
    if len({*weights}) == 1 and len(weights) <= _MAPS_PER_SUM:
        return _divided(_sum(one for one, _ in zip(checked(maps), weights, strict=True)), len(weights))
    divisor = math.gcd(*weights)
    total //= divisor
    dtype = np.min_scalar_type(255 * total + total // 2)
    mean = None
    for weight, group in groupby(zip(weights, checked(maps), strict=True), key=itemgetter(0)):
        equals = (probability for _, probability in group)
        while (partial := _sum(islice(equals, _MAPS_PER_SUM))) is not None:
            partial = partial.astype(dtype)
            partial *= dtype.type(weight // divisor)
            mean = partial if mean is None else np.add(mean, partial, out=mean)
    mean += dtype.type(total // 2)
    mean //= dtype.type(total)
    return mean.astype(np.uint8)


def integer_weights(fractions: Sequence[Fraction]) -> list[int]:
    """Turn weights into the smallest whole numbers in the same proportion.

    Args:
        fractions: 0 or more, not all 0.

    Returns:
        Whole numbers. When exact ones would add up to more than 2^48, each weight is rounded down to a multiple of
        2^-48 of the sum instead, which moves a mean by less than a millionth of a grey level.

    Raises:
        MaskfoldError: A weight is negative, or all are 0.
    """
    total = sum(fractions)
    if total <= 0 or min(fractions) < 0:
        raise MaskfoldError(f"weights must be 0 or more and not all 0, but are {', '.join(map(str, fractions))}")
    shares = [Fraction(weight) / total for weight in fractions]
    # The shares add up to 1, so their common denominator is the sum of the whole numbers.
    denominator = min(math.lcm(*(share.denominator for share in shares)), _LARGEST_TOTAL)
    return [math.floor(share * denominator) for share in shares]


def checked(maps: Iterable[_Map]) -> Iterator[_Map]:
    """Yield the maps, which must all be uint8 and of the first one's size.

    Raises:
        MaskfoldError: If one is not.
    """
    shape = None
    for number, probability in enumerate(maps, start=1):
        shape = shape or probability.shape
        if probability.dtype != np.uint8:
            raise MaskfoldError(f"map {number} of an average is {probability.dtype}, not uint8")
        if probability.shape != shape:
            raise MaskfoldError(
                f"map {number} of an average is {spoken(probability.shape)} pixels, but the first is {spoken(shape)}; "
                "predict the members on the same images"
            )
        yield probability


def spoken(shape: tuple[int, ...]) -> str:
    """Format a shape `(H, W)` the way sizes are spoken, width first; `(C, H, W)` as C planes of that."""
    size = "x".join(map(str, reversed(shape[-2:])))
    return size if len(shape) == 2 else f"{shape[0]} planes of {size}"


def _sum(maps: Iterable[np.ndarray]) -> np.ndarray | None:
    """Add up to 257 uint8 maps of one shape into uint16, (H, W) or (C, H, W), or return None if there are none."""
    total = None
    for probability in maps:
        total = probability.astype(np.uint16) if total is None else np.add(total, probability, out=total)
    return total


def _divided(total: np.ndarray, count: int) -> np.ndarray:
    """Divide a sum of up to 257 uint8 maps by their number, rounding halves up.

    OpenCV does it in one pass, in float32, and rounds to the nearest. What is added keeps each quotient half a step of
    1 / count away from where the rounding turns, which is more than float32 errs by.
    """
    plane = total.reshape(-1, total.shape[-1])  # OpenCV would take a third dimension for channels
    return cv2.convertScaleAbs(plane, alpha=1 / count, beta=(count // 2 + 0.5) / count - 0.5).reshape(total.shape)
