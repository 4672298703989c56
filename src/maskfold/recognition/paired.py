"""Two classifiers on the same photos: is one worse than the other, or is that noise?

If two models are equally good, it is chance which of them said what of a photo. Every p-value here is what such chance
makes as often or more often: exact for one product (McNemar), by drawing for means and thresholds, where each photo's
two answers change places or not. So it holds for any number of photos and products.
"""

from collections.abc import Iterator

import numpy as np
from scipy.stats import binom

from maskfold.recognition.unknown import fpr_at

_AT_ONCE = 2**22  # numbers drawn in one go
_SMALL = 1e-9  # what a sum of shares may be off by


def mcnemar(lost: np.ndarray, won: np.ndarray) -> np.ndarray:
    """Return the exact two-sided p-values of McNemar's test.

    Args:
        lost: `(P,)` photos that the first model has right and the second wrong.
        won: `(P,)` photos the other way round.
    """
    lost, won = np.asarray(lost), np.asarray(won)
    return np.minimum(1.0, 2 * binom.cdf(np.minimum(lost, won), lost + won, 0.5))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values adjusted for their number, `(P,)` (Holm 1979): any below a level is so for all of them."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def least_p(differing: np.ndarray) -> np.ndarray:
    """Return the smallest p-values that `mcnemar` can have, where so many photos differ, `(P,)`."""
    return np.minimum(1.0, 2 * 0.5 ** np.asarray(differing, dtype=float))


def provable(least: np.ndarray, level: float) -> tuple[np.ndarray, int]:
    """Return which tests could prove something beside the others, `(P,) bool`, and what the level is shared by.

    The rule is Tarone's (1990): the smallest K for which at most K tests can reach `level / K`. What the others say
    cannot matter, so that they need not be counted; Holm over those that are left keeps the level, since how many
    photos differ tells nothing of which model is better.

    Args:
        least: `(P,)` the smallest p-value that each test can have.
        level: How often chance may prove something in any of them.
    """
    shares = np.arange(1, max(len(least), 1) + 1)
    reaching = np.searchsorted(np.sort(least), level / shares, side="right")
    count = int(shares[reaching <= shares][0])
    return np.asarray(least) <= level / count, count


def macro_fall(photos: np.ndarray, lost: np.ndarray, won: np.ndarray) -> float:
    """Return by how much macro recall falls from the first model to the second; below 0 it rises.

    Args:
        photos: `(P,)` of each product, 1 or more.
        lost: As for `mcnemar`.
        won: Likewise.
    """
    return float(np.mean((lost - won) / photos))


def macro_fall_interval(
    photos: np.ndarray, lost: np.ndarray, won: np.ndarray, *, level: float, draws: int, seed: int
) -> tuple[float, float]:
    """Return the one-sided bounds of `macro_fall`, low and high, by a paired bootstrap within each product.

    One photo fewer than a product has is drawn of it (Rao and Wu 1988): as many would make products of few photos
    look steadier than they are. Products of a single photo are drawn together.

    Args:
        photos: As for `macro_fall`.
        lost: Likewise.
        won: Likewise.
        level: How often chance leads beyond each of the bounds.
        draws: How many.
        seed: Of the draws.
    """
    single = photos == 1
    weights = np.append(np.ones(np.count_nonzero(~single)), np.count_nonzero(single)) / len(photos)
    photos, lost, won = (np.append(part[~single], part[single].sum()) for part in (photos, lost, won))
    moving = (lost + won > 0) & (photos > 1)  # the others add nothing; a lone single photo is no evidence
    photos, lost, won = (part[moving] for part in (photos, lost, won))
    shares = np.stack([lost, won, photos - lost - won], axis=1) / photos[:, None]
    random, falls = np.random.default_rng(seed), []
    for count in _portions(draws, 3 * len(photos)):
        drawn = random.multinomial(photos - 1, shares, size=(count, len(photos)))
        falls.append(((drawn[..., 0] - drawn[..., 1]) / (photos - 1)) @ weights[moving])
    low, high = np.quantile(np.concatenate(falls), [level, 1 - level])
    return float(low), float(high)


def macro_fall_p(photos: np.ndarray, lost: np.ndarray, won: np.ndarray, *, draws: int, seed: int) -> float:
    """Return how likely `macro_fall` is as large as it is, or larger, where the models are equally good.

    Args:
        photos: As for `macro_fall`.
        lost: Likewise.
        won: Likewise.
        draws: How many; no p-value is below `1 / (draws + 1)`.
        seed: Of the draws.
    """
    seen, random = macro_fall(photos, lost, won), np.random.default_rng(seed)
    differing = lost + won
    some = differing > 0
    larger = 0
    for count in _portions(draws, np.count_nonzero(some)):
        drawn = random.binomial(differing[some], 0.5, size=(count, np.count_nonzero(some)))
        falls = (2 * drawn - differing[some]) @ (1 / photos[some]) / len(photos)
        larger += np.count_nonzero(falls >= seen - _SMALL)
    return (larger + 1) / (draws + 1)


def false_accepts_p(known: np.ndarray, unknown: np.ndarray, *, accepted: float, draws: int, seed: int) -> float:
    """Return how likely false accepts rise as much as they do, or more, where the models reject equally well.

    Scores of two models are on two scales, so that places in each model's own order change sides.

    Args:
        known: `(N, 2)` scores of the first and of the second model.
        unknown: `(M, 2)` likewise.
        accepted: The share of the known photos that pass, at least.
        draws: How many; no p-value is below `1 / (draws + 1)`.
        seed: Of the draws.
    """
    both = np.concatenate([known, unknown])
    places = np.stack([np.unique(scores, return_inverse=True)[1] for scores in both.T], axis=1).astype(float)
    places /= np.maximum(places.max(axis=0), 1)
    random = np.random.default_rng(seed)

    def rise(pairs: np.ndarray) -> float:
        first, second = (fpr_at(scores[: len(known)], scores[len(known) :], accepted=accepted) for scores in pairs.T)
        return second - first

    seen = rise(places)
    swapped = (np.where(random.random((len(both), 1)) < 0.5, places, places[:, ::-1]) for _ in range(draws))
    larger = sum(rise(pairs) >= seen - _SMALL for pairs in swapped)
    return (larger + 1) / (draws + 1)


def _portions(draws: int, width: int) -> Iterator[int]:
    """Yield numbers of draws that fit into memory, `draws` together."""
    size = max(1, _AT_ONCE // max(width, 1))
    for begin in range(0, draws, size):
        yield min(size, draws - begin)
