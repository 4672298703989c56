"""Weights of an ensemble's members, fitted on out-of-fold maps and believed only beyond the noise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from maskfold.data.folds import group_folds
from maskfold.ensembling.contested import Contested
from maskfold.ensembling.means import LOGIT, PROBABILITY, logits_of_bytes
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import Marks

STEPS_A_MEMBER = 5  # greedy steps, which is how finely weights can differ
DRAWS = 2000  # of the bootstrap
DRAWS_A_COMPARISON = 800  # at least, of several: 20 draws beyond each end of an interval, however wide
DRAWN_AT_A_TIME = 2**24  # counts of groups, 128 MiB
CENTRAL = (2.5, 97.5)  # percentiles of the interval


def greedy(contested: Contested) -> np.ndarray:
    """Add members one by one, each as often as it helps, and keep the best mean on the way.

    Caruana et al., "Ensemble selection from libraries of models" (ICML 2004): forward selection with replacement,
    here by what the masks come to together.

    Returns:
        `(M,) float64` weights that add up to 1.
    """
    members = len(contested.values)
    values, least = contested.summands
    total, chosen = np.zeros(values.shape[1], values.dtype), np.zeros(members)
    best, most = chosen, -1.0
    for step in range(1, STEPS_A_MEMBER * members + 1):
        scores = [contested.marks_of(total + values[member] >= least * step).total for member in range(members)]
        member = int(np.argmax(scores))
        total += values[member]
        chosen[member] += 1
        if scores[member] > most:
            best, most = chosen / step, scores[member]
    return best


def least_squares(contested: Contested) -> np.ndarray:
    """Fit the members' logits to the masks by non-negative least squares, on the contested pixels.

    A mask counts as +1 and -1, and its scale does not matter: the weights are brought to a sum of 1 afterwards. They
    are then used as the weights of the ensemble's own mean.

    Returns:
        `(M,) float64` weights that add up to 1; equal ones if no member has anything to say.
    """
    from scipy.optimize import nnls  # a quarter of a second to import, for one of two methods

    members = len(contested.values)
    # The normal equations need M x M numbers, whatever the number of pixels; a trace of ridge regression shares a
    # weight equally among identical members.
    logits = logits_of_bytes()[contested.values]
    weighted = logits * contested.stands_for
    gram = weighted @ logits.T
    gram += np.eye(members) * max(1e-6 * np.trace(gram), 1e-12)
    factor = np.linalg.cholesky(gram)
    target = np.linalg.solve(factor, weighted @ np.where(contested.truth, 1.0, -1.0))
    weights = nnls(factor.T, target)[0]
    return weights / weights.sum() if weights.sum() > 0 else np.full(members, 1 / members)


METHODS: dict[str, Callable[[Contested], np.ndarray]] = {"greedy": greedy, "nnls": least_squares}


@dataclass(frozen=True)
class Blend:
    """What came of fitting.

    Attributes:
        weights: `(M,)`, fitted on all images; they add up to 1.
        fitted: What weights come to that were fitted on other groups: what the blend is worth.
        scores: `(M + 1,)` what each member comes to alone, and the ensemble as it is.
        gain: `(M + 1,)` gain of the blend over each of these.
        low: `(M + 1,)` lower end of the gain's interval.
        high: `(M + 1,)` upper end.
    """

    weights: np.ndarray
    fitted: float
    scores: np.ndarray
    gain: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def accepted(self) -> bool:
        """Whether the blend is better than the ensemble as it is by more than the noise."""
        return bool(self.low[-1] > 0)


def fit_blend(contested: Contested, groups: pd.Series, *, present: np.ndarray, method: str, k: int, seed: int) -> Blend:
    """Fit weights, and find by cross-validation over groups what they are worth.

    Args:
        contested: The members' contested pixels.
        groups: The group of each mask.
        present: `(M,)` weights of the ensemble as it is, which add up to 1.
        method: A name of `METHODS`.
        k: Folds of the cross-validation.
        seed: Of its folds and of the bootstrap.

    Raises:
        MaskfoldError: If the method is unknown, or there are fewer groups than folds.
    """
    if method not in METHODS:
        raise MaskfoldError(f"method={method} is unknown: choose one of {', '.join(METHODS)}.")
    fit = METHODS[method]
    fold = groups.map(group_folds(groups, k=k, seed=seed, key="k")).to_numpy()
    blended = Marks(*np.empty((2, len(groups))))
    for number in range(k):
        inside = fold == number
        marks = contested.of_images(inside).marks(fit(contested.of_images(~inside)))
        blended.values[inside], blended.weights[inside] = marks
    alone = [contested.marks(weights) for weights in (*np.eye(len(present)), present)]
    spreads = [gain_interval(blended, marks, groups, seed=seed) for marks in alone]
    gain, low, high = (np.array(column) for column in zip(*spreads, strict=True))
    return Blend(fit(contested), blended.total, np.array([marks.total for marks in alone]), gain, low, high)


def other_mean(
    contested: Contested, groups: pd.Series, *, weights: np.ndarray, seed: int
) -> tuple[str, tuple[float, float, float]]:
    """Return the other of the two means, of probabilities and of logits, and what it gains with the same weights.

    Nothing is fitted, so nothing has to be left out.

    Args:
        contested: The members' contested pixels, with the mean that they have.
        groups: The group of each mask.
        weights: `(M,)`, which add up to 1.
        seed: Of the bootstrap.
    """
    other = PROBABILITY if contested.mean == LOGIT else LOGIT
    gains = gain_interval(replace(contested, mean=other).marks(weights), contested.marks(weights), groups, seed=seed)
    return other, gains


def gain_interval(
    new: Marks, old: Marks, groups: pd.Series, *, seed: int, comparisons: int = 1
) -> tuple[float, float, float]:
    """Bootstrap a paired gain over groups, whose images are too alike to be drawn one by one.

    Args:
        new: What each mask comes to.
        old: What the same masks came to.
        groups: The group of each mask.
        seed: Of the draws.
        comparisons: How many such intervals are looked at together; each is wider by Bonferroni's correction, so that
            all of them hold at once in 95 % of cases.

    Returns:
        The gain, and the lower and upper end of its interval of 95 %.
    """
    number, names = pd.factorize(groups)
    if np.array_equal(new.weights, old.weights):  # the difference of two means of the same weights is one mean
        parts = [(1, Marks(new.values - old.values, new.weights))]
    else:
        parts = [(1, new), (-1, old)]
    drawn = _draws(len(names), max(DRAWS, DRAWS_A_COMPARISON * comparisons), seed)
    gains = np.concatenate([sum(sign * _drawn_totals(marks, number, some) for sign, marks in parts) for some in drawn])
    ends = CENTRAL[0] / comparisons, 100 - (100 - CENTRAL[1]) / comparisons
    low, high = np.percentile(gains[np.isfinite(gains)], ends) if np.isfinite(gains).any() else (np.nan, np.nan)
    return float(sum(sign * marks.total for sign, marks in parts)), float(low), float(high)


def _draws(groups: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each group is drawn, `(some draws, groups)`, in parts of bounded memory."""
    rng, share = np.random.default_rng(seed), np.full(groups, 1 / groups)
    step = max(1, DRAWN_AT_A_TIME // groups)
    for start in range(0, draws, step):
        yield rng.multinomial(groups, share, min(step, draws - start))


def _drawn_totals(marks: Marks, number: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return what masks come to in each draw of groups, `(draws,)`; NaN where none counts."""
    sums, sizes = np.bincount(number, marks.values * marks.weights), np.bincount(number, marks.weights)
    with np.errstate(invalid="ignore"):
        return drawn @ sums / (drawn @ sizes)
