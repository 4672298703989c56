"""TIFF and `.npy` files of any number of channels: their size by the header alone, and their pixels as stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.errors import MaskfoldError

NPY = b"\x93NUMPY"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF's
_ORIENTATION = 274  # TIFF tag
_CHANNEL_AXES = "SC"  # in tifffile's words: samples of a pixel, or a channel by the file's own metadata


def is_stack(start: bytes) -> bool:
    """Tell by the first bytes of a file whether the functions below read it."""
    return start.startswith((NPY, *TIFF))


def stack_channels(path: Path | str) -> tuple[int, int]:
    """Return how many channels a photo seems to have, and the bits of a value, from its header.

    Of three axes it is the one that the file calls channels or samples, without such a word the shorter of the first
    and the last.

    Raises:
        ValueError: If the file is damaged, or has no two or three axes.
    """
    with _opened(path) as (stack, axes, _):
        shape, letters = _without_idle(stack.shape, axes)
        if len(shape) not in (2, 3):
            raise ValueError(f"{_array(shape)}, and a photo has two axes or three")
        named = _named(letters)
        channels = 1 if len(shape) == 2 else shape[named[0]] if named else min(shape[0], shape[2])
        return channels, stack.dtype.itemsize * 8


def stack_size(path: Path | str, channels: int) -> tuple[int, int]:
    """Return (height, width), upright, of a photo of that many channels, from its header.

    Raises:
        MaskfoldError: If it has another number of channels.
        ValueError: If the file is damaged.
    """
    with _opened(path) as (stack, axes, orientation):
        shape, order = _layout(path, stack.shape, axes, channels)
    height, width = (shape[axis] for axis in order[:2])
    return (width, height) if orientation >= 5 else (height, width)


def read_stack(path: Path | str, channels: int) -> tuple[np.ndarray, int]:
    """Read a photo, not yet turned: interleaved or planar samples, pages as channels, (C, H, W) or (H, W, C).

    Where both the first and the last of three axes have the length `channels`, the one that the file calls channels
    or samples is taken; without such a word the pages of a TIFF, and the last axis of a `.npy`.

    Returns:
        (H, W) or (H, W, channels) of the file's own type, and the EXIF orientation that is left to be undone.

    Raises:
        MaskfoldError: If it has another number of channels.
        ValueError: If the file is damaged.
    """
    with _opened(path) as (stack, axes, orientation):
        shape, order = _layout(path, stack.shape, axes, channels)
        pixels = np.asarray(stack) if axes is None else stack.asarray()
        return pixels.reshape(shape).transpose(order), orientation


def fit_channels(path: Path | str, pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return (H, W) or (H, W, C) pixels as (H, W, channels), contiguous: uint8 as it is, all else float32.

    Raises:
        MaskfoldError: If they have another number of channels, or are no real numbers.
    """
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] != channels:
        raise _other_channels(path, _counted(pixels.shape[2]), channels)
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    if pixels.dtype.kind not in "uif":
        raise MaskfoldError(f"{path}: its pixels are {pixels.dtype}; a photo's are whole or real numbers. Convert it.")
    with np.errstate(over="ignore"):  # what is beyond float32 is infinite, and counts as missing
        return np.ascontiguousarray(pixels, np.uint8 if pixels.dtype == np.uint8 else np.float32)


@contextmanager
def _opened(path: Path | str) -> Iterator[tuple[Any, str | None, int]]:
    """Open a file: what has its shape, tifffile's letters for the axes (None for a `.npy`), and the orientation."""
    with Path(path).open("rb") as file:
        is_array = file.read(len(NPY)) == NPY
    if is_array:
        yield np.load(path, mmap_mode="r", allow_pickle=False), None, 1
        return
    import tifffile  # a tenth of a second, which only those pay who have such photos

    try:
        with tifffile.TiffFile(path) as tiff:
            if not tiff.series or 0 in tiff.series[0].shape:
                raise ValueError("the TIFF has no picture in it")
            if _end(tiff.series[0]) > tiff.filehandle.size:  # which not every codec finds out
                raise ValueError("the file ends before its pixels do")
            tag = tiff.pages.first.tags.get(_ORIENTATION)
            yield tiff.series[0], tiff.series[0].axes, int(tag.value) if tag is not None else 1
    except (MaskfoldError, OSError):
        raise
    except Exception as error:  # of a damaged file the library and its codecs raise anything
        raise ValueError(f"the TIFF is damaged ({error})") from error


def _end(series: Any) -> int:
    """Return where the last strip or tile of a TIFF's pages ends, in bytes of the file."""
    spans = (zip(page.dataoffsets, page.databytecounts, strict=False) for page in series.pages if page is not None)
    return max((start + length for span in spans for start, length in span), default=0)


def _layout(
    path: Path | str, shape: tuple[int, ...], axes: str | None, channels: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape without idle axes, and which axes of it are height, width and, of three, channels."""
    shape, letters = _without_idle(shape, axes)
    if len(shape) == 2 and channels == 1:
        return shape, (0, 1)
    if len(shape) != 3:
        raise _other_channels(path, _counted(1) if len(shape) == 2 else _array(shape), channels)
    named = _named(letters)
    fitting = [axis for axis in ((2, 0) if axes is None else (0, 2)) if shape[axis] == channels]
    if not named and not fitting:
        raise _other_channels(path, _array(shape), channels)
    axis = (named or fitting)[0]
    if shape[axis] != channels:
        raise _other_channels(path, _counted(shape[axis]), channels)
    height, width = (other for other in range(3) if other != axis)
    return shape, (height, width, axis)


def _without_idle(shape: tuple[int, ...], axes: str | None) -> tuple[tuple[int, ...], str]:
    """Return a shape, and a letter for each of its axes, without axes of length 1 beyond three."""
    letters = axes or " " * len(shape)
    while len(shape) > 3 and 1 in shape:
        idle = shape.index(1)
        shape, letters = shape[:idle] + shape[idle + 1 :], letters[:idle] + letters[idle + 1 :]
    return shape, letters


def _named(letters: str) -> list[int]:
    """Return the axes that a file calls channels or samples."""
    return [axis for axis, letter in enumerate(letters) if letter in _CHANNEL_AXES]


def _array(shape: tuple[int, ...]) -> str:
    return f"an array of {'x'.join(map(str, shape))}"


def _counted(channels: int) -> str:
    return f"{channels} channel{'s' if channels != 1 else ''}"


def _other_channels(path: Path | str, kind: str, channels: int) -> MaskfoldError:
    return MaskfoldError(
        f"{path}: {kind}, and data.channels={channels}. Give data.channels= the number that every photo of the data "
        "has (null: RGB of 8 bits, made of whatever there is), or save this one with as many."
    )
