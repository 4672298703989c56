"""The probability store: a folder with one whole, losslessly compressed map per image, each with its checksum."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from maskfold import arrays, files
from maskfold.arrays import SUFFIX
from maskfold.errors import MaskfoldError, listing

PNG = ".png"
ORIGIN = "store.json"  # what the maps come from
_KEEP_BOTH = "or keep both with store=<another name>"
_UNREADABLE = (OSError, ValueError, cv2.error)


class ProbabilityStore:
    """Maps `(H, W) uint8`, round(255 p), named by `image_id`.

    Reads a folder of 8-bit PNGs just as well, so maps from other code join an ensemble unchanged. A file that exists
    is whole: it was written under another name first.

    Args:
        folder: Where the maps lie, or will.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def paths(self) -> dict[str, Path]:
        """Return `image_id -> file` of every map that is there.

        Raises:
            MaskfoldError: If the folder does not exist, or an image has two maps.
        """
        if not self.folder.is_dir():
            raise MaskfoldError(f"{self.folder}: no such store of probability maps. Predict this split first.")
        maps = [path for path in self.folder.iterdir() if path.suffix in (SUFFIX, PNG) and path.name[0] != "."]
        paths = {path.stem: path for path in sorted(maps)}
        if len(paths) < len(maps):
            twice = sorted(path.name for path in maps if paths[path.stem] != path)
            raise MaskfoldError(f"{self.folder}: several maps of one image; remove one of each:\n{listing(twice)}")
        return paths

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Return the ids, in their order, that have no map yet."""
        there = self.paths() if self.folder.is_dir() else {}
        return [image_id for image_id in image_ids if image_id not in there]

    def read(self, image_id: str) -> np.ndarray:
        """Read a map: `(H, W) uint8`.

        Raises:
            MaskfoldError: If it is missing, damaged, or not an 8-bit map of one channel.
        """
        own, png = self.folder / f"{image_id}{SUFFIX}", self.folder / f"{image_id}{PNG}"
        return read_map(png if png.exists() and not own.exists() else own)

    def write(self, image_id: str, probability: np.ndarray) -> None:
        """Write a map `(H, W) uint8` atomically.

        Raises:
            MaskfoldError: If it cannot be written (full disk, read-only folder).
        """
        files.write_bytes(self.folder / f"{image_id}{SUFFIX}", arrays.encode(probability))

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
        if not (self.folder.is_dir() and self.paths()):
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


def read_map(path: Path) -> np.ndarray:
    """Read one map: `(H, W) uint8`.

    Raises:
        MaskfoldError: If the file is missing, damaged, or not an 8-bit map of one channel.
    """
    try:
        content = path.read_bytes()
        if path.suffix == PNG:
            array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)  # which checks PNG's own CRC
        else:
            array = arrays.decode(content)
    except FileNotFoundError as error:
        raise MaskfoldError(f"{path}: no such probability map. Predict this image first.") from error
    except _UNREADABLE as error:
        raise MaskfoldError(
            f"{path}: not a readable probability map ({error}). Delete it and predict again."
        ) from error
    if array is None:
        raise MaskfoldError(f"{path}: truncated or damaged. Delete it and predict again, or copy it here once more.")
    if array.dtype != np.uint8 or array.ndim != 2:
        kind = f"{array.dtype} of shape {array.shape}"
        raise MaskfoldError(f"{path}: {kind}; a probability map is 8-bit with one channel.")
    return array


def to_bytes(probability: np.ndarray) -> np.ndarray:
    """Quantise `(H, W) float32` in [0, 1] to `uint8`, round(255 p)."""
    return cv2.convertScaleAbs(probability, alpha=255)
