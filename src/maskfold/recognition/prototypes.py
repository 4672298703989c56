"""A product's prototype: where its photos lie on average, seen from where all photos lie on average.

New products join without a training: their photos' embeddings make prototypes beside the old ones. Embeddings are
centred first. Uncentred ones all point one way, and a mean of them is closer to every photo than to none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.sparse import csr_array

from maskfold.errors import MaskfoldError
from maskfold.files import write_bytes

_AT_ONCE = 2**24  # cosines that are compared in one go
_SHORTEST = 1e-12  # an embedding that is the centre itself has no direction
_NOISE = 1e-6  # of a direction in float32: shorter sums of them are none
ALIKE = 0.95  # cosine from which two products are hard to tell apart

Portions = Iterable[tuple[slice | np.ndarray, np.ndarray]]  # rows, `(n, D) float32`; each row once


@dataclass(frozen=True)
class Prototypes:
    """A unit vector a product, and the centre that embeddings are seen from.

    Attributes:
        matrix: `(P, D) float32`, rows of length 1.
        classes: `(P,) int64`, the index of each row's class.
        centre: `(D,) float32`, the mean embedding.

    Raises:
        MaskfoldError: If the shapes do not belong together, a class has two rows, or a number is none.
    """

    matrix: np.ndarray
    classes: np.ndarray
    centre: np.ndarray

    def __post_init__(self) -> None:
        rows, width = self.matrix.shape
        if self.classes.shape != (rows,) or self.centre.shape != (width,):
            raise MaskfoldError(
                f"prototypes: {rows} rows of {width} numbers, {self.classes.size} classes and a centre of "
                f"{self.centre.size} do not belong together. Make them anew."
            )
        if len(np.unique(self.classes)) != rows:
            raise MaskfoldError("prototypes: a class has two. Make them anew.")
        if not (np.isfinite(self.matrix).all() and np.isfinite(self.centre).all()):
            raise MaskfoldError("prototypes: some numbers are none (NaN or infinite). Make them anew.")

    def __len__(self) -> int:
        return len(self.matrix)

    @classmethod
    def of(cls, embeddings: np.ndarray, classes: np.ndarray, *, centre: np.ndarray | None = None) -> "Prototypes":
        """Make the prototypes of some classes from the embeddings of their photos.

        Args:
            embeddings: `(N, D) float32`.
            classes: `(N,)` the index of each photo's class.
            centre: `(D,)` where they are seen from; None for the mean of these classes' means, so that a product of
                many photos does not pull it.

        Raises:
            MaskfoldError: If there is no photo, or the photos of a class have no direction in common.
        """
        if not len(embeddings):
            raise MaskfoldError("prototypes: no photos to make them from.")
        known, place = np.unique(np.asarray(classes, dtype=np.int64), return_inverse=True)
        count = np.bincount(place)[:, None]
        parts = in_portions(embeddings)
        if centre is None:
            centre = np.mean(_sums(parts, place, len(known)) / count, axis=0)
        centre = np.asarray(centre, dtype=np.float32)
        means = _sums(parts, place, len(known), centre=centre) / count
        lengths = np.linalg.norm(means, axis=1)
        if (lengths < _SHORTEST).any():
            flat = known[lengths < _SHORTEST].tolist()
            raise MaskfoldError(f"prototypes: the photos of class {flat[0]} have no direction in common. Add photos.")
        return cls((means / lengths[:, None]).astype(np.float32), known, centre)

    def joined(self, others: "Prototypes") -> "Prototypes":
        """Return these and others behind them.

        Raises:
            MaskfoldError: If the others are seen from another centre, or a class is in both.
        """
        if not np.array_equal(self.centre, others.centre):
            raise MaskfoldError("prototypes: those of two networks cannot be joined. Make all with one network.")
        matrix, classes = (np.concatenate(pair) for pair in zip(self._arrays(), others._arrays(), strict=True))
        return Prototypes(matrix, classes, self.centre)

    def of_classes(self, classes: Sequence[int] | np.ndarray) -> "Prototypes":
        """Return those of some classes alone; classes that have none are left out."""
        rows = np.isin(self.classes, classes)
        return Prototypes(self.matrix[rows], self.classes[rows], self.centre)

    def directions(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the unit vectors from the centre to some embeddings, `(N, D) float32`."""
        return _directions(embeddings, self.centre)

    def cosines(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the cosine of each photo with each prototype, `(N, P) float32`."""
        return self.directions(embeddings) @ self.matrix.T

    def nearest(self, embeddings: np.ndarray, *, gain: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return the class of the nearest prototype of each photo, `(N,) int64`, and its cosine, `(N,) float32`.

        Args:
            embeddings: `(N, D) float32`.
            gain: `(P,)` what the cosines with each are multiplied by; None for 1.
        """
        nearest, cosine = np.empty(len(embeddings), dtype=np.int64), np.empty(len(embeddings), dtype=np.float32)
        matrix = (self.matrix if gain is None else self.matrix * gain[:, None].astype(np.float32)).T
        for rows in _portions(len(embeddings), len(self)):
            cosines = self.directions(embeddings[rows]) @ matrix
            best = cosines.argmax(axis=1)
            nearest[rows], cosine[rows] = self.classes[best], cosines[np.arange(len(best)), best]
        return nearest, cosine

    def alike(self, others: "Prototypes", *, cosine: float = ALIKE) -> pd.DataFrame:
        """Return which of these are nearer to which of the others than some cosine, before anything is trained.

        Returns:
            A row a pair, the nearest first: `class_index` of these, `other_index`, `cosine`.
        """
        tables = [
            pd.DataFrame({"class_index": self.classes[[]], "other_index": others.classes[[]], "cosine": np.empty(0)})
        ]
        for rows in _portions(len(self), len(others)):
            cosines = self.matrix[rows] @ others.matrix.T
            own, other = np.nonzero(cosines > cosine)
            pairs = {"class_index": self.classes[rows][own], "other_index": others.classes[other]}
            tables.append(pd.DataFrame(pairs | {"cosine": cosines[own, other].astype(float)}))
        return pd.concat(tables).sort_values("cosine", ascending=False, kind="stable", ignore_index=True)

    def write(self, path: Path) -> None:
        """Write them to a safetensors file, whole or not at all.

        Raises:
            MaskfoldError: If it cannot be written.
        """
        write_bytes(path, save({"matrix": self.matrix, "classes": self.classes, "centre": self.centre}))

    @classmethod
    def read(cls, path: Path) -> "Prototypes":
        """Read them.

        Raises:
            MaskfoldError: If the file is missing, damaged, or something else.
        """
        try:
            tensors = load(path.read_bytes())
            return cls(tensors["matrix"], tensors["classes"], tensors["centre"])
        except (OSError, KeyError, ValueError, SafetensorError, MaskfoldError) as error:
            raise MaskfoldError(
                f"{path}: no readable prototypes ({error}). Make them anew, or put a copy back."
            ) from error

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        return self.matrix, self.classes


def nearest_of_others(portions: Callable[[], Portions], class_index: np.ndarray) -> np.ndarray:
    """Return the cosine of each photo to the nearest prototype of the others: its own class's is made without it.

    Args:
        portions: Returns the embeddings of N photos of one network; it is called three times, so that no more than a
            portion need be in memory.
        class_index: `(N,)`; photos of -1 are in no prototype.

    Returns:
        `(N,) float32`; NaN where there is no prototype.
    """
    nearest = np.full(len(class_index), np.nan, np.float32)
    labelled = class_index >= 0
    place = np.full(len(class_index), -1)
    known, place[labelled] = np.unique(class_index[labelled], return_inverse=True)
    if not len(known):
        return nearest
    count = np.bincount(place[labelled])
    centre = np.mean(_sums(portions(), place, len(known)) / count[:, None], axis=0).astype(np.float32)
    sums = _sums(portions(), place, len(known), centre=centre)
    matrix = _units(sums).astype(np.float32).T
    for rows, embeddings in portions():
        own, best = place[rows], np.empty(len(embeddings), np.float32)
        for some in _portions(len(embeddings), len(known)):
            directions = _directions(embeddings[some], centre)
            cosines = directions @ matrix
            of_class = np.flatnonzero(own[some] >= 0)
            mine, its = own[some][of_class], directions[of_class]
            without = np.einsum("nd,nd->n", its, _units(sums[mine] - its))
            cosines[of_class, mine] = np.where(count[mine] > 1, without, -np.inf)
            best[some] = cosines.max(axis=1)
        nearest[rows] = np.where(np.isfinite(best), best, np.nan)
    return nearest


def in_portions(*embeddings: np.ndarray) -> Portions:
    """Return rows and the embeddings in them, a portion at a time, of one array behind the other."""
    parts, begin = [], 0
    for array in embeddings:
        rows = _portions(len(array), array.shape[1])
        parts += [(slice(begin + one.start, begin + min(one.stop, len(array))), array[one]) for one in rows]
        begin += len(array)
    return parts


def _sums(portions: Portions, place: np.ndarray, count: int, *, centre: np.ndarray | None = None) -> np.ndarray:
    """Return the sum of each class's embeddings, `(count, D) float64`; from a centre, of their directions.

    Args:
        portions: Embeddings of N photos.
        place: `(N,)` each photo's class, from 0; -1 for none.
        count: How many classes there are.
        centre: `(D,)`.
    """
    sums = None
    for rows, embeddings in portions:
        own = place[rows]
        part = embeddings[own >= 0]
        part = part if centre is None else _directions(part, centre)
        added = sums_by_class(part, own[own >= 0], count)
        sums = added if sums is None else np.add(sums, added, out=sums)
    return sums


def sums_by_class(values: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Return the sums of the rows of each class, `(count, D) float64`.

    Args:
        values: `(N, D)`.
        place: `(N,)` each row's class, from 0.
        count: How many classes there are.
    """
    members = csr_array((np.ones(len(place)), (place, np.arange(len(place)))), shape=(count, len(place)))
    return members @ np.asarray(values, dtype=np.float64)


def _directions(embeddings: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return unit vectors from the centre to the embeddings; of the centre itself, nothing."""
    centred = np.asarray(embeddings, dtype=np.float32) - centre
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _SHORTEST)


def _units(sums: np.ndarray) -> np.ndarray:
    """Return unit vectors along sums of directions; nothing of those that cancel out."""
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), _NOISE)


def _portions(count: int, width: int) -> Iterable[slice]:
    size = max(1, _AT_ONCE // max(width, 1))
    return [slice(begin, begin + size) for begin in range(0, count, size)]
