"""What run lengths tell of themselves: the token for an empty mask, the number of the first pixel, and their order."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import LIKELY, Guess
from maskfold.joining.shapes import is_runs
from maskfold.masks import rle

_REPEATED = 3  # rows of one and the same single run, before it is taken for a token
_BORDERS = 3  # runs of a mask, and masks, that begin at the border, and as many that end there, before that tells
_CLEARLY = 4  # times as many for one as for the other


class Runs(NamedTuple):
    """Run lengths as a table has them: `(N, 2)` int64 `(start, length)`, and the size of their photo in pixels."""

    pairs: np.ndarray
    height: int
    width: int


def empty_token(sample: Sequence[str], train: Sequence[str], drawn: Sequence[str] = ()) -> Guess | None:
    """Return what stands for an empty mask in a submission; None if nothing tells.

    Args:
        sample: The cells of the sample that are to hold runs.
        train: Those of the training table; none where it has no runs.
        drawn: Those of them whose masks are there as pictures and empty.
    """
    if drawn:
        token, count = Counter(cell.strip() for cell in drawn).most_common(1)[0]
        return Guess(token, f"what {count} of {len(drawn)} rows with an empty mask have")
    for cells, name in ((sample, "sample"), (train, "training table")):
        tokens = Counter(cell.strip() for cell in cells if not is_runs(cell))
        if tokens:
            token, count = tokens.most_common(1)[0]
            return Guess(token, f"{count} of {len(cells)} cells of the {name} are {token!r}")
    repeated, count = Counter(cell.strip() for cell in train).most_common(1)[0] if len(train) else ("", 0)
    if count >= _REPEATED and len(repeated.split()) == 2 and repeated in {cell.strip() for cell in sample}:
        return Guess(repeated, f"{count} rows of the training table and the sample are {repeated!r}", LIKELY)
    return None


def first_pixel(runs: Sequence[Runs], orders: Iterable[str]) -> Guess | None:
    """Return the number of the first pixel, 0 or 1; None if nothing tells.

    Only a mask that touches the first or the last pixel, or many that touch the border, tell one from the other.

    Args:
        runs: Of masks with at least one pixel.
        orders: Those that are possible: one, if it is known.
    """
    if any((one.pairs[:, 0] == 0).any() for one in runs):
        return Guess(0, "a run starts at 0")
    if any((one.pairs.sum(axis=1) - 1 == one.height * one.width).any() for one in runs):
        return Guess(1, "a run ends at the number that the last pixel has when the first one is 1")
    guesses = {_by_borders(runs, order) for order in orders}
    start = guesses.pop() if len(guesses) == 1 else None
    return None if start is None else Guess(start, "runs begin and end where lines of pixels do", LIKELY)


def _by_borders(runs: Sequence[Runs], order: str) -> int | None:
    """Return the number of the first pixel by which masks lie along the border, on both its sides.

    One that the border cuts has a run for each line there. By the other number these begin or end one pixel further
    on, where only a slanting outline has a run now and then.
    """
    votes = np.zeros((2, 2), int)  # by number of the first pixel, and whether runs begin or end at the border
    for pairs, height, width in runs:
        line = width if order == "rows" else height
        firsts = [pairs[:, 0] - start for start in (0, 1)]
        counts = np.array([[(at % line == 0).sum() for at in (first, first + pairs[:, 1])] for first in firsts])
        votes += (counts >= _BORDERS) & (counts >= _CLEARLY * counts[::-1])
    likely = [
        start
        for start in (0, 1)
        if votes[start].min() >= _BORDERS and (votes[start] >= _CLEARLY * votes[1 - start]).all()
    ]
    return likely[0] if len(likely) == 1 else None


def by_masks(cases: Sequence[tuple[Runs, np.ndarray]]) -> tuple[Guess | None, Guess | None]:
    """Return order and first pixel by which runs are the masks that are there, exactly; None for what masks leave open.

    Args:
        cases: Runs and their mask `(H, W) uint8`, 0 or 1.

    Raises:
        MaskfoldError: If the runs are not those masks by any order and number.
    """
    fitting = {}
    for order in rle.ORDERS:
        for start in (1, 0):
            fitting[order, start] = sum(_is_mask(runs, mask, order, start) for runs, mask in cases)
    most = max(fitting.values())
    if 2 * most <= len(cases):
        raise MaskfoldError(
            f"the run lengths of the training table are the masks that are there for {most} of {len(cases)} photos at "
            "best, in any order. Are they masks of the same photos? Leave masks= away to take the table's."
        )
    best = [key for key, count in fitting.items() if count == most]
    source = f"the runs of {most} of {len(cases)} photos are exactly their masks"
    orders, starts = ({key[part] for key in best} for part in (0, 1))
    return (
        Guess(orders.pop(), source) if len(orders) == 1 else None,
        Guess(starts.pop(), source) if len(starts) == 1 else None,
    )


def _is_mask(runs: Runs, mask: np.ndarray, order: str, start: int) -> bool:
    pairs = runs.pairs + np.array([1 - start, 0])
    if rle.faults(pairs, runs.height, runs.width) or mask.shape != (runs.height, runs.width):
        return False
    return np.array_equal(rle.draw(pairs, runs.height, runs.width, order=order), mask)
