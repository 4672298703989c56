"""Which score to trust: single measures, the mean of three ranks, and a ridge regression on all, by the same photos.

The mean rank is the default: it has learned from no truth, and was first or second on real photos. Asked to choose,
another is taken only if it is surely better, on photos that then have no say in the promise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.quality.calibration import folds_of
from maskfold.quality.coverage import Intervals, bootstrap
from maskfold.quality.names import DIRECTIONS
from maskfold.quality.predictor import RankScore, fit_ranks

AUTO, MEAN_RANK, RIDGE = "auto", "mean_rank", "ridge"
_AVERAGED = ("soft_dice", "pairwise_dice", "mirror_dice")
_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the ridge, of which generalised cross-validation takes one


@dataclass(frozen=True)
class Compared:
    """What came of comparing.

    Attributes:
        name: The predictor to take.
        intervals: The share of the possible gain of each.
        surely_better: Those that are better than the mean rank by more than the noise.
    """

    name: str
    intervals: Intervals
    surely_better: tuple[str, ...]


def known_measures(measured: Mapping[str, np.ndarray]) -> list[str]:
    """Return the measures that every photo has, in the order of `DIRECTIONS`."""
    return [name for name in DIRECTIONS if not np.isnan(measured[name]).any()]


def predictor_names(measured: Mapping[str, np.ndarray]) -> list[str]:
    """Return what can be chosen: each known measure whose direction is, the mean rank, and the ridge."""
    return [*(name for name in known_measures(measured) if DIRECTIONS[name]), MEAN_RANK, RIDGE]


def fit_predictor(name: str, measured: Mapping[str, np.ndarray], ious: np.ndarray) -> RankScore:
    """Fit a predictor to photos.

    Args:
        name: One of `predictor_names`.
        measured: `(N,)` of each measure.
        ious: `(N,)`; the ridge alone looks at them.
    """
    if name == RIDGE:
        return _ridge(measured, ious)
    if name == MEAN_RANK:
        averaged = [one for one in _AVERAGED if one in known_measures(measured)]
        return fit_ranks(name, measured, dict.fromkeys(averaged, 1 / len(averaged)))
    return fit_ranks(name, measured, {name: 1.0})


def _ridge(measured: Mapping[str, np.ndarray], ious: np.ndarray) -> RankScore:
    """Regress IoU on the ranks of all known measures, which no outlier stretches."""
    from sklearn.linear_model import RidgeCV  # a second to import

    names = known_measures(measured)
    unit = fit_ranks(RIDGE, measured, dict.fromkeys(names, 1.0))
    ranks = np.column_stack([term.rank(np.asarray(measured[term.measure])) for term in unit.terms])
    fitted = RidgeCV(alphas=_PENALTIES).fit(ranks, ious)
    weights = dict(zip(names, fitted.coef_.tolist(), strict=True))
    return fit_ranks(RIDGE, measured, weights, intercept=float(fitted.intercept_))


def candidate_scores(
    measured: Mapping[str, np.ndarray], ious: np.ndarray, groups: Sequence[str], *, k: int, seed: int
) -> dict[str, np.ndarray]:
    """Return `(N,)` scores by each predictor, the ridge's by one that was fitted on other groups."""
    names = predictor_names(measured)
    scores = {name: fit_predictor(name, measured, ious).score(measured) for name in names if name != RIDGE}
    fold = folds_of(groups, k=k, seed=seed)
    crossed = np.empty(len(ious))
    for number in np.unique(fold):
        inside = fold == number
        fitted = fit_predictor(RIDGE, _some(measured, ~inside), ious[~inside])
        crossed[inside] = fitted.score(_some(measured, inside))
    return scores | {RIDGE: crossed}


def compare(
    measured: Mapping[str, np.ndarray], ious: np.ndarray, groups: Sequence[str], *, k: int, seed: int
) -> Compared:
    """Compare all predictors on some photos, by the share of the possible gain; see `maskfold.quality.coverage`."""
    scores = candidate_scores(measured, ious, groups, k=k, seed=seed)
    return choose(scores, ious, groups, seed=seed)


def choose(scores: Mapping[str, np.ndarray], ious: np.ndarray, groups: Sequence[str], *, seed: int) -> Compared:
    """Return which of some scores to take; see `compare`."""
    intervals = bootstrap(scores, 1 - ious, groups, seed=seed)
    others = [name for name in scores if name != MEAN_RANK]
    better = [name for name in others if intervals.difference(name, MEAN_RANK, comparisons=len(others))[1] > 0]
    best = max(better, key=lambda name: intervals.interval(name)[0], default=MEAN_RANK)
    return Compared(best, intervals, tuple(better))


def _some(measured: Mapping[str, np.ndarray], which: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(values)[which] for name, values in measured.items()}


def comparison_table(choice: Compared, scores: Mapping[str, np.ndarray], ious: np.ndarray) -> pd.DataFrame:
    """Return a row a predictor: `predictor`, `spearman` with IoU, `share` of the possible gain, `low` and `high`."""
    rows = [
        {"predictor": name, "spearman": _spearman(values, ious)}
        | dict(zip(("share", "low", "high"), choice.intervals.interval(name), strict=True))
        for name, values in scores.items()
    ]
    return pd.DataFrame(rows).sort_values("share", ascending=False, ignore_index=True)


def _spearman(scores: np.ndarray, ious: np.ndarray) -> float:
    """Return the correlation of ranks; NaN where all of one kind are equal."""
    ranks = pd.DataFrame({"score": scores, "iou": ious}).rank().to_numpy()
    if not np.ptp(ranks, axis=0).all():
        return float("nan")
    return float(np.corrcoef(ranks.T)[0, 1])
