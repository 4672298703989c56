"""Weights of an ensemble's members, fitted on out-of-fold maps and believed only beyond the noise."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.data.folds import group_folds
from maskfold.ensembling.contested import Contested
from maskfold.errors import MaskfoldError

STEPS_A_MEMBER = 5  # greedy steps, which is how finely weights can differ
DRAWS = 2000  # of the bootstrap
CENTRAL = (2.5, 97.5)  # percentiles of the interval


def greedy(contested: Contested) -> np.ndarray:
    """Add members one by one, each as often as it helps, and keep the best mean on the way.

    Caruana et al., "Ensemble selection from libraries of models" (ICML 2004): forward selection with replacement,
    here by the mean Dice over images.

    Returns:
        `(M,) float64` weights that add up to 1.
    """
    members = len(contested.values)
    values = contested.values.astype(np.int32)
    total, chosen = np.zeros(values.shape[1], np.int32), np.zeros(members)
    best, best_dice = chosen, -1.0
    for step in range(1, STEPS_A_MEMBER * members + 1):
        # A mean of whole numbers rounds to the threshold or above when twice their sum is at least this.
        least = (2 * contested.threshold - 1) * step
        dice = [contested.dice_of(2 * (total + values[member]) >= least).mean() for member in range(members)]
        member = int(np.argmax(dice))
        total += values[member]
        chosen[member] += 1
        if dice[member] > best_dice:
            best, best_dice = chosen / step, dice[member]
    return best


def least_squares(contested: Contested) -> np.ndarray:
    """Fit the members' logits to the masks by non-negative least squares, on the contested pixels.

    A mask counts as +1 and -1, and its scale does not matter: the weights are brought to a sum of 1 afterwards. They
    are then used as the weights of probabilities.

    Returns:
        `(M,) float64` weights that add up to 1; equal ones if no member has anything to say.
    """
    from scipy.optimize import nnls  # a quarter of a second to import, for one of two methods

    members = len(contested.values)
    probability = (np.arange(256) + 0.5) / 256
    logit_of = np.log(probability / (1 - probability))
    # The normal equations need M x M numbers, whatever the number of pixels; a trace of ridge regression shares a
    # weight equally among identical members.
    logits = logit_of[contested.values]
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
        fitted_dice: Mean Dice of weights that were fitted on other groups: what the blend is worth.
        dice: `(M + 1,)` mean Dice of each member alone, and of the ensemble as it is.
        gain: `(M + 1,)` mean gain of the blend over each of these.
        low: `(M + 1,)` lower end of the gain's interval.
        high: `(M + 1,)` upper end.
    """

    weights: np.ndarray
    fitted_dice: float
    dice: np.ndarray
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
        groups: The group of each image.
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
    blended = np.empty(len(groups))
    for number in range(k):
        inside = fold == number
        blended[inside] = contested.of_images(inside).dice(fit(contested.of_images(~inside)))
    alone = [contested.dice(weights) for weights in (*np.eye(len(present)), present)]
    spreads = [gain_interval(blended - dice, groups, seed=seed) for dice in alone]
    gain, low, high = (np.array(column) for column in zip(*spreads, strict=True))
    dice = np.array([scores.mean() for scores in alone])
    return Blend(fit(contested), float(blended.mean()), dice, gain, low, high)


def gain_interval(gains: np.ndarray, groups: pd.Series, *, seed: int) -> tuple[float, float, float]:
    """Bootstrap a paired gain over groups, whose images are too alike to be drawn one by one.

    Args:
        gains: `(N,)`, the gain on each image.
        groups: The group of each image.
        seed: Of the draws.

    Returns:
        The mean gain over images, and the lower and upper end of its interval of 95 %.
    """
    number, names = pd.factorize(groups)
    sums, sizes = np.bincount(number, gains), np.bincount(number)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    low, high = np.percentile(drawn @ sums / (drawn @ sizes), CENTRAL)
    return float(gains.mean()), float(low), float(high)
