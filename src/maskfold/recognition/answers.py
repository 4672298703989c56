"""What networks answer of photos of products, out of fold and test alike: the form of this task's predictions."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from maskfold import files
from maskfold.errors import MaskfoldError, listing

KEPT = 100  # logits of a photo, at most: of 13,333 classes all would be 53 kB a photo
ORIGIN = "store.json"  # what the answers come from
PART = 64  # photos of a part: what is done again at most when a prediction goes on, and 10 MB of them at 224 pixels
_PORTION = 8192  # photos in memory where all are gone through: about 50 MB
_PART, _PARTS = "part-{:05d}.npz", "part-*.npz"


@dataclass(frozen=True)
class Answers:
    """The answers to N photos.

    Attributes:
        image_ids: `(N,)` text.
        classes: `(N, K) int32`, the K likeliest classes of each photo, by falling logit.
        logits: `(N, K) float32`, theirs.
        rest: `(N,) float32`, the logarithm of the sum of the other classes' exponentials; -inf where there are none.
        embeddings: `(N, D) float32`.
    """

    image_ids: np.ndarray
    classes: np.ndarray
    logits: np.ndarray
    rest: np.ndarray
    embeddings: np.ndarray

    def __len__(self) -> int:
        return len(self.image_ids)

    @classmethod
    def of(
        cls,
        image_ids: Sequence[str],
        logits: np.ndarray,
        embeddings: np.ndarray,
        *,
        kept: int = KEPT,
    ) -> "Answers":
        """Return what is kept of dense logits.

        Args:
            image_ids: N photos.
            logits: `(N, C) float32`; -inf for a class that is never answered.
            embeddings: `(N, D) float32`.
            kept: K, at most; all C where there are no more.
        """
        logits = np.asarray(logits, np.float32)
        order = _best(logits, min(kept, logits.shape[1]))
        rows = np.arange(len(logits))[:, None]
        best = logits[rows, order]
        others = logits.astype(np.float64)
        others[rows, order] = -np.inf
        return cls(
            image_ids=np.asarray(image_ids, dtype=object),
            classes=order.astype(np.int32),
            logits=best,
            rest=log_sum_exp(others).astype(np.float32),
            embeddings=np.asarray(embeddings, np.float32),
        )

    def taken(self, rows: np.ndarray) -> "Answers":
        """Return the answers of some rows, numbers or `(N,) bool`."""
        return Answers(*(getattr(self, field.name)[rows] for field in fields(self)))

    def whole(self) -> np.ndarray:
        """Return `(N, K + 1) float64`, the logits and the rest behind them, as if it were one class."""
        return np.concatenate([self.logits, self.rest[:, None]], axis=1).astype(np.float64)

    def probabilities(self, *, temperature: float = 1.0) -> np.ndarray:
        """Return `(N, K) float64`, the probability of each class that is kept; they sum to one with the rest's.

        Args:
            temperature: Logits are divided by it; the rest as if it were one class, which is exact for 1.
        """
        whole = self.whole() / temperature
        return np.exp(whole[:, :-1] - log_sum_exp(whole)[:, None])


def log_sum_exp(values: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sum of the exponentials of each row; -inf where all are."""
    top = values.max(axis=1, initial=-np.inf)
    safe = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return safe + np.log(np.exp(values - safe[:, None]).sum(axis=1))


def joined(parts: Iterable[Answers]) -> Answers:
    """Return several answers as one, in their order.

    Raises:
        MaskfoldError: If there are none, or they keep different numbers of classes.
    """
    parts = list(parts)
    if not parts:
        raise MaskfoldError("There are no answers to join.")
    if len({(part.classes.shape[1], part.embeddings.shape[1]) for part in parts}) > 1:
        raise MaskfoldError("Answers that keep different numbers of classes or embeddings cannot be joined.")
    columns = (np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Answers))
    return Answers(*columns)


class AnswerStore:
    """A folder with answers in parts, each written whole or not at all.

    Args:
        folder: Where the parts lie, or will.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: dict[str, Path] | None = None

    def parts(self) -> list[Path]:
        """Return the files, in the order of their numbers."""
        return sorted(self.folder.glob(_PARTS), key=_number)

    def image_ids(self) -> set[str]:
        """Return the photos that have an answer.

        Raises:
            MaskfoldError: If a part is damaged.
        """
        return {image_id for path in self.parts() for image_id in _read_ids(path)}

    def digest(self) -> str:
        """Return a hash of the parts' names and bytes; an empty text if there is no such folder."""
        if not self.folder.is_dir():
            return ""
        lines = [f"{path.name} {files.sha256(path)}\n" for path in self.parts()]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def iterate(self) -> Iterator[Answers]:
        """Yield the answers, a part at a time.

        Raises:
            MaskfoldError: If there are none, or a part is damaged.
        """
        paths = self.parts()
        if not paths:
            raise MaskfoldError(f"{self.folder}: no answers here. Predict this split first.")
        for path in paths:
            yield _read(path)

    def read(self, image_ids: Sequence[str] | None = None) -> Answers:
        """Return the answers to some photos, in their order; to all, as they were written, where none are named.

        Of some photos only the parts are read that have them.

        Raises:
            MaskfoldError: If a photo has no answer, or a part is damaged.
        """
        if image_ids is None:
            return joined(self.iterate())
        where = self._where_of(image_ids)
        some = joined(_read(path) for path in dict.fromkeys(where[image_id] for image_id in image_ids))
        places = {image_id: row for row, image_id in enumerate(some.image_ids)}
        return some.taken(np.array([places[image_id] for image_id in image_ids], dtype=np.int64))

    def portions(self, image_ids: Sequence[str]) -> Iterator[tuple[np.ndarray, Answers]]:
        """Yield the answers to some photos in the order of the parts, so many photos at a time.

        Yields:
            Rows of `image_ids`, and the answers to those.

        Raises:
            MaskfoldError: If a photo has no answer, or a part is damaged.
        """
        where, number = self._where_of(image_ids), {path: number for number, path in enumerate(self.parts())}
        order = np.argsort([number[where[image_id]] for image_id in image_ids], kind="stable")
        for begin in range(0, len(order), _PORTION):
            rows = order[begin : begin + _PORTION]
            yield rows, self.read([image_ids[row] for row in rows])

    def _where_of(self, image_ids: Sequence[str]) -> dict[str, Path]:
        """Return the part of each photo, which is looked for once; errors as `read`."""
        if self._places is None:
            self._places = {image_id: path for path in self.parts() for image_id in _read_ids(path)}
        missing = [image_id for image_id in image_ids if image_id not in self._places]
        if missing:
            raise MaskfoldError(
                f"{self.folder}: {len(missing)} photos have no answer:\n{listing(missing, 5)}\n"
                "Predict this split again, which adds what is missing."
            )
        return self._places

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Return the ids, in their order, that have no answer yet."""
        there = self.image_ids()
        return [image_id for image_id in image_ids if image_id not in there]

    def write(self, answers: Answers, *, number: int | None = None) -> None:
        """Add a part, atomically.

        Args:
            answers: To some photos.
            number: The part's; None for the one behind the others, which is for a single writer.

        Raises:
            MaskfoldError: If it cannot be written (full disk, read-only folder).
        """
        self._places = None
        if number is None:
            number = max(map(_number, self.parts()), default=-1) + 1
        columns = {field.name: getattr(answers, field.name) for field in fields(answers)}
        columns["image_ids"] = np.asarray([*answers.image_ids], dtype=np.str_)  # objects would need pickle to be read
        with files.atomic_path(self.folder / _PART.format(number)) as part, open(part, "wb") as file:
            np.savez(file, **columns)

    def claim(self, origin: dict[str, Any]) -> None:
        """Record what the answers come from, or refuse when the folder holds answers of something else.

        Raises:
            MaskfoldError: If it does; the message names what differs.
        """
        path = self.folder / ORIGIN
        if not self.parts():
            files.write_json(path, origin)
            return
        before = files.read_json(path) if path.exists() else {}
        differing = [
            f"{key}: {before.get(key)} before, {origin.get(key)} now"
            for key in sorted(before.keys() | origin.keys())
            if before.get(key) != origin.get(key)
        ]
        if differing:
            raise MaskfoldError(
                f"{self.folder}: holds answers of something else:\n{listing(differing)}\nDelete the folder to predict "
                "anew, or keep both with store=<another name>."
            )


def _best(logits: np.ndarray, count: int) -> np.ndarray:
    """Return the columns of the largest values of each row, by falling value; of equal ones the first comes first."""
    if count < logits.shape[1]:
        some = np.sort(np.argpartition(-logits, count - 1, axis=1)[:, :count], axis=1)
    else:
        some = np.broadcast_to(np.arange(logits.shape[1]), logits.shape)
    order = np.argsort(-np.take_along_axis(logits, some, 1), axis=1, kind="stable")
    return np.take_along_axis(some, order, 1)


def is_part(name: str) -> bool:
    """Return whether a file's name is that of a part."""
    return fnmatch(name, _PARTS)


def _number(part: Path) -> int:
    return int(part.stem.rpartition("-")[2])


def _read(path: Path) -> Answers:
    columns = _arrays(path, [field.name for field in fields(Answers)])
    return Answers(**columns | {"image_ids": columns["image_ids"].astype(object)})


def _read_ids(path: Path) -> list[str]:
    return _arrays(path, ["image_ids"])["image_ids"].tolist()


def _arrays(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise MaskfoldError(f"{path}: not readable ({error}). Delete it and predict again.") from error
