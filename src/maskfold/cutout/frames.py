"""Which part of a photo a cut-out shows, and at what size; and what lies behind it.

Boxes are (top, bottom, left, right) in pixels of the photo, the second and fourth excluded; those of a picture may
reach beyond the photo.
"""

import hashlib
import math
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import ImageColor

from maskfold.data.loading import decode_image
from maskfold.errors import MaskfoldError
from maskfold.storage import open_storage

Box = tuple[int, int, int, int]


def box_of(inside: np.ndarray) -> Box:
    """Return the smallest box around what is not 0 in `(H, W)`; there has to be something."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def grown(box: Box, by: int, height: int, width: int) -> Box:
    """Return a box that is larger on each side, within a photo."""
    top, bottom, left, right = box
    return max(top - by, 0), min(bottom + by, height), max(left - by, 0), min(right + by, width)


def frame(box: Box | None, height: int, width: int, *, margin: float | None, square: bool) -> Box:
    """Return the box that a picture shows.

    Args:
        box: The object's; None where there is none.
        height: Of the photo.
        width: Of the photo.
        margin: Around the object, percent of its longer side; None for the whole photo.
        square: As wide as high: the shorter side grows on both ends.
    """
    top, bottom, left, right = (0, height, 0, width) if margin is None or box is None else box
    if margin is not None and box is not None:
        more = round(margin / 100 * max(bottom - top, right - left))
        top, bottom, left, right = top - more, bottom + more, left - more, right + more
    if square:
        side = max(bottom - top, right - left)
        top, left = top - (side - (bottom - top)) // 2, left - (side - (right - left)) // 2
        bottom, right = top + side, left + side
    return top, bottom, left, right


def placed(part: np.ndarray, at: Box, shown: Box) -> np.ndarray:
    """Return what a frame shows of a part of a photo, 0 where the part has nothing.

    Args:
        part: `(h, w, C)`, the pixels of the box `at`.
        at: Where they are in the photo.
        shown: The frame.
    """
    picture = np.zeros((shown[1] - shown[0], shown[3] - shown[2], part.shape[2]), part.dtype)
    top, bottom = max(at[0], shown[0]), min(at[1], shown[1])
    left, right = max(at[2], shown[2]), min(at[3], shown[3])
    if top < bottom and left < right:
        picture[top - shown[0] : bottom - shown[0], left - shown[2] : right - shown[2]] = part[
            top - at[0] : bottom - at[0], left - at[2] : right - at[2]
        ]
    return picture


def scaled(picture: np.ndarray, max_side: int | None) -> np.ndarray:
    """Return `(H, W, 4) uint8` RGBA whose longer side is at most `max_side`; what is transparent colours nothing."""
    height, width = picture.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return picture
    by = max_side / max(height, width)
    size = max(round(width * by), 1), max(round(height * by), 1)
    alpha = picture[..., 3:].astype(np.float32)
    premultiplied = np.concatenate([picture[..., :3] * (alpha / 255), alpha], axis=2)
    small = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1e-3)
    return np.rint(np.clip(small, 0, 255)).astype(np.uint8)


@dataclass(frozen=True)
class NewBackdrop:
    """What an object is laid on: a colour, or a picture that covers all of it, its middle in the middle.

    Attributes:
        colour: RGB.
        picture: `(H, W, 3) uint8`, instead.
        identity: Changes when the backdrop does.
    """

    colour: tuple[int, int, int] = (255, 255, 255)
    picture: np.ndarray | None = None
    identity: str = ""

    def behind(self, picture: np.ndarray) -> np.ndarray:
        """Return a picture, `(H, W, 4) uint8` RGBA, laid on this: `(H, W, 3) uint8`, as browsers do, on sRGB values."""
        alpha = picture[..., 3:].astype(np.float32) / 255
        back = self._of_size(*picture.shape[:2])
        return np.rint(alpha * picture[..., :3] + (1 - alpha) * back).astype(np.uint8)

    def _of_size(self, height: int, width: int) -> np.ndarray:
        """Return what is behind, `(H, W, 3)`, or `(3,)` of one colour."""
        if self.picture is None:
            return np.array(self.colour, np.float32)
        rows, columns = self.picture.shape[:2]
        by = max(height / rows, width / columns)
        rows, columns = max(math.ceil(rows * by), height), max(math.ceil(columns * by), width)
        way = cv2.INTER_AREA if by < 1 else cv2.INTER_LINEAR
        large = cv2.resize(self.picture, (columns, rows), interpolation=way)
        top, left = (rows - height) // 2, (columns - width) // 2
        return large[top : top + height, left : left + width]


def open_backdrop(text: str) -> NewBackdrop:
    """Return a backdrop: `white`, any other name or `#f4f4f4` of a colour, or the file or address of a picture.

    The number sign may be left out, since shells and Hydra want it in quotes.

    Raises:
        MaskfoldError: If it is neither.
    """
    for colour in (text, f"#{text}"):
        try:
            return NewBackdrop(ImageColor.getrgb(colour)[:3], identity=f"{ImageColor.getrgb(colour)[:3]}")
        except ValueError:
            continue
    place, _, name = text.replace("\\", "/").rpartition("/")
    try:
        content = open_storage(place or ".").read(name)
    except MaskfoldError as error:
        raise MaskfoldError(
            f"backdrop={text}: neither a colour, such as white or f4f4f4, nor a picture that can be read ({error})"
        ) from error
    return NewBackdrop(picture=decode_image(content, name=text), identity=hashlib.sha256(content).hexdigest())
