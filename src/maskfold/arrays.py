"""Arrays of bytes on disk, losslessly compressed and with a checksum: what probability maps and masks are kept as.

A file is a Blosc2 frame and a footer: eight letters, and the CRC-32 of the frame. Blosc2 does not look behind a frame's
end, so it opens such a file as any other; an older version's files have no footer.
"""

import zlib

import blosc2
import numpy as np

SUFFIX = ".b2nd"  # Blosc2's own file type: it carries the shape and the type
# Written once and read by every ensemble: reading takes a third of Zstandard's time and a fortieth of PNG's, at about
# Zstandard's size, for a compression of some 10 ms (tests/benchmarks/bench_store.py). A file names its own codec, so
# what was written with another is read as before.
COMPRESSION = blosc2.CParams(
    codec=blosc2.Codec.LZ4HC, clevel=5, typesize=1, filters=[blosc2.Filter.NOFILTER], filters_meta=[0], nthreads=1
)
FOOTER = b"mf-crc32"
_FOOTER_BYTES = len(FOOTER) + 4
# The last two are what blosc2 makes of a damaged header.
_UNREADABLE = (OSError, RuntimeError, ValueError, SyntaxError, MemoryError)


def encode(array: np.ndarray) -> bytes:
    """Return a file of a uint8 array of any shape."""
    return with_checksum(blosc2.asarray(np.ascontiguousarray(array), cparams=COMPRESSION).to_cframe())


def decode(content: bytes) -> np.ndarray:
    """Return the array of a file: the way back from `encode`.

    Raises:
        ValueError: If it is none, or damaged.
    """
    try:
        return blosc2.ndarray_from_cframe(checked(content))[...]
    except _UNREADABLE as error:
        raise ValueError(str(error)) from error


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


def checked(content: bytes) -> bytes:
    """Return the frame of a file: the way back from `with_checksum`.

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
