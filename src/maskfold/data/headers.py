"""What the header of an image tells before anything is decoded: its size upright, and that it is one picture.

A header costs a few bytes and may ask for gigabytes, so whoever decodes looks here first.
"""

import io
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import cv2
from PIL import Image, UnidentifiedImageError

from maskfold import arrays
from maskfold.data.stacks import TIFF, is_stack, stack_size
from maskfold.errors import MaskfoldError

MOST_PIXELS = 2**30  # OpenCV's limit, which PNGs would meet first
JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"

_FORMATS = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "AVIF", "JPEG2000")  # none that runs another program
_LONGEST = 1_000_000  # pixels of a side: libpng's limit
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the markers that carry the size (ITU T.81, B.1)
_JPEG_PIXELS = (0xD9, 0xDA)  # the end, or the first scan
_JPEG_EXIF = 0xE1
_ORIENTATION = 0x0112  # EXIF tag
_LIMIT = threading.RLock()
_SEVERAL = "several frames or pages, of which only one could count. Save the one that is meant as a file of its own."
# SyntaxError and TypeError are Pillow's, of damaged headers and damaged EXIF.
_UNREADABLE = (OSError, ValueError, SyntaxError, TypeError, struct.error, cv2.error, Image.DecompressionBombError)


def image_size(path: Path | str, *, max_pixels: int = MOST_PIXELS, channels: int | None = None) -> tuple[int, int]:
    """Return an image's (height, width) in pixels, upright, from its header alone.

    Args:
        path: The file.
        max_pixels: The most that it may have.
        channels: How many a photo has that is read as stored; several pages of a TIFF may be its channels.

    Raises:
        MaskfoldError: If the file is missing, its header is not an image's, it has more than `max_pixels`, it has
            several frames, or it is a TIFF or `.npy` of another number of channels.
    """
    if Path(path).suffix == arrays.SUFFIX:  # a mask
        with naming(path):
            size = arrays.shape(Path(path).read_bytes())[-2:]
        _refuse_large(path, size, max_pixels)
        return size
    with naming(path), Path(path).open("rb") as file:
        if channels is not None and is_stack(_start(file)):
            size = stack_size(path, channels)
            _refuse_large(path, size, max_pixels)
            return size
        return _upright_size(file, path, lambda size: _refuse_large(path, size, max_pixels))


def size_of_bytes(data: bytes, *, name: str, refuse: Callable[[tuple[int, int]], None]) -> tuple[int, int]:
    """Return the (height, width) in pixels, upright, of an image in memory, from its header alone.

    Args:
        data: The file's bytes.
        name: What messages call it.
        refuse: Raises if a (height, width) is more than is to be decoded; asked before anything else is looked at.

    Raises:
        MaskfoldError: If the header is not an image's, or it has several frames.
    """
    with naming(name):
        return _upright_size(io.BytesIO(data), name, refuse)


def _start(file: BinaryIO) -> bytes:
    start = file.read(len(PNG))
    file.seek(0)
    return start


def _upright_size(file: BinaryIO, name: Path | str, refuse: Callable[[tuple[int, int]], None]) -> tuple[int, int]:
    start = _start(file)
    if start.startswith(JPEG):  # what phones put behind a JPEG's picture is no other picture of the object
        size, orientation, _ = jpeg_header(file)
        refuse(size)
    elif start.startswith(TIFF):
        size, is_series = _pillow_header(file)
        refuse(size)
        if is_series and not _is_pyramid(file):
            raise MaskfoldError(f"{name}: {_SEVERAL}")
        orientation = 1  # Pillow turns TIFFs, and their size, by itself
    else:
        data = file.read()
        size, is_series = _png_header(data) if start == PNG else _pillow_header(data)
        refuse(size)
        if is_series:
            raise MaskfoldError(f"{name}: {_SEVERAL}")
        orientation = orientation_of(data)
    return size[::-1] if orientation >= 5 else size


@contextmanager
def open_image(data: bytes | BinaryIO) -> Iterator[Image.Image]:
    """Open an image with Pillow without its own limit of pixels, which differs from other decoders' and from ours.

    That limit is the whole process's, so one thread at a time is in here.
    """
    with _LIMIT:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=_FORMATS) as image:
                yield image
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def refuse_bomb(height: int, width: int) -> None:
    """Refuse to decode what nobody can have meant, wherever it comes from.

    Raises:
        ValueError: If there are more than `MOST_PIXELS`.
    """
    if height * width > MOST_PIXELS:
        raise ValueError(f"{width}x{height} pixels are more than {MOST_PIXELS:,}")


def _refuse_large(path: Path | str, size: tuple[int, int], max_pixels: int) -> None:
    height, width = size
    if height * width > max_pixels or max(size) > _LONGEST:
        raise MaskfoldError(
            f"{path}: {width}x{height} are {height * width:,} pixels, and data.max_pixels is {max_pixels:,}. Make it "
            f"smaller, or raise the limit up to {MOST_PIXELS:,}, with {_LONGEST:,} to a side: decoding takes up to 9 "
            "bytes a pixel."
        )


def _png_header(data: bytes) -> tuple[tuple[int, int], bool]:
    """Return a PNG's (height, width) as stored, and whether it is animated."""
    if data[12:16] != b"IHDR":
        raise ValueError("the PNG has no size in its header")
    width, height = struct.unpack(">II", data[16:24])
    return (height, width), b"acTL" in data[: data.find(b"IDAT")]


def _pillow_header(data: bytes | BinaryIO) -> tuple[tuple[int, int], bool]:
    """Return the (height, width), of a TIFF upright, and whether there are several frames or pages."""
    with open_image(data) as image:
        return (image.height, image.width), getattr(image, "is_animated", False)


def _is_pyramid(file: BinaryIO) -> bool:
    """Tell whether a TIFF's further pages are its first one at lower resolutions."""
    import tifffile  # a tenth of a second, which only those pay who have such photos

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        return all(page.aspage().is_reduced for page in tiff.pages[1:])


def ends_properly(path: Path | str) -> bool:
    """Tell cheaply whether a JPEG or PNG has its end; False means "decode it to know", not "truncated".

    Raises:
        MaskfoldError: If the file cannot be opened.
    """
    with naming(path), Path(path).open("rb") as file:
        start = file.read(len(PNG))
        file.seek(max(-len(_PNG_END), -file.seek(0, io.SEEK_END)), io.SEEK_END)
        end = file.read()
    return (start.startswith(JPEG) and end.endswith(_JPEG_END)) or (start == PNG and end.endswith(_PNG_END))


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Turn what the decoders raise into a `MaskfoldError` that names the file."""
    try:
        yield
    except _UNREADABLE as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        if isinstance(error, UnidentifiedImageError):  # whose message is an address in memory
            reason = "not an image of a known kind (photos of more channels than RGB need data.channels=)"
        raise MaskfoldError(f"{path}: cannot be read: {reason}. Replace the file or take it away.") from error


def jpeg_header(file: BinaryIO) -> tuple[tuple[int, int], int, int]:
    """Walk a JPEG's markers up to the frame header: ((height, width), EXIF orientation, components)."""
    file.seek(2)
    orientation = 1
    while True:
        marker = file.read(2)
        while marker[1:] == b"\xff":  # fill bytes may stand before a marker
            marker = marker[1:] + file.read(1)
        length = int.from_bytes(file.read(2))
        if length < 2 or marker[0] != 0xFF or marker[1] in _JPEG_PIXELS:
            raise ValueError("the JPEG has no size in its header")
        if marker[1] in _JPEG_FRAMES:
            _, height, width, components = struct.unpack(">BHHB", file.read(6))
            return (height, width), orientation, components
        if marker[1] == _JPEG_EXIF:
            orientation = _exif_orientation(file.read(length - 2)) or orientation
        else:
            file.seek(length - 2, io.SEEK_CUR)


def _exif_orientation(segment: bytes) -> int | None:
    """Return the orientation in a JPEG's segment, or None where there is none or it is damaged."""
    tags = Image.Exif()
    try:
        tags.load(segment if segment.startswith(b"Exif\0\0") else None)
    except (SyntaxError, ValueError, struct.error, OSError):
        return None
    return tags.get(_ORIENTATION) if tags.get(_ORIENTATION) in range(1, 9) else None


def orientation_of(data: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, that Pillow's size of an image other than a JPEG leaves to be undone."""
    # Pillow decodes a whole PNG to look for EXIF behind the pixels, so it is asked only where there is any.
    if data.startswith(PNG) and b"eXIf" not in data:
        return 1
    with open_image(data) as image:
        orientation = 1 if image.format == "TIFF" else image.getexif().get(_ORIENTATION)  # as in `image_size`
    return orientation if orientation in range(1, 9) else 1
