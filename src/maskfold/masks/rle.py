"""Run-length encoding of masks, both ways, in every order that competitions ask for.

A mask is written as space-separated pairs `start length`. Pixels are numbered row by row from the top left corner, as
in the Carvana Image Masking Challenge, or column by column; from 1, or from 0. A run may continue from the end of a row
(or column) to the start of the next one. An empty mask is an empty string.
"""

import re
from typing import NamedTuple

import numpy as np

from maskfold.errors import MaskfoldError

_WORD = 8  # bytes looked at in one comparison
_MOST = 10**18  # a number of 18 digits is less
_NUMBERS = re.compile(r"\s*(?:-?[0-9]{1,18}(?:\s+|$))*", re.ASCII)


ORDERS = ("rows", "columns")


class Fault(NamedTuple):
    """One thing wrong with a run-length string: what kind of thing it is, and where it is."""

    kind: str
    text: str


def runs(mask: np.ndarray) -> np.ndarray:
    """Find the runs of foreground pixels of a mask.

    Args:
        mask: `(H, W)` bool or uint8, foreground where not zero.

    Returns:
        `(N, 2)` int64, one `(start, length)` per run in ascending order, starts counted from 1.

    Raises:
        MaskfoldError: The mask is not a two-dimensional array of bool or uint8.
    """
    if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8):
        raise MaskfoldError(f"a mask to encode must be (H, W) bool or uint8, but this one is {mask.shape} {mask.dtype}")
    # One background pixel in front, and enough behind to end the last run and fill the last word.
    foreground = np.empty((mask.size + 1) // _WORD * _WORD + 2 * _WORD, np.bool_)
    foreground[0] = foreground[mask.size + 1 :] = False
    np.not_equal(mask, 0, out=foreground[1 : mask.size + 1].reshape(mask.shape))
    # Most words equal the word one pixel further on: only the few that differ hold an end of a run.
    here, next_pixel = foreground[:-_WORD].view(np.uint64), foreground[1 : 1 - _WORD].view(np.uint64)
    words = np.flatnonzero(here != next_pixel)
    pixels = np.flatnonzero((here[words] ^ next_pixel[words]).view(np.bool_))
    pairs = (words[pixels // _WORD] * _WORD + pixels % _WORD).reshape(-1, 2)  # where each run begins and ends
    pairs[:, 1] -= pairs[:, 0]
    pairs[:, 0] += 1
    return pairs


def encode(mask: np.ndarray, *, order: str = "rows", start: int = 1) -> str:
    """Write a mask as `start length` pairs.

    Args:
        mask: `(H, W)` bool or uint8, foreground where not zero.
        order: How pixels are numbered: one of `ORDERS`, from the top left.
        start: The number of the first pixel.

    Returns:
        The pairs, separated by single spaces; an empty string for an empty mask.

    Raises:
        MaskfoldError: The mask is not a two-dimensional array of bool or uint8, or there is no such order.
    """
    pairs = runs(mask if check_order(order) == "rows" else mask.T)
    if start != 1:
        pairs[:, 0] += start - 1
    return to_text(pairs)


class RunJoiner:
    """Joins the runs of a mask's parts, bands of rows from the top (or of columns from the left), to those of the mask.

    Attributes:
        last: The run that may go on in the next part, `(1, 2)` int64, or `(0, 2)` where there is none yet.
    """

    def __init__(self) -> None:
        self.last = np.empty((0, 2), np.int64)
        self._passed = 0

    def add(self, pairs: np.ndarray, pixels: int) -> np.ndarray:
        """Take the next part; return the runs of the whole mask that end before its last one.

        Args:
            pairs: The part's runs, `(N, 2)` as `runs` returns them.
            pixels: The part's.

        Returns:
            `(M, 2)` int64, in ascending order, none of which was returned before.
        """
        pairs = np.concatenate([self.last, pairs + np.array([self._passed, 0])])
        if len(self.last) and len(pairs) > 1 and pairs[0].sum() == pairs[1, 0]:
            pairs[1] = pairs[0, 0], pairs[:2, 1].sum()
            pairs = pairs[1:]
        self._passed += pixels
        self.last = pairs[-1:]
        return pairs[:-1]


def to_text(pairs: np.ndarray) -> str:
    """Write `(N, 2)` runs as numbers separated by single spaces."""
    return str(pairs.ravel().tolist())[1:-1].replace(",", "")


def check_order(order: str) -> str:
    """Return an order if it is one of `ORDERS`.

    Raises:
        MaskfoldError: If it is not.
    """
    if order not in ORDERS:
        raise MaskfoldError(f"order={order} of run lengths: there are {' and '.join(ORDERS)}.")
    return order


def decode(rle: str, height: int, width: int, *, order: str = "rows", start: int = 1) -> np.ndarray:
    """Draw the mask that a run-length string describes.

    Args:
        rle: `start length` pairs as `encode` writes them; touching runs are accepted.
        height: Pixels.
        width: Pixels.
        order: As for `encode`.
        start: As for `encode`.

    Returns:
        `(height, width)` uint8, 0 or 1.

    Raises:
        MaskfoldError: The string is malformed, or its runs are out of order, overlap or leave the image.
    """
    pairs = parse(rle)
    pairs[:, 0] += 1 - start
    for fault in faults(pairs, height, width, start=start):
        raise MaskfoldError(f"run-length string of a mask of {width}x{height}: {fault.text}")
    return draw(pairs, height, width, order=order)


def draw(pairs: np.ndarray, height: int, width: int, *, order: str = "rows") -> np.ndarray:
    """Draw the mask of runs `(N, 2)` without faults, counted from 1: `(height, width)` uint8, 0 or 1."""
    mask = np.zeros(height * width, np.uint8)
    for first, length in pairs.tolist():
        mask[first - 1 : first - 1 + length] = 1
    if check_order(order) == "rows":
        return mask.reshape(height, width)
    return np.ascontiguousarray(mask.reshape(width, height).T)


def parse(rle: str) -> np.ndarray:
    """Read the numbers of a run-length string, whatever they say of the mask.

    Args:
        rle: Pairs `start length` separated by white space, or an empty string.

    Returns:
        `(N, 2)` int64, `(start, length)`.

    Raises:
        MaskfoldError: A value is not a whole number of at most 18 digits, or the last start has no length.
    """
    plain = _is_plain(rle)
    values = np.fromstring(rle, np.int64, sep=" ") if plain and rle.strip() else np.empty(0, np.int64)
    if plain and (not values.size or values.max() < _MOST):
        return _as_pairs(values)
    if not _NUMBERS.fullmatch(rle):
        values = enumerate(re.findall(r"\S+", rle, re.ASCII), start=1)
        number, value = next((number, value) for number, value in values if not _NUMBERS.fullmatch(value))
        raise MaskfoldError(f"value {number} is {value[:30]!r}, not a whole number; write pairs 'start length'")
    return _as_pairs(np.fromstring(rle, np.int64, sep=" ") if rle.strip() else np.empty(0, np.int64))


def _is_plain(rle: str) -> bool:
    """Return whether a text is digits and spaces, as nearly all are: a tenth of what the whole look takes.

    A number of too many digits is then one of too large a value, unless it begins with a zero.
    """
    if not rle.isascii() or rle.startswith("0") or " 0" in rle:
        return False
    return not rle.encode().translate(None, b"0123456789 ")


def _as_pairs(values: np.ndarray) -> np.ndarray:
    if values.size % 2:
        raise MaskfoldError(f"{values.size} values are an odd number: a start or a length is missing")
    return values.reshape(-1, 2)


def faults(pairs: np.ndarray, height: int, width: int, *, start: int = 1) -> list[Fault]:
    """Find what makes runs impossible in an image of a size.

    Args:
        pairs: `(N, 2)` int64, `(start, length)`, starts counted from 1.
        height: Pixels.
        width: Pixels.
        start: The number of the first pixel in the text that the runs were read from, for the messages.

    Returns:
        One fault for each kind there is, which shows the first pair at fault and counts the others.
    """
    starts, lengths = pairs[:, 0], pairs[:, 1]
    stops = starts + lengths
    later, earlier = starts[1:], starts[:-1]
    wrong = {
        f"starts below {start}": (f"pixels are counted from {start}", starts < 1),
        "lengths below 1": ("a run has at least one pixel", lengths < 1),
        "runs outside the image": (f"{width}x{height} has {height * width} pixels", stops - 1 > height * width),
        "pairs out of order": ("it starts before the pair in front of it", np.append(False, later < earlier)),
        "overlapping runs": (
            "it starts inside the run in front of it",
            np.append(False, (later >= earlier) & (later < stops[:-1])),
        ),
    }
    listed = []
    for kind, (reason, at_fault) in wrong.items():
        indices = np.flatnonzero(at_fault)
        if indices.size:
            first, length = pairs[indices[0]]
            others = f" (and {indices.size - 1} more)" if indices.size > 1 else ""
            listed.append(Fault(kind, f"pair {indices[0] + 1}, '{first + start - 1} {length}': {reason}{others}"))
    return listed
