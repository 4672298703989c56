"""Very large photos and masks on disk, of which windows are read: what a window costs does not grow with the picture.

TIFFs in tiles or strips and `.npy` files are read so (`maskfold.data.segments`), and masks that are kept as arrays.
Everything else is decoded whole when it is opened. Whatever is sliced out is what `read_image` or `read_mask` would
have in its place.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from maskfold import arrays
from maskfold.data.geometry import Geometry, Tile
from maskfold.data.headers import naming
from maskfold.data.loading import on_white, read_image, read_mask, to_uint8
from maskfold.data.segments import Stored, is_whole, open_stored
from maskfold.data.stacks import fit_channels
from maskfold.errors import MaskfoldError

LARGE = 100_000_000  # pixels: a photo of more is read, predicted and merged by parts
BAND = 1024  # rows that are read at once

_log = logging.getLogger(__name__)

Window = tuple[slice, slice]


class Picture(Protocol):
    """A photo or mask of which windows are read: `picture[rows, columns]` is an array, as of an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """`(H, W, C)` of a photo; `(H, W)` of a mask, `(H, W, C)` of one of several classes."""

    def __getitem__(self, window: Window, /) -> np.ndarray:
        """Read a window, given as two slices without steps."""


def is_large(height: int, width: int) -> bool:
    """Tell whether a photo is read, predicted and merged by parts."""
    return height * width > LARGE


def are_large(table: pd.DataFrame) -> pd.Series:
    """Tell of each row of the image table whether its photo is large; without sizes none is."""
    if not {"height", "width"} <= {*table.columns}:
        return pd.Series(data=False, index=table.index)
    return table["height"] * table["width"] > LARGE


def refuse_large(table: pd.DataFrame, why: str) -> None:
    """Refuse photos that are very large, where what is to be done with them would need their maps whole.

    Args:
        table: Rows of the image table.
        why: What cannot be done with such photos, and what to do; it ends the message.

    Raises:
        MaskfoldError: If there is one; the message names the first.
    """
    large = table[are_large(table)]
    if len(large):
        row = large.iloc[0]
        raise MaskfoldError(f"{row['image']}: {row['width']}x{row['height']} are more than {LARGE:,} pixels, {why}")


def refuse_whole(large: pd.DataFrame, geometry: Geometry) -> None:
    """Refuse to show a network whole photos that are very large.

    Args:
        large: Their rows of the image table.
        geometry: How they are shown.

    Raises:
        MaskfoldError: If that is not through windows; the message names the first photo.
    """
    if not isinstance(geometry, Tile):
        name = type(geometry).__name__
        why = f"which are shown to a network in windows alone, and geometry is {name}. Train with geometry=tile."
        refuse_large(large, why)


def open_photo(path: Path | str, *, channels: int | None = None) -> Picture:
    """Open a photo of which windows are read.

    Args:
        path: The file.
        channels: As for `maskfold.data.loading.read_image`, whose pixels these are.

    Raises:
        MaskfoldError: As `read_image`.
    """
    stored = _open(path, channels)
    if stored is not None:
        if channels is not None and stored.shape[2] == channels:
            return _AsStored(path, stored)
        if channels is None and _is_rgb(stored):
            return _AsRgb(stored)
    _warn(path)
    return read_image(path, channels=channels)


def open_mask(path: Path | str, size: tuple[int, int]) -> Picture:
    """Open a mask of which windows are read, uint8, 0 or 1; several classes are `(H, W, C)`.

    Args:
        path: The file.
        size: Its photo's (height, width), which it must have.

    Raises:
        MaskfoldError: As `read_mask`, or if it has another size.
    """
    path = Path(path)
    stored = None
    if path.suffix == arrays.SUFFIX:
        with naming(path):
            mask: Picture = _Planes(path, arrays.opened(path))
    elif (stored := _open(path)) is not None and stored.shape[2] == 1 and stored.colours == "grey":
        mask = _TwoValued(path, stored)
    else:
        _warn(path)
        mask = read_mask(path)  # pyrefly: ignore[bad-assignment]
    if mask.shape[:2] != tuple(size):
        raise MaskfoldError(
            f"{path}: {mask.shape[1]}x{mask.shape[0]}, its photo {size[1]}x{size[0]}. So large a mask is not resized: "
            "save it in its photo's size."
        )
    return mask


def bands(height: int, width: int) -> Iterator[Window]:
    """Yield the windows of whole rows, `BAND` of them or fewer, that cover a picture from its top."""
    for top in range(0, height, BAND):
        yield slice(top, min(top + BAND, height)), slice(0, width)


def look_through(path: Path | str, kind: str, size: tuple[int, int], *, channels: int | None = None) -> float:
    """Decode every part of a very large file, or look at its end, to see that all is well.

    Args:
        path: The file.
        kind: `photo`, `header` (a photo of which only the end is looked at) or `mask`.
        size: Its (height, width).
        channels: Of a photo, see `open_photo`.

    Returns:
        The share of a mask's pixels that is object, NaN for a photo.

    Raises:
        MaskfoldError: If a part cannot be decoded, or a mask has other values than two.
    """
    with naming(path):
        if kind == "header" and is_whole(Path(path)):
            return float("nan")
    picture = open_mask(path, size) if kind == "mask" else open_photo(path, channels=channels)
    pixels = 0
    for window in bands(*size):
        part = picture[window]
        pixels += np.count_nonzero(part) if kind == "mask" else 0
    return pixels / np.prod(picture.shape) if kind == "mask" else float("nan")


def _open(path: Path | str, channels: int | None = None) -> Stored | None:
    with naming(path):
        return open_stored(Path(path), channels)


def _warn(path: Path | str) -> None:
    _log.warning(
        "%s: cannot be read by windows, so it is decoded whole, which takes gigabytes. Save it as a TIFF in tiles.",
        path,
    )


def _is_rgb(stored: Stored) -> bool:
    """Tell whether `_AsRgb` knows what a file's channels are."""
    if stored.dtype not in (np.bool_, np.uint8, np.uint16):
        return False
    known = {"grey": [1], "rgb": [3], "rgb and another": [4], "rgb and alpha": [4]}
    return stored.shape[2] in known.get(stored.colours, [])


class _AsRgb:
    """A photo as RGB of 8 bits."""

    def __init__(self, stored: Stored):
        self._stored = stored
        self.shape = (*stored.shape[:2], 3)

    def __getitem__(self, window: Window) -> np.ndarray:
        pixels = self._stored[window]
        if self._stored.colours == "grey":
            return np.repeat(to_uint8(pixels * np.uint8(255) if pixels.dtype == bool else pixels), 3, axis=2)
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)  # as Pillow does, which reads smaller ones
        if self._stored.colours == "rgb and alpha":
            return on_white(pixels)
        return np.ascontiguousarray(pixels[..., :3])


class _AsStored:
    """A photo as it is stored: uint8, or float32 of everything else."""

    def __init__(self, path: Path | str, stored: Stored):
        self._path = path
        self._stored = stored
        self.shape = stored.shape

    def __getitem__(self, window: Window) -> np.ndarray:
        return fit_channels(self._path, self._stored[window], self.shape[2])


class _TwoValued:
    """A mask of one channel: black is background, the one other value that its windows have is the object."""

    def __init__(self, path: Path, stored: Stored):
        self._path = path
        self._stored = stored
        self._object = 0
        self.shape = stored.shape[:2]

    def __getitem__(self, window: Window) -> np.ndarray:
        values = self._stored[window][..., 0]
        is_object = values != 0
        self._object = self._object or values.max(initial=0)
        if np.count_nonzero(is_object) != np.count_nonzero(values == (self._object or 1)):
            others = [int(value) for value in np.unique(values) if value not in (0, self._object)]
            raise MaskfoldError(
                f"{self._path}: it has the values {self._object} and {others[0]}; a mask has two, black (0) and one "
                "other. Threshold it first."
            )
        return is_object.view(np.uint8)


class _Planes:
    """A mask that is kept as an array, `(H, W)` or `(C, H, W)`."""

    def __init__(self, path: Path, array: Any):
        self._path = path
        self._array = array
        self.shape = (*array.shape[-2:], *array.shape[:-2])

    def __getitem__(self, window: Window) -> np.ndarray:
        planes = self._array[(..., *window)]
        if planes.max(initial=0) > 1:
            raise MaskfoldError(f"{self._path}: it has the value {planes.max()}; a mask that is an array has 0 and 1.")
        return planes if planes.ndim == 2 else np.ascontiguousarray(np.moveaxis(planes, 0, 2))
