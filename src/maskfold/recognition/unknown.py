"""Products that a recogniser has never learned: what tells them from known ones, and how well.

A score is larger where a network is surer to know the product. The largest logit is hard to beat where the classifier
is good (Vaze et al., "Open-Set Recognition: A Good Closed-Set Classifier Is All You Need?", ICLR 2022); the energy is
nearly the same number; the cosine to the nearest prototype looks at the embedding alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers, log_sum_exp

ACCEPTED = 0.95  # the share of known photos that a threshold lets pass
FALSE_ACCEPTS = 0.01  # the share of unknown photos at which accuracy is compared


def maximum_logit(answers: Answers) -> np.ndarray:
    """Return the largest logit of each photo, `(N,) float64`."""
    return answers.logits[:, 0].astype(np.float64)


def energy(answers: Answers) -> np.ndarray:
    """Return the logarithm of the sum of the exponentials of all logits of each photo, `(N,) float64`."""
    return log_sum_exp(answers.whole())


def threshold_at(known: np.ndarray, *, accepted: float = ACCEPTED) -> float:
    """Return the largest threshold that lets such a share of known photos pass, at least: a score of it passes.

    Raises:
        MaskfoldError: If there are no photos.
    """
    known = _some(known, "known")
    refused = _most(1 - accepted, len(known))
    return float(np.partition(known, refused)[refused])


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Return how often a known photo has a larger score than an unknown one, equal ones counted as half.

    Raises:
        MaskfoldError: If there are none of either.
    """
    return float(_beaten(known, unknown).mean())


def fpr_at(known: np.ndarray, unknown: np.ndarray, *, accepted: float = ACCEPTED) -> float:
    """Return the share of unknown photos that pass where such a share of known ones does: the false accepts.

    Raises:
        MaskfoldError: If there are none of either.
    """
    return float((_some(unknown, "unknown") >= threshold_at(known, accepted=accepted)).mean())


def oscr(known: np.ndarray, right: np.ndarray, unknown: np.ndarray) -> float:
    """Return the area below the share of known photos accepted and right, over the share of unknown ones accepted.

    Source: Dhamija et al., "Reducing Network Agnostophobia", NeurIPS 2018. It is the AUROC in which a known photo that
    is answered wrong counts as lost.

    Args:
        known: `(N,)` scores.
        right: `(N,) bool`, whether the first answer is right.
        unknown: `(M,)` scores.

    Raises:
        MaskfoldError: If there are none of either.
    """
    return float((np.asarray(right, np.float64) * _beaten(known, unknown)).mean())


def accuracy_at(
    known: np.ndarray, right: np.ndarray, unknown: np.ndarray, *, false_accepts: float = FALSE_ACCEPTS
) -> float:
    """Return the share of known photos accepted and right where at most such a share of unknown ones is accepted.

    Raises:
        MaskfoldError: If there are none of either.
    """
    known, unknown = _some(known, "known"), _some(unknown, "unknown")
    refused = np.sort(unknown)[::-1][_most(false_accepts, len(unknown))]
    return float((np.asarray(right, bool) & (known > refused)).mean())


@dataclass(frozen=True)
class Thresholds:
    """What a photo must reach in both scores; it is rejected if either is below.

    Attributes:
        logit: Of the largest logit.
        cosine: To the nearest prototype.
    """

    logit: float
    cosine: float

    @classmethod
    def of(cls, logit: np.ndarray, cosine: np.ndarray, *, accepted: float = ACCEPTED) -> "Thresholds":
        """Return thresholds that refuse equally many known photos each, and together leave such a share, at least.

        Args:
            logit: `(N,)` of known photos that the network has not learned from.
            cosine: `(N,)` of the same.
            accepted: The share.

        Raises:
            MaskfoldError: If there are no photos.
        """
        both = joint(logit, cosine, logit, cosine)
        below = int(np.sort(both)[_most(1 - accepted, len(both))]) - 1
        return cls(float(np.sort(logit)[below]), float(np.sort(cosine)[below]))

    def accept(self, logit: np.ndarray, cosine: np.ndarray) -> np.ndarray:
        """Return which photos pass, `(N,) bool`."""
        return (logit >= self.logit) & (cosine >= self.cosine)


def joint(logit: np.ndarray, cosine: np.ndarray, known_logit: np.ndarray, known_cosine: np.ndarray) -> np.ndarray:
    """Return one score of two, by which `Thresholds` reject: how many known photos are not above, the fewer.

    Args:
        logit: `(N,)` of the photos in question.
        cosine: `(N,)` likewise.
        known_logit: `(M,)` of known photos.
        known_cosine: `(M,)` likewise.

    Raises:
        MaskfoldError: If there are no known photos.
    """
    ranks = [
        np.searchsorted(np.sort(_some(known, "known")), np.asarray(scores, np.float64), side="right")
        for scores, known in ((logit, known_logit), (cosine, known_cosine))
    ]
    return np.minimum(*ranks).astype(np.float64)


def rejection_table(
    known: Mapping[str, np.ndarray], right: np.ndarray, unknown: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Put scores side by side.

    Args:
        known: By the score's name, `(N,)`.
        right: `(N,) bool`, whether the first answer is right.
        unknown: By the same names, `(M,)`.

    Returns:
        A row a score: `score`, `known` and `unknown` (photos), `auroc`, `false_accepts` (at 95 % acceptance), `oscr`,
        and `accuracy_at_1` (at 1 % false accepts).

    Raises:
        MaskfoldError: If there are no known or no unknown photos.
    """
    rows = [
        {
            "score": name,
            "known": len(scores),
            "unknown": len(unknown[name]),
            "auroc": auroc(scores, unknown[name]),
            "false_accepts": fpr_at(scores, unknown[name]),
            "oscr": oscr(scores, right, unknown[name]),
            "accuracy_at_1": accuracy_at(scores, right, unknown[name]),
        }
        for name, scores in known.items()
    ]
    return pd.DataFrame(rows)


def _beaten(known: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Return the share of unknown photos that each known one has a larger score than, equal ones counted as half."""
    known, unknown = _some(known, "known"), np.sort(_some(unknown, "unknown"))
    below = np.searchsorted(unknown, known, side="left") + np.searchsorted(unknown, known, side="right")
    return below / (2 * len(unknown))


def _most(share: float, count: int) -> int:
    """Return how many of so many are at most such a share; one fewer than all, at most."""
    return min(int(np.floor(share * count + 1e-9)), count - 1)


def _some(scores: np.ndarray, what: str) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    if not len(scores):
        raise MaskfoldError(f"There are no photos of {what} products to measure rejection by.")
    if np.isnan(scores).any():
        raise MaskfoldError(f"Some scores of photos of {what} products are no numbers. Predict anew.")
    return scores
