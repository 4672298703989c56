"""JPEGs decoded at a half, a quarter or an eighth of their size, for a network that is shown them smaller still.

A JPEG is stored as blocks of 8x8 pixels, and the mean of 2x2, 4x4 or 8x8 of them takes a part of a block's numbers
alone: a photo of 1918x1280 takes a fifth of the time. What is lost is where in such a pixel an edge ran.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from maskfold.data.headers import JPEG, jpeg_header, naming, refuse_bomb
from maskfold.data.loading import upright

_FACTORS = (8, 4, 2)  # what libjpeg-turbo is quick at; other shares, such as 3/4, take longer than the whole photo
_INKS = 4  # components of a CMYK JPEG, which is Pillow's to read
# How far what is shown is from the whole photo shrunk, on average: so many levels of 255, times the bytes that a pixel
# takes, times the factor, divided by how much the reduced photo is shrunk further. Fitted on 34 photos of cars, people,
# clothes and groceries of 0.03 to 0.26 bytes a pixel (tests/benchmarks/bench_loading.py measures it).
_DIFFERENCE = 6


@dataclass(frozen=True)
class Reduced:
    """A photo that was decoded at a fraction of its size.

    Attributes:
        pixels: `(ceil(H / factor), ceil(W / factor), 3) uint8`, RGB, upright; each the mean of `factor` x `factor`
            pixels, the last of a row or column of those that there are.
        shape: `(H, W, 3)`, the photo's own.
        factor: 2, 4 or 8.
    """

    pixels: np.ndarray
    shape: tuple[int, int, int]
    factor: int

    def resized(self, height: int, width: int) -> np.ndarray:
        """Shrink it by area, `(height, width, 3) uint8`, neither side being more than that of `pixels`."""
        down, across = (target * self.factor / own for target, own in zip((height, width), self.shape[:2], strict=True))
        # By shares and not to a size: the last column may stand for fewer pixels than the others, and a photo that is
        # stretched by these would be up to `factor - 1` pixels off at its right end.
        resized = cv2.resize(self.pixels, None, fx=across, fy=down, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(resized[:height, :width])


def factor_of(size: Sequence[int], shown: Sequence[int], file_bytes: int) -> int:
    """Return by how much a JPEG is to be reduced: so that what is shown of it is within a level of 255 on average.

    How far that is depends on how much detail there is, of which the bytes that a pixel takes are a measure.

    Args:
        size: (height, width) of the photo.
        shown: (height, width) that it is shrunk to.
        file_bytes: What its file takes.

    Returns:
        8, 4 or 2; 1 where all of it is to be decoded.
    """
    shrinks = min(side / target for side, target in zip(size, shown, strict=True))
    for factor in _FACTORS:
        left = shrinks / factor
        if left >= 1 and _DIFFERENCE * factor * file_bytes <= left * size[0] * size[1]:
            return factor
    return 1


def decode_reduced(data: bytes, shown: tuple[int, int], *, name: str) -> Reduced | None:
    """Decode a JPEG for a network that is shown it at a smaller size.

    Args:
        data: The file's bytes.
        shown: (height, width) that the whole photo, upright, is shrunk to.
        name: What messages call it.

    Returns:
        The photo; None where all of it has to be decoded: what is no JPEG, one of inks, and where too little is
        shrunk or too much detail would go.

    Raises:
        MaskfoldError: If it is damaged.
    """
    if not data.startswith(JPEG):
        return None
    with naming(name):
        stored, orientation, components = jpeg_header(io.BytesIO(data))
        refuse_bomb(*stored)
        factor = factor_of(stored, shown[::-1] if orientation >= 5 else shown, len(data))
        if orientation != 1 and any(side % factor for side in stored):
            factor = 1  # turned, the column of fewer pixels would be the first
        if components == _INKS or factor == 1:
            return None
        height, width = (-(-side // factor) for side in stored)
        pixels = simplejpeg.decode_jpeg(data, min_height=height, min_width=width, min_factor=factor)
        size = stored[::-1] if orientation >= 5 else stored
        return Reduced(upright(pixels, orientation), (*size, 3), factor)
