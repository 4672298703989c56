"""From a photo's measures to one score: each measure's rank among the photos that it was fitted on, and their sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskfold.quality.names import DIRECTIONS

MOST_POINTS = 513  # of a table: finer than any score is asked for
_LARGEST = 1e12  # stands for infinity, between which and a number nothing can be interpolated


@dataclass(frozen=True)
class Term:
    """One measure's part of a score.

    Attributes:
        measure: A name of `DIRECTIONS`.
        weight: What its rank is multiplied by.
        values: `(K,)`, rising: the measure times its direction, so that higher is better.
        ranks: `(K,)`, rising, in [0, 1]: the share of photos below each value, those of the same value counted half.
    """

    measure: str
    weight: float
    values: tuple[float, ...]
    ranks: tuple[float, ...]

    def rank(self, measured: np.ndarray) -> np.ndarray:
        """Return the ranks of measured values, NaN where they are NaN."""
        return np.interp(_oriented(self.measure, measured), self.values, self.ranks)


@dataclass(frozen=True)
class RankScore:
    """A score of measures: the weighed sum of their ranks; higher is better.

    Attributes:
        name: What tables call it.
        terms: Its parts.
        intercept: What is added.
    """

    name: str
    terms: tuple[Term, ...]
    intercept: float = 0.0

    @property
    def measures(self) -> tuple[str, ...]:
        """What has to be known of a photo."""
        return tuple(term.measure for term in self.terms)

    def score(self, measured: Mapping[str, Any]) -> np.ndarray:
        """Return the scores of photos whose measures are arrays, or of one; NaN where one that is needed is."""
        parts = [term.weight * term.rank(np.asarray(measured[term.measure], float)) for term in self.terms]
        return self.intercept + np.sum(parts, axis=0)


def fit_ranks(
    name: str, measured: Mapping[str, Any], weights: Mapping[str, float], *, intercept: float = 0.0
) -> RankScore:
    """Return the predictor of some weights, with the ranks of some photos.

    Args:
        name: What tables call it.
        measured: `(N,)` of each measure.
        weights: Of each measure that counts.
        intercept: What is added.
    """
    return RankScore(
        name, tuple(_term(one, weight, measured[one]) for one, weight in weights.items()), float(intercept)
    )


def _term(measure: str, weight: float, measured: Sequence[float]) -> Term:
    values = _oriented(measure, np.asarray(measured, float))
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
    if len(distinct) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(distinct) - 1, MOST_POINTS).round().astype(int))
        distinct, ranks = distinct[kept], ranks[kept]
    return Term(measure, float(weight), tuple(distinct.tolist()), tuple(ranks.tolist()))


def _oriented(measure: str, measured: np.ndarray) -> np.ndarray:
    return np.clip((DIRECTIONS[measure] or 1) * measured, -_LARGEST, _LARGEST)
