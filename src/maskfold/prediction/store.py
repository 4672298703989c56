"""The probability store: a folder with one whole, losslessly compressed map per image, each with its checksum."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import blosc2
import cv2
import numpy as np

from maskfold import arrays, files
from maskfold.arrays import SUFFIX, Packed
from maskfold.errors import MaskfoldError, listing

PNG = ".png"
ORIGIN = "store.json"  # what the maps come from
CLASSES = "classes"  # a key of it: the names of several classes, in the order of a map's planes
_KEEP_BOTH = "or keep both with store=<another name>"
_UNREADABLE = (OSError, ValueError, cv2.error)
_Array = TypeVar("_Array", bound="np.ndarray | blosc2.NDArray | Packed")


class Predictions(Protocol):
    """What every task keeps of a network's predictions: a folder in which each image has one or none."""

    folder: Path

    def image_ids(self) -> set[str]:
        """Return the images that have one.

        Raises:
            MaskfoldError: If there is no such folder, or what is in it is damaged.
        """

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Return the ids, in their order, that have none yet."""

    def digest(self) -> str:
        """Return a hash of all that is in it; an empty text if there is no such folder."""


class ProbabilityStore:
    """Maps `(H, W) uint8`, round(255 p), or `(C, H, W)` of several classes, named by `image_id`.

    Reads a folder of 8-bit PNGs just as well, so maps from other code join an ensemble unchanged: of several classes
    `<class>/<image_id>.png`. A file that exists is whole: it was written under another name first.

    Args:
        folder: Where the maps lie, or will.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> dict[str, Path]:
        """Return `image_id -> file` of every map that is there; of maps in a folder for each class, the first one's.

        Raises:
            MaskfoldError: If the folder does not exist, or an image has two maps.
        """
        folder, names = self._files()
        return {image_id: folder / name for image_id, name in names.items()}

    def _files(self) -> tuple[Path, dict[str, str]]:
        """Return what `paths` does as a folder and the names in it: a `Path` for each takes most of the time."""
        if not self.folder.is_dir():
            raise MaskfoldError(f"{self.folder}: no such store of probability maps. Predict this split first.")
        folders = self.class_folders()
        if folders:
            first, *others = (_by_stem(_maps_in(folder)) for folder in folders)
            return folders[0], {
                image_id: name for image_id, name in first.items() if all(image_id in one for one in others)
            }
        maps = [*_maps_in(self.folder)]
        names = _by_stem(maps)
        if len(names) < len(maps):
            twice = sorted({*maps} - {*names.values()})
            raise MaskfoldError(f"{self.folder}: several maps of one image; remove one of each:\n{listing(twice)}")
        return self.folder, names

    def class_folders(self) -> list[Path]:
        """Return the folders of maps by class, in the order of their names; beside maps of all classes there are none.

        Only maps from other code lie so.
        """
        if any(_maps_in(self.folder)):
            return []
        return sorted(folder for folder in self.folder.iterdir() if folder.is_dir() and any(_maps_in(folder)))

    def image_ids(self) -> set[str]:
        """Return the images that have a map; errors as `paths`."""
        return {*self._files()[1]}

    def digest(self) -> str:
        """Return a hash of the names and bytes of the maps; an empty text if there is no such folder."""
        if not self.folder.is_dir():
            return ""
        lines = [f"{image_id} {files.sha256(path)}\n" for image_id, path in sorted(self.paths().items())]
        lines += [f"{part.name} {ProbabilityStore(part).digest()}\n" for part in self.class_folders()]
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Return the ids, in their order, that have no map yet."""
        there = self._files()[1] if self.folder.is_dir() else {}
        return [image_id for image_id in image_ids if image_id not in there]

    def read(self, image_id: str, *, classes: Sequence[str] = ()) -> np.ndarray:
        """Read a map: `(H, W) uint8`, or `(C, H, W)` of several classes.

        Args:
            image_id: The image.
            classes: Names of several classes, whose maps may lie in a folder each.

        Raises:
            MaskfoldError: If it is missing, damaged, or not 8-bit.
        """
        if classes and self._is_by_class(image_id):
            return self._read_by_class(image_id, classes)
        return read_map(self.path(image_id))

    def read_packed(self, image_id: str, *, classes: Sequence[str] = ()) -> Packed | np.ndarray:
        """Read a map without decoding it where that can wait, see `maskfold.arrays.packed`; arguments as `read`.

        Raises:
            MaskfoldError: As `read`.
        """
        if classes and self._is_by_class(image_id):
            return self._read_by_class(image_id, classes)
        return _map(self.path(image_id), lambda path: arrays.packed(path.read_bytes()))

    def open(self, image_id: str, *, classes: Sequence[str] = ()) -> "np.ndarray | blosc2.NDArray":
        """Return a map from whose file a part is read when it is sliced; PNGs are read whole.

        Args:
            image_id: The image.
            classes: As for `read`.

        Raises:
            MaskfoldError: As `read`.
        """
        if classes and self._is_by_class(image_id):
            return self._read_by_class(image_id, classes)
        return open_map(self.path(image_id))

    def _is_by_class(self, image_id: str) -> bool:
        return not self.path(image_id).exists() and self.folder.is_dir() and bool(self.class_folders())

    def _read_by_class(self, image_id: str, classes: Sequence[str]) -> np.ndarray:
        planes = [ProbabilityStore(self.folder / name).read(image_id) for name in classes]
        sizes = {plane.shape for plane in planes}
        if len(sizes) > 1:
            listed = " and ".join(sorted(f"{width}x{height}" for height, width in sizes))
            raise MaskfoldError(f"{self.folder}: the maps of {image_id} have different sizes: {listed}.")
        return np.stack(planes)

    def write(self, image_id: str, probability: np.ndarray) -> None:
        """Write a map `(H, W)` or `(C, H, W) uint8` atomically.

        Raises:
            MaskfoldError: If it cannot be written (full disk, read-only folder).
        """
        files.write_bytes(self.folder / f"{image_id}{SUFFIX}", arrays.encode(probability))

    def write_by_bands(self, image_id: str, shape: tuple[int, ...]) -> "AbstractContextManager[blosc2.NDArray]":
        """Return the block in which a map of a shape is filled, see `maskfold.arrays.written_by_bands`."""
        return arrays.written_by_bands(self.folder / f"{image_id}{SUFFIX}", shape)

    def path(self, image_id: str) -> Path:
        """Return the file of a map, or the one that it would be written to."""
        own, png = self.folder / f"{image_id}{SUFFIX}", self.folder / f"{image_id}{PNG}"
        return png if png.exists() and not own.exists() else own

    def claim(self, origin: dict[str, Any], *, keep_both: str = _KEEP_BOTH) -> None:
        """Record what the maps come from, or refuse when the store holds maps from something else.

        Args:
            origin: What they come from.
            keep_both: What users can do to keep both, for the message.

        Raises:
            MaskfoldError: If the maps that are here come from elsewhere; the message names what differs.
        """
        path = self.folder / ORIGIN
        ways_out = f"Delete the folder to predict anew, {keep_both}."
        if not (self.folder.is_dir() and self._files()[1]):
            files.write_json(path, origin)
            return
        if not path.exists():
            raise MaskfoldError(f"{self.folder}: holds maps of unknown origin. {ways_out}")
        before = files.read_json(path)
        differing = [
            f"{key}: {before.get(key)} before, {origin.get(key)} now"
            for key in sorted(before.keys() | origin.keys())
            if before.get(key) != origin.get(key)
        ]
        if differing:
            raise MaskfoldError(f"{self.folder}: holds maps of something else:\n{listing(differing)}\n{ways_out}")


def _maps_in(folder: Path) -> Iterator[str]:
    """Yield the names of a folder's maps."""
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if entry.name.endswith((SUFFIX, PNG)) and entry.name[0] != ".")


def _by_stem(names: Iterable[str]) -> dict[str, str]:
    return {name.rpartition(".")[0]: name for name in sorted(names)}


def read_map(path: Path) -> np.ndarray:
    """Read one map: `(H, W) uint8`, or `(C, H, W)` of several classes.

    Raises:
        MaskfoldError: If the file is missing, damaged, or not an 8-bit map.
    """
    return _map(path, lambda path: arrays.decode(path.read_bytes()))


def open_map(path: Path) -> "np.ndarray | blosc2.NDArray":
    """Return one map from whose file a part is read when it is sliced; a PNG is read whole.

    Raises:
        MaskfoldError: As `read_map`.
    """
    return _map(path, arrays.opened)


def _map(path: Path, read: Callable[[Path], _Array]) -> "_Array | np.ndarray":
    """Read a map, if it is no PNG as `read` does.

    Raises:
        MaskfoldError: If the file is missing, damaged, or not an 8-bit map, `(H, W)` or of several classes `(C, H, W)`.
    """
    try:
        if path.suffix == PNG:  # which checks its own CRC
            array = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        else:
            array = read(path)
    except FileNotFoundError as error:
        raise MaskfoldError(f"{path}: no such probability map. Predict this image first.") from error
    except _UNREADABLE as error:
        raise MaskfoldError(
            f"{path}: not a readable probability map ({error}). Delete it and predict again."
        ) from error
    if array is None:
        raise MaskfoldError(f"{path}: truncated or damaged. Delete it and predict again, or copy it here once more.")
    if array.dtype != np.uint8 or array.ndim not in ((2,) if path.suffix == PNG else (2, 3)):  # or it is a picture
        kind = f"{array.dtype} of shape {array.shape}"
        raise MaskfoldError(
            f"{path}: {kind}; a probability map is 8-bit with one channel: (H, W), or of several classes (C, H, W) in "
            "a .b2nd file, or a folder of PNGs for each class."
        )
    return array


def to_bytes(probability: np.ndarray) -> np.ndarray:
    """Quantise `(H, W) float32` in [0, 1], of one class, to `uint8`: round(255 p)."""
    return cv2.convertScaleAbs(probability, alpha=255)
