"""The probability store: a folder with one whole, losslessly compressed map per image, each with its checksum.

A map is a Blosc2 frame and a footer: eight letters, and the CRC-32 of the frame. Blosc2 does not look behind a frame's
end, so it opens such a file as any other; an older version's files have no footer.
"""

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import blosc2
import cv2
import numpy as np

from maskfold import files
from maskfold.errors import MaskfoldError, listing

SUFFIX = ".b2nd"  # Blosc2's own file type: it carries the shape and the type
PNG = ".png"
ORIGIN = "store.json"  # what the maps come from
# Written once and read by every ensemble: reading takes a third of Zstandard's time and a fortieth of PNG's, at about
# Zstandard's size, for a compression of some 10 ms (tests/benchmarks/bench_store.py). A file names its own codec, so
# what was written with another is read as before.
COMPRESSION = blosc2.CParams(
    codec=blosc2.Codec.LZ4HC, clevel=5, typesize=1, filters=[blosc2.Filter.NOFILTER], filters_meta=[0], nthreads=1
)
FOOTER = b"mf-crc32"
_FOOTER_BYTES = len(FOOTER) + 4
_KEEP_BOTH = "or keep both with store=<another name>"
# The last two are what blosc2 makes of a damaged header.
_UNREADABLE = (OSError, RuntimeError, ValueError, cv2.error, SyntaxError, MemoryError)


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
        array = blosc2.asarray(np.ascontiguousarray(probability), cparams=COMPRESSION)
        files.write_bytes(self.folder / f"{image_id}{SUFFIX}", with_checksum(array.to_cframe()))

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
            array = blosc2.ndarray_from_cframe(checked(content))[...]
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


def with_checksum(frame: bytes) -> bytes:
    """Return a Blosc2 frame with the footer behind it."""
    return frame + FOOTER + zlib.crc32(frame).to_bytes(4)


def checked(content: bytes) -> bytes:
    """Return the frame of a map's file: the way back from `with_checksum`.

    A file without a footer, as an older version wrote it, is a frame as it is. What is left of one with half a footer
    is not: Blosc2 refuses a frame of another length than it says itself.

    Raises:
        ValueError: If a byte has changed since the file was written.
    """
    frame, footer = content[:-_FOOTER_BYTES], content[-_FOOTER_BYTES:]
    if not footer.startswith(FOOTER):
        return content
    if zlib.crc32(frame) != int.from_bytes(footer[len(FOOTER) :]):
        raise ValueError("its bytes are not those that were written: the checksum differs")
    return frame


def to_bytes(probability: np.ndarray) -> np.ndarray:
    """Quantise `(H, W) float32` in [0, 1] to `uint8`, round(255 p)."""
    return cv2.convertScaleAbs(probability, alpha=255)
