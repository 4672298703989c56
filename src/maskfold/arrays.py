"""Arrays of bytes on disk, losslessly compressed and with a checksum: what probability maps and masks are kept as.

A file is a Blosc2 frame and a footer: eight letters, and the CRC-32 of the frame. Blosc2 does not look behind a frame's
end, so it opens such a file as any other; an older version's files have no footer.
"""

import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import blosc2
import numpy as np

from maskfold.files import atomic_path

SUFFIX = ".b2nd"  # Blosc2's own file type: it carries the shape and the type
# Chosen by what writing a map once and reading it up to thirty times costs, and by its size
# (tests/benchmarks/bench_store.py): writing takes a sixth of level 5's time and about Zstandard's, reading two
# thirds of Zstandard's or less. Plain LZ4 is quicker still, and its files are up to a third larger. A file names its
# own codec, so what was written with another is read as before.
COMPRESSION = blosc2.CParams(
    codec=blosc2.Codec.LZ4HC, clevel=1, typesize=1, filters=[blosc2.Filter.NOFILTER], filters_meta=[0], nthreads=1
)
blosc2.set_releasegil(True)  # so that several threads compress at once
FOOTER = b"mf-crc32"
CHUNK = 1024  # rows and columns of a chunk of what is written by bands: few are decoded for a band of either kind
_FOOTER_BYTES = len(FOOTER) + 4
_BLOCK_ROWS = 128  # of a chunk's columns: what is decoded at once
_PIECE = 2**20  # bytes of a file that are in memory at once
_CHANGED = "its bytes are not those that were written: the checksum differs"
# The last two are what blosc2 makes of a damaged header.
_UNREADABLE = (OSError, RuntimeError, ValueError, SyntaxError, MemoryError)


def encode(array: np.ndarray) -> bytes:
    """Return a file of a uint8 array of any shape; other threads run while it is compressed."""
    array = np.ascontiguousarray(array)
    file = blosc2.empty(array.shape, np.uint8, cparams=COMPRESSION)
    if (axis := _split_axis(file)) is None:
        return with_checksum(blosc2.asarray(array, cparams=COMPRESSION).to_cframe())
    # One chunk, whose blocks lie in it as they do in the array. Blosc2 lets other threads run while it compresses a
    # chunk, and not while it compresses an array.
    missing = -file.shape[axis] % file.blocks[axis]
    whole = np.pad(array, [(0, missing if each == axis else 0) for each in range(array.ndim)]) if missing else array
    chunk = blosc2.compress2(whole, **asdict(COMPRESSION) | {"blocksize": math.prod(file.blocks)})
    file.schunk.update_chunk(0, chunk)
    return with_checksum(file.to_cframe())


def _split_axis(file: blosc2.NDArray) -> int | None:
    """Return the axis along which an array of one chunk is cut into blocks; None if there are several, or chunks."""
    cut = [axis for axis, (side, block) in enumerate(zip(file.shape, file.blocks, strict=True)) if side != block]
    axis = cut[-1] if cut else 0
    is_one = file.chunks == file.shape and math.prod(file.shape) > 0
    return axis if is_one and all(block == 1 for block in file.blocks[:axis]) else None


def decode(content: bytes) -> np.ndarray:
    """Return the array of a file: the way back from `encode`.

    Raises:
        ValueError: If it is none, or damaged.
    """
    try:
        return _whole(blosc2.ndarray_from_cframe(checked(content)))
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error


def _whole(array: blosc2.NDArray) -> np.ndarray:
    """Return all of an array.

    What `encode` writes of a picture is one chunk whose blocks lie in it as they do in the array: its bytes are the
    array's. Taking them as they are saves a copy, a third of the time.
    """
    if array.dtype != np.uint8 or (axis := _split_axis(array)) is None:
        return array[...]
    side, block = array.shape[axis], array.blocks[axis]
    padded = np.empty((*array.shape[:axis], side + -side % block, *array.shape[axis + 1 :]), np.uint8)
    if array.schunk.chunksize != padded.size:
        raise ValueError("its chunk is not of the array's size")
    array.schunk.decompress_chunk(0, dst=padded.reshape(-1))
    return np.ascontiguousarray(padded[(slice(None),) * axis + (slice(side),)])


class Packed:
    """A uint8 array as its file's bytes, of which parts are decoded when they are asked for.

    Attributes:
        shape: Of the array.
        ndim: How many sides it has.
        dtype: `uint8`.
        nbytes: What it takes in memory as it is.
        block: How many values are decoded together.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, array: blosc2.NDArray, nbytes: int) -> None:
        self.shape: tuple[int, ...] = array.shape
        self.ndim = len(self.shape)
        self.nbytes = nbytes
        self.block = math.prod(array.blocks)
        self._array = array  # which owns what the next one reads
        self._chunks = array.schunk

    def decode(self) -> np.ndarray:
        """Return all of it."""
        return _whole(self._array)

    def flat(self, start: int, stop: int) -> np.ndarray:
        """Return some of its values as they follow one another, `(stop - start,) uint8`; quickest by whole blocks."""
        values = np.empty(stop - start, np.uint8)
        self._chunks.get_slice(start, stop, out=values)
        return values


def packed(content: bytes) -> Packed | np.ndarray:
    """Return the array of a file, packed as it is, or decoded where its parts cannot be.

    Those of a picture that `encode` has written can: they lie in the file as they do in the array, and the checksum
    says before they are decoded that they can be.

    Raises:
        ValueError: If it is none, or damaged.
    """
    try:
        frame = checked(content)
        array = blosc2.ndarray_from_cframe(frame)
        return Packed(array, len(content)) if len(frame) < len(content) and _is_flat(array) else _whole(array)
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error


def unpacked(array: Packed | np.ndarray) -> np.ndarray:
    """Return an array decoded, if it is not."""
    return array.decode() if isinstance(array, Packed) else array


def _is_flat(array: blosc2.NDArray) -> bool:
    """Return whether the values lie in a file as they do in the array, and nothing between them."""
    if array.dtype != np.uint8 or (axis := _split_axis(array)) is None:
        return False
    return math.prod(array.shape[:axis]) == 1 or array.shape[axis] % array.blocks[axis] == 0


def shape(content: bytes) -> tuple[int, ...]:
    """Return the shape of a file's array, two sides or more, without decoding it.

    Raises:
        ValueError: If it is none, or damaged.
    """
    try:
        sides = tuple(blosc2.ndarray_from_cframe(checked(content)).shape)
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error
    if len(sides) < 2:
        raise ValueError(f"an array of {len(sides)} dimensions, where a picture has two or more")
    return sides


def with_checksum(frame: bytes) -> bytes:
    """Return a Blosc2 frame with the footer behind it."""
    return frame + FOOTER + zlib.crc32(frame).to_bytes(4)


def checked(content: bytes) -> bytes | memoryview:
    """Return the frame of a file, in its memory: the way back from `with_checksum`.

    A file without a footer, as an older version wrote it, is a frame as it is. What is left of one with half a footer
    is not: Blosc2 refuses a frame of another length than it says itself.

    Raises:
        ValueError: If a byte has changed since the file was written.
    """
    frame, footer = memoryview(content)[:-_FOOTER_BYTES], content[-_FOOTER_BYTES:]
    if not footer.startswith(FOOTER):
        return content
    if zlib.crc32(frame) != int.from_bytes(footer[len(FOOTER) :]):
        raise ValueError(_CHANGED)
    return frame


@contextmanager
def written_by_bands(path: Path, shape: tuple[int, ...]) -> Iterator[blosc2.NDArray]:
    """Yield a uint8 array on disk, to be filled band by band, of which no more than a chunk is in memory.

    Bands of `CHUNK` rows are written once; of others the chunks on their seams are written again. The file appears,
    whole and with its checksum, at the end of the block.

    Args:
        path: The file.
        shape: `(..., H, W)`.

    Raises:
        MaskfoldError: If it cannot be written.
    """
    chunks = (*[1] * (len(shape) - 2), *(min(CHUNK, side) for side in shape[-2:]))
    blocks = (*chunks[:-2], min(_BLOCK_ROWS, chunks[-2]), chunks[-1])
    with atomic_path(path) as part:
        part.unlink(missing_ok=True)  # what a killed run has left
        try:
            place = {"urlpath": str(part), "mode": "w", "contiguous": True}
            yield blosc2.empty(shape, np.uint8, chunks=chunks, blocks=blocks, cparams=COMPRESSION, **place)
        except RuntimeError as error:  # Blosc2's, of a full disk among others
            raise OSError(f"Blosc2 could not write it ({error})") from error
        with part.open("r+b") as file:
            checksum = _crc32(file, part.stat().st_size)
            file.write(FOOTER + checksum.to_bytes(4))


def opened(path: Path) -> blosc2.NDArray:
    """Return a file's array as one that reads what is sliced out of it; its checksum is compared first, in pieces.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none, or damaged.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END) - _FOOTER_BYTES
            file.seek(max(length, 0))
            footer = file.read()
            file.seek(0)
            if footer.startswith(FOOTER) and _crc32(file, length) != int.from_bytes(footer[len(FOOTER) :]):
                raise ValueError(_CHANGED)
        array = blosc2.open(str(path), mode="r")
    except FileNotFoundError:
        raise
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error
    if not isinstance(array, blosc2.NDArray):
        raise ValueError("it holds no array")
    return array


def _crc32(file: BinaryIO, length: int) -> int:
    """Return the CRC-32 of the next `length` bytes of a file."""
    checksum = 0
    while length > 0 and (piece := file.read(min(length, _PIECE))):
        checksum = zlib.crc32(piece, checksum)
        length -= len(piece)
    return checksum
