"""From scores to IoU, and to the chance that a mask is bad: the curve that only rises, or only falls."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskfold.data.folds import group_folds

Points = tuple[tuple[float, ...], tuple[float, ...]]


def fit_isotonic(scores: np.ndarray, values: np.ndarray, *, rising: bool = True) -> Points:
    """Return the points of the isotonic regression of values on scores, straight lines between them.

    Args:
        scores: `(N,)` without NaN.
        values: `(N,)`.
        rising: Whether values rise with scores; they fall otherwise.

    Returns:
        Scores, rising, and the values there.
    """
    from sklearn.isotonic import IsotonicRegression  # a second to import

    fitted = IsotonicRegression(increasing=rising).fit(scores, values)
    return tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist())


def cross_fitted(scores: np.ndarray, ious: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the IoU of each photo as estimated from the photos of the other folds, `(N,)`."""
    estimated = np.full(len(scores), np.nan)
    for number in np.unique(fold):
        inside = fold == number
        estimated[inside] = np.interp(scores[inside], *fit_isotonic(scores[~inside], ious[~inside]))
    return estimated


def folds_of(groups: Sequence[str], *, k: int, seed: int) -> np.ndarray:
    """Return the fold of each photo, `(N,)`, all of a group in one; of fewer groups than `k` each is its own.

    Raises:
        MaskfoldError: If there is one group alone.
    """
    named = pd.Series([*groups])
    return named.map(group_folds(named, k=min(k, max(named.nunique(), 2)), seed=seed, key="k")).to_numpy()
