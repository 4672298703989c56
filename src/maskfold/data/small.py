"""Photos at a small size, for whoever compares thousands of them: JPEGs are never decoded in full."""

import io
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from maskfold.data.headers import JPEG, jpeg_header, naming
from maskfold.data.loading import read_bytes, read_image, upright
from maskfold.data.windows import LARGE
from maskfold.errors import MaskfoldError
from maskfold.storage.chunks import is_place

_INKS = 4  # components of a CMYK JPEG, which is Pillow's to read


def read_small(path: Path | str, *, edge: int, size: tuple[int, int], channels: int | None = None) -> np.ndarray:
    """Read a photo, upright, its longer side at most `edge` pixels unless its shorter one would be below a fifth of it.

    Args:
        path: The file.
        edge: In pixels.
        size: The photo's (height, width), upright.
        channels: How many a photo has that is read as stored, see `read_image`. The first three of them become RGB,
            one or two grey, and what is not 8 bits is stretched between its own 1st and 99th percentile.

    Returns:
        (H, W, 3) uint8 RGB, contiguous.

    Raises:
        MaskfoldError: If the file cannot be read, or, unless it is a JPEG, has more than `LARGE` pixels.
    """
    scale = min(1.0, max(edge / max(size), edge / 5 / min(size)))
    height, width = (max(1, round(scale * side)) for side in size)
    pixels = _reduced_jpeg(path, height, width)
    if pixels is None:
        if size[0] * size[1] > LARGE:
            raise MaskfoldError(f"{path}: {size[1]}x{size[0]} pixels are too many to be decoded for a small picture.")
        pixels = read_image(path, channels=channels)
        pixels = pixels if channels is None else _as_rgb(pixels)
    if pixels.shape[:2] != (height, width):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(pixels)


def _reduced_jpeg(path: Path | str, height: int, width: int) -> np.ndarray | None:
    """Decode a JPEG at the smallest of its eighths that has so many pixels; None if it is none of three colours."""
    with naming(path):
        data = read_bytes(path) if is_place(path) else _jpeg_bytes(path)
        if not data.startswith(JPEG):
            return None
        _, orientation, components = jpeg_header(io.BytesIO(data))
        if components == _INKS:
            return None
        stored = (width, height) if orientation >= 5 else (height, width)
        return upright(simplejpeg.decode_jpeg(data, min_height=stored[0], min_width=stored[1]), orientation)


def _jpeg_bytes(path: Path | str) -> bytes:
    """Return a file's bytes if it is a JPEG; nothing of any other."""
    with Path(path).open("rb") as file:
        start = file.read(len(JPEG))
        return start + file.read() if start == JPEG else b""


def _as_rgb(pixels: np.ndarray) -> np.ndarray:
    """Return the first channels of (H, W, C) as (H, W, 3) uint8."""
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1].repeat(3, axis=2)
    if shown.dtype == np.uint8:
        return shown
    known = shown[np.isfinite(shown)]
    low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 0.0)
    stretched = (np.nan_to_num(shown, nan=low) - low) / max(high - low, np.finfo(np.float32).tiny)
    return (stretched.clip(0, 1) * 255).round().astype(np.uint8)
