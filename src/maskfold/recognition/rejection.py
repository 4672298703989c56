"""How well one network refuses photos of products that it has not learned, measured on photos it has not learned from.

Known photos are those that the network was validated on; unknown ones are test photos whose label has no number.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from maskfold.recognition.answers import Answers
from maskfold.recognition.unknown import energy, joint, maximum_logit, rejection_table

LOGIT, ENERGY, COSINE, EITHER = "largest logit", "energy", "cosine to the nearest prototype", "logit and cosine"
_MEASURES = ["auroc", "false_accepts", "oscr", "accuracy_at_1"]
_AT_ONCE = 2**24  # cosines held at a time, 64 MiB


def scores_of(known: Answers, class_index: np.ndarray, unknown: Answers) -> tuple[dict, dict]:
    """Return all scores of known and of unknown photos, each by name.

    Args:
        known: To N photos that the network has not learned from.
        class_index: `(N,)` their classes.
        unknown: To M photos of products that it has not learned.
    """
    own, others = prototype_cosines(known.embeddings, class_index, unknown.embeddings)
    both = [
        {LOGIT: maximum_logit(answers), ENERGY: energy(answers), COSINE: cosine}
        for answers, cosine in ((known, own), (unknown, others))
    ]
    for scores in both:
        scores[EITHER] = joint(scores[LOGIT], scores[COSINE], both[0][LOGIT], both[0][COSINE])
    return both[0], both[1]


def measured(known: Answers, class_index: np.ndarray, unknown: Answers, kinds: Sequence[str]) -> pd.DataFrame:
    """Measure a network's rejection.

    Args:
        known: See `scores_of`, as the next two.
        class_index: Likewise.
        unknown: Likewise.
        kinds: `(M,)`, `near` or `far`.

    Returns:
        A row a kind and score, as `rejection_table` returns them, with `kind` in front.
    """
    right = known.classes[:, 0] == class_index
    own, others = scores_of(known, class_index, unknown)
    kinds = np.asarray(kinds)
    tables = [
        rejection_table(own, right, {name: scores[kinds == kind] for name, scores in others.items()}).assign(kind=kind)
        for kind in sorted({*kinds}, reverse=True)
    ]
    whole = pd.concat(tables, ignore_index=True)
    return whole[["kind", *whole.columns.drop("kind")]]


def over_folds(tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of several folds as one, with the mean of each measure in front as fold `all`.

    Each fold's network has logits of its own size, so that photos of two are not put into one ranking.
    """
    parts = pd.concat([table.assign(fold=str(fold)) for fold, table in tables.items()], ignore_index=True)
    how = {"known": "sum", "unknown": "max"} | dict.fromkeys(_MEASURES, "mean")
    means = parts.groupby(["kind", "score"], sort=False, as_index=False).agg(how).assign(fold="all")
    whole = pd.concat([means, parts], ignore_index=True)
    return whole[["fold", *whole.columns.drop("fold")]]


def prototype_cosines(embeddings: np.ndarray, classes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of photos with the nearest prototype, which a photo is no part of.

    A class's prototype is the mean of its photos' unit vectors, seen from the mean of the classes' mean embeddings; a
    photo's own class is judged by its other photos, so that known and unknown photos are treated alike.

    Args:
        embeddings: `(N, D) float32` of known photos, which make the prototypes.
        classes: `(N,)` theirs.
        others: `(M, D) float32` of photos that are no part of any.

    Returns:
        `(N,)` and `(M,) float64`.
    """
    _, place = np.unique(np.asarray(classes), return_inverse=True)
    counts = np.bincount(place)[:, None]
    centre = (_sums(embeddings, place) / counts).mean(axis=0, dtype=np.float64).astype(np.float32)
    known, unknown = (_directions(part - centre) for part in (embeddings, others))
    sums = _sums(known, place)
    prototypes = _directions(sums)
    own = (known * _directions(sums[place] - known)).sum(axis=1)
    nearest = _nearest(known, prototypes, without=place)
    return np.maximum(nearest, np.where(counts[place, 0] > 1, own, -1)), _nearest(unknown, prototypes)


def _nearest(directions: np.ndarray, prototypes: np.ndarray, *, without: np.ndarray | None = None) -> np.ndarray:
    """Return the largest cosine of each with a prototype, but for one where that is said, a portion at a time."""
    best = np.empty(len(directions))
    size = max(1, _AT_ONCE // len(prototypes))
    for begin in range(0, len(directions), size):
        cosines = directions[begin : begin + size] @ prototypes.T
        if without is not None:
            cosines[np.arange(len(cosines)), without[begin : begin + size]] = -1
        best[begin : begin + size] = cosines.max(axis=1)
    return best


def _sums(vectors: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return the sum of the vectors of each place, `(P, D) float32`."""
    order = np.argsort(place, kind="stable")
    begins = np.flatnonzero(np.diff(place[order], prepend=-1))
    return np.add.reduceat(vectors[order], begins, axis=0)


def _directions(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
