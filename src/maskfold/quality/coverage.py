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
_TAIL = 2.5  # percent beyond each end of an interval


def risk_curve(scores: np.ndarray, risks: np.ndarray) -> np.ndarray:
    """Return the expected mean risk of the first k photos, for k = 1..N.

    Args:
        scores: `(N,)`, higher is better; NaN comes last.
        risks: `(N,)`.
    """
    return _Ordered(scores, risks).curve(np.ones(len(risks), int))


def aurc(scores: np.ndarray, risks: np.ndarray) -> float:
    """Return the area under `risk_curve`."""
    return float(risk_curve(scores, risks).mean())


def gain_share(scores: np.ndarray, risks: np.ndarray) -> float:
    """Return the N-AURC: 1 for the oracle's order, 0 for a random one; NaN where all risks are equal."""
    return _Shares({"": scores}, risks).of(np.ones(len(risks), int))[0]


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
    drawn = [shares.of(rng.multinomial(most, np.full(most, 1 / most))[number]) for _ in range(draws)]
    return Intervals(tuple(scores), shares.of(np.ones(len(risks), int)), np.array(drawn))


class _Shares:
    """N-AURC of several predictors under weights of the photos."""

    def __init__(self, scores: Mapping[str, np.ndarray], risks: np.ndarray) -> None:
        self._risks = np.asarray(risks, float)
        self._orders = [_Ordered(one, self._risks) for one in scores.values()]
        self._oracle = _Ordered(-self._risks, self._risks)

    def of(self, weights: np.ndarray) -> np.ndarray:
        """Return the shares `(P,)` when each photo is there as often as its weight, `(N,) int`, says."""
        oracle = self._oracle.curve(weights).mean()
        random = np.average(self._risks, weights=weights)
        possible = random - oracle
        if possible <= 1e-12:
            return np.full(len(self._orders), np.nan)
        return np.array([(random - order.curve(weights).mean()) / possible for order in self._orders])


class _Ordered:
    """Risks in the order of scores, those of equal scores in one block."""

    def __init__(self, scores: np.ndarray, risks: np.ndarray) -> None:
        keys = np.nan_to_num(-np.asarray(scores, float), nan=np.inf, posinf=np.inf, neginf=-np.inf)
        self._order = np.argsort(keys, kind="stable")
        ordered = keys[self._order]
        self._block = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])]).astype(int)
        self._risks = np.asarray(risks, float)[self._order]

    def curve(self, weights: np.ndarray) -> np.ndarray:
        """Return the mean risk of the first k, each photo there as often as its weight says."""
        weights = weights[self._order]
        in_block = np.bincount(self._block, weights)
        with np.errstate(invalid="ignore"):
            expected = np.bincount(self._block, weights * self._risks) / in_block
        risks = np.repeat(expected, in_block.astype(int))
        return np.cumsum(risks) / np.arange(1, len(risks) + 1)


def _ends(values: np.ndarray, comparisons: int = 1) -> Iterator[float]:
    known = values[np.isfinite(values)]
    tails = _TAIL / comparisons, 100 - _TAIL / comparisons
    return iter(np.percentile(known, tails).tolist() if len(known) else [float("nan")] * 2)
