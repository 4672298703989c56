"""Parts of TIFF and `.npy` files, values as stored: only the tiles or strips that a part touches are decoded.

Of several resolutions in one TIFF the full one counts. Files are opened for each part and mapped only as long, so that
nothing of them stays in memory.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from maskfold.data.headers import naming
from maskfold.data.stacks import NPY, TIFF

_LARGEST = 2**25  # pixels of a tile or strip: files of larger ones are not read by parts
_UPRIGHT = 1
_PLANAR = 2
_GREY, _RGB, _YCBCR = 1, 2, 6  # TIFF's photometric interpretations
_JPEGS = (6, 7, 34892)  # compressions whose decoder answers in RGB
_ALPHA = {(0,): "rgb and another", (2,): "rgb and alpha"}  # TIFF's extra samples; 1 is multiplied in already


class Stored(Protocol):
    """A picture's stored values: `stored[rows, columns]` is `(h, w, C)`.

    Attributes:
        shape: `(H, W, C)`.
        dtype: Of the values.
        colours: `grey`, `rgb`, `rgb and alpha`, `rgb and another`, or "" for anything else.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype
    colours: str

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        """Read a window, given as two slices without steps."""


def open_stored(path: Path, channels: int | None = None) -> Stored | None:
    """Open a file of which parts can be read; None where they cannot, or it is of another format.

    Args:
        path: The file.
        channels: How many it should have, which tells an array `(C, H, W)` from one `(H, W, C)`.

    Raises:
        OSError: If it cannot be opened.
        ValueError: If it is damaged.
    """
    with path.open("rb") as file:
        start = file.read(len(NPY))
    if start == NPY:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim not in (2, 3):
            return None
        planar = array.ndim == 3 and array.shape[2] != channels and array.shape[0] == channels
        return _Mapped(path, array.dtype, array.offset, array.shape, "", planar)
    return _tiff(path) if start.startswith(TIFF) else None


def is_whole(path: Path) -> bool:
    """Tell cheaply whether a TIFF has all of its tiles or strips; False means "decode it to know".

    Raises:
        OSError: If it cannot be opened.
        ValueError: If it is damaged.
    """
    stored = open_stored(path)
    return isinstance(stored, _Segments) and stored.is_whole()


def _tiff(path: Path) -> Stored | None:
    import tifffile  # a tenth of a second, which only those pay who have such photos

    try:
        with tifffile.TiffFile(path) as tiff:
            pages = [page.aspage() for page in tiff.series[0].levels[0].pages]
            if not _is_readable(pages):
                return None
            colours = _colours(pages[0]) if len(pages) == 1 else ""
            if len(pages) == 1 and pages[0].is_memmappable:
                dtype = np.dtype(pages[0].dtype).newbyteorder(tiff.byteorder)
                return _Mapped(path, dtype, pages[0].dataoffsets[0], pages[0].shape, colours, _is_planar(pages[0]))
            height, width = _segment(pages[0])
            return None if height * width > _LARGEST else _Segments(path, pages, colours)
    except OSError:
        raise
    except Exception as error:  # of a damaged file the library raises anything
        raise ValueError(f"the TIFF is damaged ({error})") from error


def _is_readable(pages: list[Any]) -> bool:
    """Tell whether pages are upright pictures of one kind; those of several are the channels of one photo."""
    orientation = pages[0].tags.get("Orientation")
    kinds = {(page.imagelength, page.imagewidth, page.samplesperpixel, page.dtype) for page in pages}
    is_flat = all(page.imagedepth == 1 for page in pages)
    return (orientation is None or orientation.value == _UPRIGHT) and len(kinds) == 1 and is_flat


def _is_planar(page: Any) -> bool:
    """Tell whether each channel is a picture of its own, one behind another."""
    return page.planarconfig == _PLANAR and page.samplesperpixel > 1


def _colours(page: Any) -> str:
    """Return what a page's channels are, in the words of `Stored`."""
    samples, bits = page.samplesperpixel, page.bitspersample
    if page.photometric == _GREY and samples == 1 and bits in (1, 8, 16):
        return "grey"
    if (page.photometric == _RGB or (page.photometric == _YCBCR and page.compression in _JPEGS)) and bits in (8, 16):
        return "rgb" if samples == 3 else _ALPHA.get(tuple(page.extrasamples), "") if samples == 4 else ""
    return ""


class _Mapped:
    """Values that lie in a file as they do in memory, `(H, W)`, `(H, W, C)`, or `(C, H, W)` where it is planar."""

    def __init__(
        self, path: Path, dtype: np.dtype, offset: int, shape: tuple[int, ...], colours: str, planar: bool = False
    ):
        self._path, self._offset, self._stored, self._planar = path, offset, shape, planar
        self.dtype, self.colours = dtype.newbyteorder("="), colours
        self._stored_dtype = dtype
        self.shape = (*shape[1:], shape[0]) if planar else (*shape[:2], shape[2] if len(shape) == 3 else 1)

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        with naming(self._path):
            values = np.memmap(self._path, self._stored_dtype, "r", self._offset, self._stored)
        part = np.array(values[(slice(None), *window)] if self._planar else values[window], self.dtype)
        return np.moveaxis(part, 0, 2) if self._planar else part.reshape(*part.shape[:2], -1)


class _Segments:
    """The tiles or strips of a TIFF's pages, each of which is decoded for every part that touches it."""

    def __init__(self, path: Path, pages: list[Any], colours: str):
        first = pages[0]
        self._path, self._pages, self._segment = path, pages, _segment(first)
        self._decoders = [_decoder(page) for page in pages]
        self.dtype, self.colours = np.dtype(first.dtype), colours
        self.shape = (first.imagelength, first.imagewidth, first.samplesperpixel * len(pages))

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        (top, bottom, _), (left, right, _) = (
            part.indices(side) for part, side in zip(window, self.shape[:2], strict=True)
        )
        part = np.zeros((max(bottom - top, 0), max(right - left, 0), self.shape[2]), self.dtype)
        with naming(self._path), self._path.open("rb") as file:
            for number, (page, decode) in enumerate(zip(self._pages, self._decoders, strict=True)):
                first = number * page.samplesperpixel
                for index in self._touched(page, (top, bottom), (left, right)):
                    values, (sample, _, row, column, _) = decode(file, index)
                    if values is not None:  # a hole, which is zeros
                        _paste(values[0], part, (row - top, column - left, first + sample))
        return part

    def is_whole(self) -> bool:
        """Tell whether every tile and strip lies within the file, which one that was cut short has not."""
        length = self._path.stat().st_size
        ends = (np.add(page.dataoffsets, page.databytecounts).max(initial=0) for page in self._pages)
        return all(end <= length for end in ends)

    def _touched(self, page: Any, rows: tuple[int, int], columns: tuple[int, int]) -> Iterator[int]:
        """Yield the numbers of the segments that a window of a page touches."""
        (height, width), grid = self._segment, [-(-self.shape[axis] // self._segment[axis]) for axis in (0, 1)]
        down, across = (
            range(first // side, -(-end // side)) for (first, end), side in ((rows, height), (columns, width))
        )
        planes = range(page.samplesperpixel if _is_planar(page) else 1)
        for plane, row, column in product(planes, down, across):
            yield (plane * grid[0] + row) * grid[1] + column


def _segment(page: Any) -> tuple[int, int]:
    """Return (height, width) of a page's tiles or strips, pixels."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    return min(page.rowsperstrip or page.imagelength, page.imagelength), page.imagewidth


def _decoder(page: Any) -> Callable[[BinaryIO, int], tuple[np.ndarray | None, tuple[int, ...]]]:
    """Return what decodes a segment of a page whose file is open now: `(1, h, w, C)`, and where it lies."""
    tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if page.compression in _JPEGS else {}
    decode = page.decode  # which looks into the file once

    def decoded(file: BinaryIO, index: int) -> tuple[np.ndarray | None, tuple[int, ...]]:
        file.seek(page.dataoffsets[index])
        data = file.read(page.databytecounts[index])
        try:
            values, place, shape = decode(data or None, index, **tables)
            if values is not None and values.shape != shape:
                raise ValueError(f"{values.shape} instead of {shape}")
            return values, place
        except Exception as error:  # of a damaged segment the codecs raise anything
            raise ValueError(f"tile or strip {index} of the TIFF is damaged ({error})") from error

    return decoded


def _paste(values: np.ndarray, part: np.ndarray, place: tuple[int, int, int]) -> None:
    """Copy `(h, w, c)` values to their place in a part, which may be partly outside."""
    inside, taken = [], []
    for start, length, most in zip(place, values.shape, part.shape, strict=True):
        inside.append(slice(max(start, 0), min(start + length, most)))
        taken.append(slice(max(-start, 0), min(length, most - start)))
    part[tuple(inside)] = values[tuple(taken)]
