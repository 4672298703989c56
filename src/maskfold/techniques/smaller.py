"""The smallest ensemble within the noise of the whole: members are left out one by one, the least missed first."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskfold.ensembling.blend import gain_interval
from maskfold.ensembling.contested import Contested


def smaller_ensembles(contested: Contested, groups: pd.Series, names: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """Return a row a size, from the whole down to one member.

    Which member goes is chosen on the photos that it is scored on: small differences between sizes flatter the smaller.

    Args:
        contested: The members' contested pixels.
        groups: The group of each mask.
        names: The members' names.
        seed: Of the bootstrap.

    Returns:
        `members` (how many), `left_out` (who went last), `score`, `gain` over the whole with `low` and `high`, `within`
        (whether the interval does not lie below 0, as of no larger one either), and `which`.
    """
    whole = contested.marks(_equal(range(len(names)), len(names)))
    kept, gone, within, rows = [*range(len(names))], "", True, []
    while kept:
        marks = contested.marks(_equal(kept, len(names)))
        gain, low, high = gain_interval(marks, whole, groups, seed=seed)
        within = within and high >= 0
        which = " ".join(names[member] for member in kept)
        row = {"members": len(kept), "left_out": gone, "score": marks.total, "gain": gain, "low": low, "high": high}
        rows.append(row | {"within": within, "which": which})
        if len(kept) == 1:
            break
        without = [[other for other in kept if other != member] for member in kept]
        best = int(np.argmax([contested.marks(_equal(some, len(names))).total for some in without]))
        gone, kept = names[kept[best]], without[best]
    return pd.DataFrame(rows)


def _equal(kept: Sequence[int], members: int) -> np.ndarray:
    """Return equal weights of some members, `(M,)`, that add up to 1."""
    weights = np.zeros(members)
    weights[[*kept]] = 1 / len(kept)
    return weights
