"""Photos and masks from files to arrays, whatever the camera or the labelling tool made of them.

A file's format is read from its content, never from its suffix. JPEGs are decoded by simplejpeg, PNGs by OpenCV (which
keeps all 16 bits), everything else by Pillow; TIFFs and `.npy` files whose channels are counted by `stacks`. EXIF
orientation is always honoured. A photo may also lie in a chunk of many, see `maskfold.storage.chunks`.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from maskfold import arrays, files
from maskfold.data.headers import JPEG, PNG, jpeg_header, naming, open_image, orientation_of, refuse_bomb
from maskfold.data.stacks import fit_channels, is_stack, read_stack
from maskfold.errors import MaskfoldError
from maskfold.masks.planes import planes
from maskfold.storage import chunks

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".bmp", ".webp")
STORED_SUFFIXES = (*SUFFIXES, ".npy")  # of photos that are read as stored

_GREY_AND_ALPHA = 4  # PNG's colour type


def read_image(path: Path | str, *, channels: int | None = None) -> np.ndarray:
    """Read a photo, upright: as RGB of 8 bits, or as it is stored where the channels are counted.

    Grey, palette and CMYK photos become RGB; 16 bits become 8 by round(255·v/65535), except in colour TIFFs, where
    Pillow keeps the upper byte; what is transparent is laid on white; of several frames the first counts.

    Args:
        path: The file.
        channels: How many it must have to be read as stored; several pages of a TIFF are its channels. None for RGB.

    Returns:
        (H, W, 3) uint8 RGB, contiguous. With `channels` (H, W, channels): uint8 where the file has 8 bits, otherwise
        float32 in the file's own units, NaN where it has NaN.

    Raises:
        MaskfoldError: If the file is missing, truncated, not an image, has another number of channels, or, read as
            RGB, has 32-bit pixels.
    """
    with naming(path):
        if channels is not None:
            return _as_stored(path, channels)
        return _rgb(read_bytes(path))


def read_bytes(path: Path | str) -> bytes:
    """Return a photo's bytes, also of one that lies in a chunk of many.

    Raises:
        OSError: If the file cannot be read.
        MaskfoldError: If its chunk cannot be had, or is damaged.
    """
    return chunks.read_file(str(path)) if chunks.is_place(path) else Path(path).read_bytes()


def decode_image(data: bytes, *, name: str) -> np.ndarray:
    """Decode a photo in memory to (H, W, 3) uint8 RGB, upright, as `read_image` reads one from a file.

    Args:
        data: The file's bytes; its size was looked at (`maskfold.data.headers.size_of_bytes`).
        name: What messages call it.

    Raises:
        MaskfoldError: If it is truncated, not an image, or has 32-bit pixels.
    """
    with naming(name):
        return _rgb(data)


def read_mask(path: Path | str, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask, upright: black is background, the one other colour is the object.

    What counts is the colour one sees, not the palette's index for it. Where the colour is the same everywhere, the
    transparency is the mask: a cut-out. A `.b2nd` file holds a mask as it is, which may be of several classes.

    Args:
        path: The file.
        size: (height, width) to bring a mask of another size to, by nearest neighbour.

    Returns:
        (H, W) uint8, 0 or 1; (C, H, W) of several classes.

    Raises:
        MaskfoldError: If the file cannot be read, has more than two values, or none of its two is black.
    """
    if Path(path).suffix == arrays.SUFFIX:
        return _stored_mask(Path(path), size)
    with naming(path):
        data = Path(path).read_bytes()
    return resized_mask(decode_mask(data, name=path), size)


def decode_mask(data: bytes, *, name: Path | str) -> np.ndarray:
    """Decode the picture of a mask in memory, `(H, W) uint8`, 0 or 1, as `read_mask` reads one from a file.

    Args:
        data: The file's bytes.
        name: What messages call it.

    Raises:
        MaskfoldError: If it cannot be read, has more than two values, or none of its two is black.
    """
    with naming(name):
        values = _single_channel(_mask_channels(data))
        if values is None:
            raise MaskfoldError(
                f"{name}: colour and transparency disagree, so which of them is the mask is unclear. "
                "Save it without transparency: black background, white object."
            )
        if np.count_nonzero(values) != np.count_nonzero(values == (values.max() or 1)):
            raise MaskfoldError(f"{name}: {_not_two_valued(values, data)}")
        return (values != 0).view(np.uint8)


def resized_mask(mask: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Bring a mask, `(H, W)` or `(C, H, W) uint8`, to a (height, width) by nearest neighbour; None leaves it."""
    if size is None or mask.shape[-2:] == tuple(size):
        return mask
    resized = [cv2.resize(plane, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT) for plane in planes(mask)]
    return np.stack(resized) if mask.ndim == 3 else resized[0]


def _stored_mask(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """Read a mask that is kept as an array, (H, W) or (C, H, W) uint8, 0 or 1."""
    with naming(path):
        mask = arrays.decode(path.read_bytes())
    if mask.dtype != np.uint8 or mask.ndim not in (2, 3) or mask.max(initial=0) > 1:
        raise MaskfoldError(f"{path}: {mask.dtype} of shape {mask.shape}; a mask is (H, W) or (C, H, W), 0 or 1.")
    return resized_mask(mask, size)


def read_soft_mask(path: Path | str, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a soft mask: an 8-bit PNG of one channel whose values are probabilities, 255 for certain.

    Of several classes it is a `.b2nd` file, a plane for each, of the same values.

    Args:
        path: The file.
        size: (height, width) that it must have.

    Returns:
        (H, W) float32 in [0, 1]; (C, H, W) of several classes.

    Raises:
        MaskfoldError: If the file cannot be read, is no such PNG or array, or has another size.
    """
    is_array = Path(path).suffix == arrays.SUFFIX
    with naming(path):
        content = Path(path).read_bytes()
        pixels = arrays.decode(content) if is_array else _png_pixels(content)
    dimensions = (2, 3) if is_array else (2,)
    is_sound = pixels.dtype == np.uint8 and pixels.ndim in dimensions
    if not is_sound or (size is not None and pixels.shape[-2:] != tuple(size)):
        kind = f"{pixels.dtype} of shape {pixels.shape}"
        raise MaskfoldError(f"{path}: {kind}; a soft mask is 8-bit grey, of its photo's size. Make it again.")
    return pixels.astype(np.float32) / 255


def content_hash(path: Path | str) -> str:
    """Return the first 32 hexadecimal digits of a file's SHA-256, which files of other bytes do not share.

    Raises:
        MaskfoldError: If the file cannot be read.
    """
    with naming(path):
        if chunks.is_place(path):
            return hash_of_bytes(read_bytes(path))
        return files.sha256(Path(path))[:32]


def hash_of_bytes(data: bytes) -> str:
    """Return the `content_hash` of a file of these bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo the camera's orientation (EXIF 2.32, 4.6.5): transpose first, then mirror."""
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _rgb(data: bytes) -> np.ndarray:
    if data.startswith(JPEG):
        return _jpeg_rgb(data)
    return _png_rgb(data) if data.startswith(PNG) else _pillow_rgb(data)


def _jpeg_rgb(data: bytes) -> np.ndarray:
    size, orientation, components = jpeg_header(io.BytesIO(data))
    refuse_bomb(*size)
    # Inks are Pillow's job: it knows Adobe's inverted ones.
    return _pillow_rgb(data) if components == 4 else upright(simplejpeg.decode_jpeg(data), orientation)


def _png_pixels(data: bytes) -> np.ndarray:
    """Decode a PNG, upright, to (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 or uint16."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("the PNG is truncated or damaged")
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA if pixels.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return upright(pixels, orientation_of(data))


def _png_rgb(data: bytes) -> np.ndarray:
    pixels = to_uint8(_png_pixels(data))
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    return on_white(pixels) if pixels.shape[2] == 4 else pixels


def _pillow_rgb(data: bytes) -> np.ndarray:
    with _pillow_image(data) as image:
        if image.mode.startswith("I;16"):
            return cv2.cvtColor(to_uint8(np.asarray(image)), cv2.COLOR_GRAY2RGB)
        if image.has_transparency_data:
            return on_white(np.asarray(image.convert("RGBA")))
        return np.array(image.convert("RGB"))


def _as_stored(path: Path | str, channels: int) -> np.ndarray:
    with Path(path).open("rb") as file:
        start = file.read(len(PNG))
    if is_stack(start):
        pixels, orientation = read_stack(path, channels)
        return fit_channels(path, upright(pixels, orientation), channels)
    data = Path(path).read_bytes()
    decode = _jpeg_stored if start.startswith(JPEG) else _png_stored if start == PNG else _pillow_stored
    return fit_channels(path, decode(data), channels)


def _jpeg_stored(data: bytes) -> np.ndarray:
    size, orientation, components = jpeg_header(io.BytesIO(data))
    refuse_bomb(*size)
    if components == 4:
        return _pillow_stored(data)
    return upright(simplejpeg.decode_jpeg(data, "GRAY" if components == 1 else "RGB"), orientation)


def _png_stored(data: bytes) -> np.ndarray:
    pixels = _png_pixels(data)
    return pixels[..., [0, 3]] if data[25] == _GREY_AND_ALPHA else pixels  # which OpenCV makes RGBA of


def _pillow_stored(data: bytes) -> np.ndarray:
    with open_image(data) as image:
        refuse_bomb(image.height, image.width)
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("P", "PA"):
            upright = upright.convert("RGBA" if image.has_transparency_data else "RGB")
        return np.array(upright)


def _mask_channels(data: bytes) -> np.ndarray:
    """Decode a mask, upright, to (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, uint8, uint16 or bool, values as stored."""
    if data.startswith(PNG):
        return _png_pixels(data)
    if data.startswith(JPEG):
        return _jpeg_rgb(data)
    with _pillow_image(data) as image:
        if image.mode in ("L", "1") or image.mode.startswith("I;16"):
            return np.array(image)
        return np.array(image.convert("RGBA" if image.has_transparency_data else "RGB"))


@contextmanager
def _pillow_image(data: bytes) -> Iterator[Image.Image]:
    """Open an image, upright; refuse pixels whose range is unknown."""
    with open_image(data) as image:
        refuse_bomb(image.height, image.width)
        if image.mode in ("I", "F"):
            raise ValueError(
                "its pixels have 32 bits, whose range is unknown; save it with 8 or 16, or give data.channels="
            )
        yield ImageOps.exif_transpose(image)


def _single_channel(pixels: np.ndarray) -> np.ndarray | None:
    """Reduce a mask's channels to one number per pixel, 0 for black; None if colour and transparency disagree."""
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[..., channel] for channel in range(3))
    colour = red
    if not (np.array_equal(red, green) and np.array_equal(red, blue)):
        colour = (red.astype(np.int64) << 32) | (green.astype(np.int64) << 16) | blue
    if pixels.shape[2] == 3 or pixels[..., 3].min() == pixels[..., 3].max():
        return colour
    alpha = pixels[..., 3]
    if colour.min() == colour.max():
        return alpha
    return colour if np.array_equal(colour != 0, alpha != 0) else None


def _not_two_valued(values: np.ndarray, data: bytes) -> str:
    """Say what is wrong with a mask of these values, and what to do."""
    distinct = np.unique(values)
    if values.dtype == np.int64:
        counted = f"{len(distinct)} colours"
    else:
        counted = (
            f"{len(distinct)} grey values: {', '.join(map(str, distinct[:3]))}{' ...' if len(distinct) > 3 else ''}"
        )
    if len(distinct) == 2:
        return f"{counted}, neither of them black. A mask's background is black (0): repaint it."
    cause = " JPEG blurs a mask's edge, so save masks as PNG." if data.startswith(JPEG) else ""
    return f"{counted}; a mask has two, black (0) and one other.{cause} Threshold it first."


def to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Bring uint16 to uint8 by round(255·v/65535), which is round(v/257)."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def on_white(rgba: np.ndarray) -> np.ndarray:
    """Lay (H, W, 4) uint8 RGBA on white, rounding to the nearest."""
    rgb, alpha = rgba[..., :3], rgba[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return np.ascontiguousarray(rgb)
    return ((rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
