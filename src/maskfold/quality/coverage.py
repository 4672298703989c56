"""How well scores tell good masks from bad ones: the risk of what is kept, at every share that is kept.

A mask's risk is 1 - IoU. Kept are the photos of the highest scores; coverage is their share. The area under the curve
(AURC) is the mean over k = 1..N of the mean risk of the first k. Photos of equal score are in no order: theirs is the
expectation over all orders. N-AURC is the share of the possible gain over a random order:
(random - AURC) / (random - oracle), where random is the mean risk and the oracle's order is that of the risks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
_AT_A_TIME = 2**22  # weights of photos that are held at once
_NOTHING = 1e-12  # a gain below this is none
_TAIL = 2.5  # percent beyond each end of an interval


def risk_curve(scores: np.ndarray, risks: np.ndarray) -> np.ndarray:
    """Return the expected mean risk of the first k photos, for k = 1..N.

    Args:
        scores: `(N,)`, higher is better; NaN comes last.
        risks: `(N,)`.
    """
    order = _Ordered(scores, risks)
    sizes = np.diff([*order.starts, len(risks)])
    expected = np.repeat(np.add.reduceat(order.risks, order.starts) / sizes, sizes)
    return np.cumsum(expected) / np.arange(1, len(risks) + 1)


def aurc(scores: np.ndarray, risks: np.ndarray) -> float:
    """Return the area under `risk_curve`."""
    return float(_Ordered(scores, risks).areas(_once(risks))[0])


def gain_share(scores: np.ndarray, risks: np.ndarray) -> float:
    """Return the N-AURC: 1 for the oracle's order, 0 for a random one; NaN where all risks are equal."""
    return float(_Shares({"": scores}, risks).of(_once(risks))[0, 0])


def _once(risks: np.ndarray) -> np.ndarray:
    return np.ones((1, len(risks)), int)


@dataclass(frozen=True)
class Intervals:
    """N-AURC of some predictors with the same draws of groups.

    Attributes:
        names: Of the predictors.
        shares: `(P,)` on all photos.
        drawn: `(D, P)` of each draw.
    """

    names: tuple[str, ...]
    shares: np.ndarray
    drawn: np.ndarray

    def interval(self, name: str) -> tuple[float, float, float]:
        """Return a predictor's share and the ends of its interval of 95 %."""
        column = self.names.index(name)
        return float(self.shares[column]), *_ends(self.drawn[:, column])

    def difference(self, name: str, other: str, *, comparisons: int = 1) -> tuple[float, float, float]:
        """Return by how much the first is better than the second, and the ends of the interval of 95 %.

        Args:
            name: The first.
            other: The second.
            comparisons: How many such intervals are looked at together; each is wider by Bonferroni's correction.
        """
        one, two = self.names.index(name), self.names.index(other)
        return float(self.shares[one] - self.shares[two]), *_ends(self.drawn[:, one] - self.drawn[:, two], comparisons)


def bootstrap(
    scores: Mapping[str, np.ndarray], risks: np.ndarray, groups: Sequence[str], *, seed: int, draws: int = DRAWS
) -> Intervals:
    """Draw groups with replacement, and take the N-AURC of every predictor in each draw.

    Args:
        scores: `(N,)` of each predictor.
        risks: `(N,)`.
        groups: `(N,)`: photos of one group are drawn together.
        seed: Of the draws.
        draws: How many.
    """
    _, number = np.unique(np.asarray(groups, str), return_inverse=True)
    shares, rng, most = _Shares(scores, risks), np.random.default_rng(seed), number.max() + 1
    step = max(1, _AT_A_TIME // len(risks))
    drawn = [
        shares.of(rng.multinomial(most, np.full(most, 1 / most), min(step, draws - start))[:, number])
        for start in range(0, draws, step)
    ]
    return Intervals(tuple(scores), shares.of(_once(risks))[0], np.concatenate(drawn))


class _Shares:
    """N-AURC of several predictors under weights of the photos."""

    def __init__(self, scores: Mapping[str, np.ndarray], risks: np.ndarray) -> None:
        self._risks = np.asarray(risks, float)
        self._orders = [_Ordered(one, self._risks) for one in scores.values()]
        self._oracle = _Ordered(-self._risks, self._risks)

    def of(self, weights: np.ndarray) -> np.ndarray:
        """Return the shares `(D, P)` when each photo is there as often as its weight, `(D, N) int`, says."""
        oracle, random = self._oracle.areas(weights), weights @ self._risks / weights.sum(axis=1)
        areas = np.stack([order.areas(weights) for order in self._orders], axis=1)
        possible = np.where(random - oracle > _NOTHING, random - oracle, np.nan)
        return (random[:, None] - areas) / possible[:, None]


class _Ordered:
    """Risks in the order of scores, those of equal scores in one block.

    Attributes:
        risks: `(N,)` in that order.
        starts: Where each block begins.
    """

    def __init__(self, scores: np.ndarray, risks: np.ndarray) -> None:
        keys = np.nan_to_num(-np.asarray(scores, float), nan=np.inf, posinf=np.inf, neginf=-np.inf)
        self._order = np.argsort(keys, kind="stable")
        ordered = keys[self._order]
        self.risks = np.asarray(risks, float)[self._order]
        self.starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))

    def areas(self, weights: np.ndarray) -> np.ndarray:
        """Return the area under the curve, `(D,)`, each photo there as often as its weight, `(D, N) int`, says.

        A photo in place j adds its risk to the means of the first j, j + 1, ... W, so 1/j + ... + 1/W of it; the places
        from a to b add up to (b - a) H(W) - (S(b) - S(a)), with H the harmonic numbers and S their sums.
        """
        ordered = weights[:, self._order]
        counts = np.add.reduceat(ordered, self.starts, axis=1)
        sums = np.add.reduceat(ordered * self.risks, self.starts, axis=1)
        ends = counts.cumsum(axis=1)
        totals = ends[:, -1:]
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, totals.max() + 1))])
        summed = np.concatenate([[0.0], np.cumsum(harmonic[:-1])])
        places = counts * harmonic[totals] - (summed[ends] - summed[ends - counts])
        return (sums / np.maximum(counts, 1) * places).sum(axis=1) / totals[:, 0]


def _ends(values: np.ndarray, comparisons: int = 1) -> Iterator[float]:
    known = values[np.isfinite(values)]
    tails = _TAIL / comparisons, 100 - _TAIL / comparisons
    return iter(np.percentile(known, tails).tolist() if len(known) else [float("nan")] * 2)
