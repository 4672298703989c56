"""Rows of a head for new products, without a training: from the embeddings of photos alone.

A cosine head's learned rows lie further from their photos than a mean of photos does, since they also point away from
other products: a prototype put beside them as it is wins photos of all products. So either it counts less, or all
products get rows of the same making. Which way is best is tried on photos that the network has not learned from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.recognition.prototypes import Prototypes, sums_by_class

ROWS, PROTOTYPES, DISCRIMINANT = "rows", "prototypes", "discriminant"
WAYS = (ROWS, PROTOTYPES, DISCRIMINANT)
_GAINS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # of what makes new rows count as much as old ones
_SMALL = 1e-9


@dataclass(frozen=True)
class Embedded:
    """Embeddings of photos, `(N, D) float32`, and the class of each, `(N,) int64`."""

    embeddings: np.ndarray
    classes: np.ndarray


@dataclass(frozen=True)
class HeadRows:
    """What the rows of a cosine head are to be, and how well they do.

    Attributes:
        way: `rows`, the old rows and prototypes of the new products; `prototypes` of all products; or `discriminant`,
            prototypes of all products seen in units of how photos of one product differ (Fisher 1936).
        rows: Unit vectors of all classes in their order, and the centre; one that has neither photos nor a row of
            before gets the direction in which photos lie least, so that every row keeps its number.
        gain: `(C,) float32`, what the cosine with each row is multiplied by.
        old_recall: Macro recall of old products on photos that nothing was learned from.
        new_recall: That of new ones.
    """

    way: str
    rows: Prototypes
    gain: np.ndarray
    old_recall: float = np.nan
    new_recall: float = np.nan


def best_rows(
    learned: Embedded,
    held_out: Embedded,
    *,
    old: np.ndarray,
    old_rows: Prototypes | None,
    allowed: float,
    ways: Sequence[str] = WAYS,
) -> tuple[HeadRows, list[HeadRows]]:
    """Choose how new products join.

    Args:
        learned: Photos of old and new products that rows are made from.
        held_out: Photos of them that nothing was learned from.
        old: `(C,) bool`, which of all classes the network has learned.
        old_rows: Their rows in a cosine head, and its centre; None of another head, beside whose rows none can be put.
        allowed: What the macro recall of old products may lose.
        ways: Those that are tried.

    Returns:
        Of those that cost old products no more than is allowed the one that recognises new products best, or, where all
        cost more, the one of the best macro recall; and all that were tried.

    Raises:
        MaskfoldError: If there is no way left to try, or no photo of a new product.
    """
    if old[learned.classes].all():
        raise MaskfoldError("enroll: no photos of new products to make rows from.")
    tried = [
        _measured(rows, held_out, old) for way in ways for rows in _candidates(way, learned, old=old, old_rows=old_rows)
    ]
    if not tried:
        raise MaskfoldError("way=rows: only a cosine head has rows that others can be put beside. Give another way.")
    before = tried[0].old_recall if old_rows is None else _recall(_alone(old_rows), held_out, old)[0]
    cheap = [rows for rows in tried if rows.old_recall >= before - allowed - _SMALL]
    if cheap and old_rows is not None:
        return max(cheap, key=lambda rows: (rows.new_recall, rows.old_recall)), tried
    supported = np.unique(held_out.classes)
    share = np.mean(~old[supported])
    return max(tried, key=lambda rows: (1 - share) * rows.old_recall + share * rows.new_recall), tried


def _candidates(way: str, learned: Embedded, *, old: np.ndarray, old_rows: Prototypes | None) -> Iterator[HeadRows]:
    """Yield rows that are made in one way; several where old and new ones are to be balanced."""
    centre = None if old_rows is None else old_rows.centre
    if centre is None:
        known = old[learned.classes]
        centre = Prototypes.of(learned.embeddings[known], learned.classes[known]).centre
    every = Prototypes.of(learned.embeddings, learned.classes, centre=centre)
    if way == ROWS and old_rows is not None:
        new = every.of_classes(np.flatnonzero(~old))
        balanced = _balance(learned, every, old_rows)
        joined = _whole(old_rows.joined(new), len(old), learned)
        for share in _GAINS:
            gain = np.where(old, 1.0, share * balanced).astype(np.float32)
            yield HeadRows(way, joined, gain)
    elif way != ROWS:
        made = every if way == PROTOTYPES else _discriminant(learned, every)
        if old_rows is not None:  # a product without photos here keeps its row
            bare = np.setdiff1d(old_rows.classes, made.classes)
            made = made.joined(old_rows.of_classes(bare))
        made = _whole(made, len(old), learned)
        yield HeadRows(way, made, np.ones(len(made), dtype=np.float32))


def _whole(rows: Prototypes, classes: int, learned: Embedded) -> Prototypes:
    """Return rows of all classes in their order: those that have none get one that photos lie across, not along."""
    bare = np.setdiff1d(np.arange(classes), rows.classes)
    if len(bare):
        directions = rows.directions(learned.embeddings)
        across = np.linalg.eigh(directions.T @ directions)[1][:, 0].astype(np.float32)
        rows = rows.joined(Prototypes(np.tile(across, (len(bare), 1)), bare, rows.centre))
    order = np.argsort(rows.classes)
    return Prototypes(rows.matrix[order], rows.classes[order], rows.centre)


def _balance(learned: Embedded, every: Prototypes, old_rows: Prototypes) -> float:
    """Return what cosines with prototypes are multiplied by to be as large as those with learned rows, on average."""
    old = np.isin(learned.classes, old_rows.classes)
    own = [np.mean(_own_cosines(rows, learned.embeddings[old], learned.classes[old])) for rows in (old_rows, every)]
    return float(np.clip(own[0] / max(own[1], _SMALL), 0, 1))


def _own_cosines(rows: Prototypes, embeddings: np.ndarray, classes: np.ndarray) -> np.ndarray:
    place = np.searchsorted(rows.classes, classes)
    return np.sum(rows.directions(embeddings) * rows.matrix[place], axis=1)


def _discriminant(learned: Embedded, every: Prototypes) -> Prototypes:
    """Return prototypes in units of how photos of one product differ; as they are where there is one photo of each."""
    place = np.searchsorted(every.classes, learned.classes)
    directions = every.directions(learned.embeddings).astype(np.float64)
    means = sums_by_class(directions, place, len(every)) / np.bincount(place)[:, None]
    apart = directions - means[place]
    spread = apart.T @ apart / len(apart)
    width = len(spread)
    # As much again in every direction: of few photos the least directions are not known.
    rows = np.linalg.solve(spread + (np.trace(spread) / width + _SMALL) * np.eye(width), means.T).T
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Prototypes(rows.astype(np.float32), every.classes, every.centre)


def _alone(rows: Prototypes) -> HeadRows:
    return HeadRows(ROWS, rows, np.ones(len(rows), dtype=np.float32))


def _measured(rows: HeadRows, held_out: Embedded, old: np.ndarray) -> HeadRows:
    of_old, of_new = _recall(rows, held_out, old)
    return replace(rows, old_recall=of_old, new_recall=of_new)


def _recall(rows: HeadRows, held_out: Embedded, old: np.ndarray) -> tuple[float, float]:
    """Return the macro recall of old and of new products; of none it is 0."""
    right = rows.rows.nearest(held_out.embeddings, gain=rows.gain)[0] == held_out.classes
    classes, place = np.unique(held_out.classes, return_inverse=True)
    recall = np.bincount(place, weights=right) / np.bincount(place)
    parts = (recall[old[classes]], recall[~old[classes]])
    return tuple(float(part.mean()) if len(part) else 0.0 for part in parts)
