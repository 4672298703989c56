"""What every kind of labels has in common: whose masks they are, where they lie, and how one of them becomes planes."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from maskfold.data.folders import Stray
from maskfold.data.headers import image_size
from maskfold.data.loading import STORED_SUFFIXES
from maskfold.errors import MaskfoldError
from maskfold.files import check_inside

_VERSION = 1  # of how masks are drawn: what another has drawn is drawn again


class Item(NamedTuple):
    """A photo whose mask is to be drawn.

    Attributes:
        image_id: Of the photo.
        photo: Its file.
        parts: Where its mask stands, in the words of its kind.
    """

    image_id: str
    photo: str
    parts: Any


@dataclass
class Index:
    """What the labels of a data set are.

    Attributes:
        parts: Where each photo's mask stands, by image_id.
        faults: What is wrong with a photo's mask, by image_id.
        orphans: Labels of photos that are not there: where they stand.
        strays: Labels of which nobody can tell whose they are.
    """

    parts: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class MaskKind(ABC):
    """One way in which masks come; a subclass adds the keys of `data.masks`.

    Attributes:
        root: The folder of the data set.
        classes: The names of several classes; empty for one.
        max_pixels: The most that a mask may have.
        channels: Of a photo, see `maskfold.data.source.Source`.
    """

    root: Path
    classes: tuple[str, ...]
    max_pixels: int
    channels: int | None

    @property
    def shared(self) -> tuple[Path, ...]:
        """The files that hold the masks of many photos; none where each photo has files of its own, its parts."""
        return ()

    @abstractmethod
    def index(self, photos: pd.DataFrame) -> Index:
        """Find the masks of photos.

        Args:
            photos: `image_id`, `image` and `mask`, the file of the same name in the folder of masks if there is one.

        Raises:
            MaskfoldError: If the labels cannot be read at all, or are of other photos.
        """

    @abstractmethod
    def content(self, item: Item) -> Sequence[Any]:
        """Return what a mask follows from, plain values: another mask cannot come of the same.

        Raises:
            MaskfoldError: If its files cannot be read.
        """

    @abstractmethod
    def draw(self, item: Item) -> np.ndarray:
        """Return a mask, `(C, H, W)` uint8, 0 or 1.

        Raises:
            MaskfoldError: If the labels are wrong; the message names file, row and key.
        """

    def origin(self, item: Item) -> str:
        """Return the digest of `content`, and of what this kind is."""
        return digest([_VERSION, type(self).__name__, self.classes, *self.content(item)])

    def size_of(self, photo: str) -> tuple[int, int]:
        """Return the (height, width) of a photo, by its header."""
        return image_size(photo, max_pixels=self.max_pixels, channels=self.channels)

    @property
    def planes(self) -> tuple[str, ...]:
        """The class of every plane; "" for the only one."""
        return self.classes or ("",)


@dataclass(frozen=True, kw_only=True)
class OneFile(MaskKind):
    """Masks that all stand in one file.

    Attributes:
        file: Its name, in the data set's folder.
    """

    file: str

    @property
    def path(self) -> Path:
        """The file."""
        return inside(self.root, "data.masks.file", self.file)

    @property
    def shared(self) -> tuple[Path, ...]:
        """The file, which holds all masks."""
        return (self.path,)


class PhotoNames:
    """Finds the photo that a table means, whether it writes names with or without their suffix."""

    def __init__(self, photos: pd.DataFrame):
        """Take photos: `image_id` and `image`."""
        self.example = PurePath(photos["image"].iloc[0]).name if len(photos) else ""
        self._ids = {name: name for name in photos["image_id"].tolist()}
        files = (PurePath(path).name for path in photos["image"].tolist())
        self._files = dict(zip(files, self._ids, strict=True))

    def find(self, name: str, *, by_file: bool) -> str | None:
        """Return the image_id of a name, or None.

        A name is first taken for what it should be, then for the other, and last for a photo's whose suffix is
        another: ids may have dots in them.

        Args:
            name: As the table writes it.
            by_file: Whether it should be the file's name, suffix and all.
        """
        first, second = (self._files, self._ids) if by_file else (self._ids, self._files)
        stem, dot, suffix = name.rpartition(".")
        bare = self._ids.get(stem) if f"{dot}{suffix}".lower() in STORED_SUFFIXES else None
        return first.get(name) or second.get(name) or bare


def digest(content: Any) -> str:
    """Return 32 hexadecimal digits that stand for plain values."""
    return hashlib.sha256(json.dumps(content, default=str).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def inside(root: Path, key: str, name: Any) -> Path:
    """Return a file or folder below the data set's, or the absolute one that the user names.

    Raises:
        MaskfoldError: If it leads out of the data set's folder, or is no name.
    """
    if not isinstance(name, str) or not name:
        raise MaskfoldError(f"{key}={name}: give the name of a file or folder in data.root.")
    if name == "." or PurePath(name).is_absolute():
        return root / name
    return root / check_inside(name, what=key)


def keys_of(kind: type[MaskKind]) -> list[str]:
    """Return the keys of `data.masks` that a kind takes, beside `kind`."""
    return [one.name for one in fields(kind) if one.name not in {common.name for common in fields(MaskKind)}]


def check_values(values: Any, classes: Sequence[str]) -> dict[str, str]:
    """Return which class each value of a label picture is, the values as text.

    Raises:
        MaskfoldError: If it is no mapping, a class is unknown, or has no value.
    """
    if not isinstance(values, Mapping) or not values:
        raise MaskfoldError(f"data.masks.values={values}: give the class of every value, as in {{1: cat, 2: dog}}.")
    by_value = {str(value): str(name) for value, name in values.items()}
    unknown, missing = sorted({*by_value.values()} - {*classes}), sorted({*classes} - {*by_value.values()})
    if classes and (unknown or missing):
        wrong = f"{unknown[0]} is none of data.classes" if unknown else f"no value for class {missing[0]}"
        raise MaskfoldError(f"data.masks.values: {wrong} ({', '.join(classes)}).")
    return by_value
