"""Whether members err together, and what each adds to their mean.

Pure functions of `maskfold.ensembling.contested.Contested`, of M members; masks are those of the maps cut at the
ensemble's threshold, before post-processing.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskfold.ensembling.blend import gain_interval
from maskfold.ensembling.contested import Contested


def score_correlation(contested: Contested, names: Sequence[str]) -> pd.DataFrame:
    """Return Spearman's rank correlation of the members' errors, 1 - score, over masks: `(M, M)`, named both ways.

    It is high where the same images are hard for both; NaN where a member has the same score everywhere.
    """
    values = np.stack([contested.marks(alone).values for alone in np.eye(len(names))], axis=1)
    return pd.DataFrame(values, columns=list(names)).rank().corr()


def pixel_overlap(contested: Contested, names: Sequence[str]) -> pd.DataFrame:
    """Return the IoU of the pixels that two members get wrong, over all images: `(M, M)`, named both ways.

    1 means that they err on the very same pixels and their mean can mend nothing; NaN where neither errs.
    """
    stands_for = contested.stands_for
    true = np.bincount(contested.image, contested.truth * stands_for, len(contested.actual))
    # Where all members agree they may all be wrong: what they all predict beside the mask, and what all of them miss.
    shared = (contested.certain - contested.right + contested.actual - contested.right - true).sum()
    wrong = (contested.values >= contested.threshold) != contested.truth
    both = (wrong * stands_for) @ wrong.T + shared
    alone = np.diag(both)
    with np.errstate(invalid="ignore"):
        overlap = both / (alone[:, None] + alone - both)
    return pd.DataFrame(overlap, index=list(names), columns=list(names))


def contributions(contested: Contested, names: Sequence[str], weights: np.ndarray, groups: pd.Series) -> pd.DataFrame:
    """Say what each member adds to the ensemble: its score less that of the others by themselves.

    Args:
        contested: The members' contested pixels, of two members or more.
        names: Of the members.
        weights: `(M,)`, which add up to 1.
        groups: The group of each mask.

    Returns:
        A row a member, the most useful first: `name`, `weight`, the `score` it has alone, the ensemble's `without`
        it, and what it `adds`, with the 95 % interval over groups, `low` and `high`.
    """
    whole = contested.marks(weights)
    rows = []
    for number, name in enumerate(names):
        others = np.where(np.arange(len(weights)) == number, 0, weights)
        without = contested.marks(others / others.sum())
        adds, low, high = gain_interval(whole, without, groups, seed=0)
        alone = contested.marks(np.eye(len(weights))[number]).total
        rows.append((name, weights[number], alone, without.total, adds, low, high))
    table = pd.DataFrame(rows, columns=["name", "weight", "score", "without", "adds", "low", "high"])
    return table.sort_values("adds", ascending=False, kind="stable", ignore_index=True)
