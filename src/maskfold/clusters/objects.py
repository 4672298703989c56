"""The object of a photo: its pixels at a small size, and which of them are the object's."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import read_image, read_mask
from maskfold.masks.pictures import as_rgb
from maskfold.masks.planes import planes
from maskfold.prediction.store import read_map

MASK, MAP, PHOTO = "mask", "map", "photo"  # what says where the object is; the last: nothing, all pixels count
_HALF = 128  # of a probability map's 255


@dataclass(frozen=True)
class Whereabouts:
    """A photo, and where what is known of its object lies.

    Attributes:
        image_id: Its name.
        image: Its file.
        path: The mask or the map; None where there is neither.
        said_by: `MASK`, `MAP` or `PHOTO`.
        channels: Of the photo, see `read_image`.
    """

    image_id: str
    image: str
    path: str | None
    said_by: str
    channels: int | None = None

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the photo, `(H, W, C)` as `read_image` gives it, and its object, `(H, W) uint8` 0 or 1.

        Of several classes all together are the object. Where nothing is object everything is.

        Raises:
            MaskfoldError: If a file cannot be read.
        """
        image = read_image(self.image, channels=self.channels)
        size = image.shape[:2]
        mask = np.ones(size, np.uint8)
        if self.path is not None and self.said_by == MASK:
            mask = planes(read_mask(self.path, size=size)).max(axis=0)
        elif self.path is not None:
            mask = (planes(read_map(Path(self.path))).max(axis=0) >= _HALF).astype(np.uint8)
            if mask.shape != size:  # of a team mate's maps, whose sizes nobody has looked at
                mask = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return image, mask if mask.any() else np.ones(size, np.uint8)

    def read_small(self, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Return both at a height in pixels: `(height, w, 3) uint8` RGB and `(height, w) uint8` 0 or 1.

        Raises:
            MaskfoldError: As `read`.
        """
        image, mask = self.read()
        size = max(1, round(image.shape[1] * height / image.shape[0])), height
        way = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_LINEAR
        share = cv2.resize(mask.astype(np.float32), size, interpolation=way)
        small = share >= min(0.5, share.max())  # an object of less than half a pixel is one still
        return cv2.resize(as_rgb(image), size, interpolation=way), small.astype(np.uint8)


def whereabouts(table: pd.DataFrame, maps: dict[str, Path], *, channels: int | None) -> list[Whereabouts]:
    """Return where each photo's object is known from: its mask, else its map, else nothing.

    Args:
        table: Rows of the image table.
        maps: `image_id -> map` of those that have one.
        channels: Of the photos.
    """
    places = []
    for row in table.itertuples():
        mask, at = getattr(row, "mask", None), maps.get(row.image_id)
        if isinstance(mask, str):
            places.append(Whereabouts(row.image_id, row.image, mask, MASK, channels))
        elif at is not None:
            places.append(Whereabouts(row.image_id, row.image, str(at), MAP, channels))
        else:
            places.append(Whereabouts(row.image_id, row.image, None, PHOTO, channels))
    return places


def box_of(mask: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns that a mask `(H, W)`, which is not empty, reaches over."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def on_backdrop(image: np.ndarray, mask: np.ndarray, *, size: tuple[int, int], grey: tuple[int, ...]) -> np.ndarray:
    """Return an object's box, in the middle of an even backdrop.

    Args:
        image: `(H, W, 3) uint8`.
        mask: `(H, W) uint8` 0 or 1, not empty.
        size: Height and width of the picture, pixels; the object keeps its proportions.
        grey: The backdrop's colour.

    Returns:
        `(height, width, 3) uint8`.
    """
    box = box_of(mask)
    cut = np.where(mask[box][..., None] > 0, image[box], np.array(grey, np.uint8))
    scale = min(size[0] / cut.shape[0], size[1] / cut.shape[1])
    height, width = (max(1, round(side * scale)) for side in cut.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.empty((*size, 3), np.uint8)
    canvas[:] = grey
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas[top : top + height, left : left + width] = cv2.resize(cut, (width, height), interpolation=way)
    return canvas
