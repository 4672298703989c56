"""Masks as COCO's annotations write them: polygons, and run lengths by columns that begin with background.

The format is that of https://cocodataset.org/#format-data; its compressed run lengths are a text of five bits a letter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskfold.errors import MaskfoldError

_LEAST_NUMBERS = 6  # of a polygon: three corners
_FIVE_BITS, _SIGN, _MORE, _FIRST_LETTER, _LAST_LETTER = 0x1F, 0x10, 0x20, 48, 111
_MOST_CROSSINGS = 50_000_000  # some 2 GB on the way
_MOST_COORDINATE = 1e9  # pixels: no photo is as large, and no sum of such is out of a float's range
_MOST_LETTERS = 13  # of one number: 65 bits


def draw_segmentation(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Draw what stands under an annotation's `segmentation`.

    Args:
        segmentation: A list of polygons `[x, y, x, y, ...]`, which are united, or `{"size": [h, w], "counts": ...}`
            with a list of run lengths or with their compressed text.
        height: Pixels.
        width: Pixels.

    Returns:
        `(height, width)` uint8, 0 or 1.

    Raises:
        MaskfoldError: If it is neither, a number is none, or the run lengths are of another size.
    """
    if isinstance(segmentation, Mapping):
        return _draw_runs(segmentation, height, width)
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str) or not segmentation:
        raise MaskfoldError("its segmentation is neither a list of polygons nor run lengths with size and counts")
    mask = np.zeros((height, width), np.uint8)
    for polygon in segmentation:
        fill_polygon(mask, _corners(polygon))
    return mask


def fill_polygon(mask: np.ndarray, corners: np.ndarray) -> None:
    """Fill a polygon in a mask: a pixel belongs to it where its centre is inside, so 2 to 7 are the five pixels 2..6.

    What lies outside the mask is cut off; where a polygon crosses itself, what is inside twice is outside.

    Args:
        mask: `(H, W)` uint8, in which the polygon's pixels become 1.
        corners: `(N, 2)` float64, x and y; the first pixel reaches from 0 to 1.

    Raises:
        MaskfoldError: If its edges cross more rows than can be meant.
    """
    height, width = mask.shape
    x, y = corners.T
    x_next, y_next = np.roll(x, -1), np.roll(y, -1)
    # The rows whose centres an edge crosses: its upper end counts, its lower one does not.
    first = np.clip(np.ceil(np.minimum(y, y_next) - 0.5), 0, height).astype(np.int64)
    stop = np.clip(np.ceil(np.maximum(y, y_next) - 0.5), 0, height).astype(np.int64)
    crossed = stop - first
    if not 0 < crossed.sum() <= _MOST_CROSSINGS:
        if crossed.any():
            raise MaskfoldError(f"the {len(x)} edges of a polygon cross {crossed.sum():,} rows of pixels")
        return
    edges = np.repeat(np.arange(len(x)), crossed)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(crossed) - crossed, crossed) + first[edges]
    share = (rows + 0.5 - y[edges]) / (y_next[edges] - y[edges])
    columns = x[edges] + share * (x_next[edges] - x[edges])
    columns = np.clip(np.ceil(columns - 0.5), 0, width).astype(np.int64)
    top, left = rows.min(), columns.min()
    inside = np.zeros((rows.max() - top + 1, columns.max() - left + 1), np.uint8)
    np.bitwise_xor.at(inside, (rows - top, columns - left), 1)  # 1 where an odd number of edges is crossed ...
    np.bitwise_xor.accumulate(inside, axis=1, out=inside)  # ... and all the way to the next of them
    part = mask[top : top + len(inside), left : left + inside.shape[1] - 1]
    part |= inside[:, :-1]


def read_counts(text: str) -> list[int]:
    """Read the compressed text of run lengths.

    A letter less 48 has five bits of a number, the lowest first; 32 says that more follow, and 16 in the last letter
    that the number is negative. From the fourth on a number is the difference to the one before the last.

    Raises:
        MaskfoldError: If a letter is none of these, or the last number has no end.
    """
    counts, number, shift = [], 0, 0
    for letter in text:
        bits = ord(letter) - _FIRST_LETTER
        if not _FIRST_LETTER <= ord(letter) <= _LAST_LETTER or shift >= 5 * _MOST_LETTERS:
            raise MaskfoldError(f"{text[:30]!r} is no compressed text of run lengths")
        number |= (bits & _FIVE_BITS) << shift
        shift += 5
        if bits & _MORE:
            continue
        if bits & _SIGN:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number, shift = 0, 0
    if shift:
        raise MaskfoldError(f"{text[:30]!r} is no compressed text of run lengths: its last number has no end")
    return counts


def _draw_runs(segmentation: Mapping, height: int, width: int) -> np.ndarray:
    """Draw run lengths: background and object by turns, by columns."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height, width]:
        raise MaskfoldError(f"its run lengths are of size {size} (height, width), its picture is {height}x{width}")
    counts = read_counts(counts) if isinstance(counts, str) else counts
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise MaskfoldError("the counts of its run lengths are not whole numbers of 0 or more")
    if sum(counts) != height * width:
        raise MaskfoldError(f"its run lengths have {sum(counts)} pixels, {width}x{height} has {height * width}")
    values = np.arange(len(counts), dtype=np.uint8) % 2  # 256 is even
    return np.ascontiguousarray(np.repeat(values, counts).reshape(width, height).T)


def _corners(polygon: Any) -> np.ndarray:
    """Return the corners of `[x, y, x, y, ...]`, `(N, 2)` float64."""
    try:
        numbers = np.array(polygon, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise MaskfoldError(f"a polygon of its segmentation is not a list of numbers: {str(polygon)[:30]}") from error
    if (
        numbers.ndim != 1
        or numbers.size < _LEAST_NUMBERS
        or numbers.size % 2
        or not np.abs(numbers).max() < _MOST_COORDINATE
    ):
        raise MaskfoldError(f"a polygon is x, y of three corners or more, not {str(polygon)[:30]} of {numbers.size}")
    return numbers.reshape(-1, 2)
