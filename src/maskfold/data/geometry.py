"""The way to the network and back: padding, resizing, tiling and their inverses.

H, W are a photo's height and width; h, w the network's; C is channels; K is the number of network inputs one photo
becomes (1, or the number of tiles).
"""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import cv2
import numpy as np

from maskfold.data.reduced import Reduced
from maskfold.errors import MaskfoldError

# Mirroring does not repeat the border pixel, as numpy's "reflect" does not.
BORDERS = {"reflect": cv2.BORDER_REFLECT_101, "constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}
_MOST_CHANNELS = 4  # that OpenCV shrinks at once


@dataclass(frozen=True)
class Placement:
    """Where a photo lies in its network inputs: all that the way back needs, in pixels.

    `height` and `width` are the photo's; `top` and `left` the margins padded before it; `corners` the top left
    (row, column) of each network input in the padded photo.
    """

    height: int
    width: int
    top: int = 0
    left: int = 0
    corners: tuple[tuple[int, int], ...] = ((0, 0),)


class Geometry(Protocol):
    """What every geometry does; the classes below are built from `conf/geometry/` by Hydra's `_target_`."""

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) of the network inputs of an (H, W) photo."""

    def check_stride(self, stride: int) -> None:
        """Refuse a geometry whose network inputs are no multiples of `stride`.

        Raises:
            MaskfoldError: Naming the nearest right size.
        """

    def forward(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """Turn (H, W, C), uint8 or float32, into (K, h, w, C) network inputs of its type and their placement."""

    def forward_mask(self, mask: np.ndarray) -> np.ndarray:
        """Place a mask, (H, W) or of several classes (H, W, C), like the photo's inputs, (K, h, w) or (K, h, w, C).

        uint8 0/1 stays so, float32 in [0, 1] stays soft.
        """

    def restore(self, probability: np.ndarray, placement: Placement) -> np.ndarray:
        """Turn (K, h, w) probabilities in [0, 1] into (H, W) float32."""

    def training_pair(
        self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn an (H, W, C) image and a mask, as `forward_mask` takes it, into one training sample."""


class Pad:
    """Pads a photo, centred, to the next multiple or to a fixed size; the odd pixel goes below and to the right.

    Carvana's 1918x1280 becomes 1920x1280 by one mirrored column each side, as the winners' TernausNet did.

    Args:
        multiple: Pad each side to the next multiple of this, pixels.
        mode: What fills the margin: "reflect", "replicate" or "constant" (black). The mask's margin is filled alike.
        height: Fixed height instead of a multiple, pixels; given together with `width`.
        width: Fixed width, pixels.

    Raises:
        MaskfoldError: If a size is below 1, only one of height and width is given, or the mode is unknown.
    """

    def __init__(
        self, *, multiple: int = 32, mode: str = "reflect", height: int | None = None, width: int | None = None
    ):
        if mode not in BORDERS:
            raise MaskfoldError(f"geometry.mode={mode} is unknown: choose one of {', '.join(BORDERS)}.")
        if (height is None) != (width is None):
            raise MaskfoldError("geometry: give both height and width, or neither to pad to a multiple.")
        fixed = {} if height is None else {"height": height, "width": width}
        _check_positive(multiple=multiple, **fixed)
        self.multiple, self.mode, self.height, self.width = multiple, mode, height, width

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """See `Geometry`.

        Raises:
            MaskfoldError: If the photo is larger than the fixed size.
        """
        if self.height is None:
            return -(-height // self.multiple) * self.multiple, -(-width // self.multiple) * self.multiple
        if height > self.height or width > self.width:
            raise MaskfoldError(
                f"geometry: a photo of {width}x{height} (width x height) does not fit into {self.width}x{self.height}: "
                "raise geometry.height and geometry.width, or use geometry=resize or geometry=tile."
            )
        return self.height, self.width

    def check_stride(self, stride: int) -> None:
        """See `Geometry`."""
        if self.height is None:
            _check_stride(stride, multiple=self.multiple)
        else:
            _check_stride(stride, height=self.height, width=self.width)

    def forward(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """See `Geometry`; K is 1."""
        height, width = image.shape[:2]
        padded, top, left = _pad(image, self.network_size(height, width), self.mode)
        return padded[None], Placement(height=height, width=width, top=top, left=left)

    def forward_mask(self, mask: np.ndarray) -> np.ndarray:
        """See `Geometry`."""
        return _pad(mask, self.network_size(*mask.shape[:2]), self.mode)[0][None]

    def restore(self, probability: np.ndarray, placement: Placement) -> np.ndarray:
        """See `Geometry`; cuts the margins off, exactly."""
        return _unpad(probability[0].astype(np.float32, copy=False), placement)

    def training_pair(
        self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Geometry`; nothing is random."""
        return self.forward(image)[0][0], self.forward_mask(mask)[0]


class Resize:
    """Resizes a photo to one size, whatever its aspect ratio, and its probability map back up.

    Shrinking averages areas, enlarging is linear. A two-valued mask goes the photo's way and is cut at one half:
    nearest neighbour would drop thin parts (an antenna) and shift the outline by up to half a network pixel.

    Args:
        height: Network height, pixels.
        width: Network width, pixels.
        decode: `full`, or `scaled`: JPEGs are decoded at a half, a quarter or an eighth of their size where what is
            shown of them stays within a level of 255 on average, see `maskfold.data.reduced`. Runs of older versions
            have no such key, and go on as they were trained.

    Attributes:
        reduced_for: (height, width) that whole photos are shrunk to, if they need not be decoded in full; else None.

    Raises:
        MaskfoldError: If a size is below 1, or `decode` is neither.
    """

    def __init__(self, *, height: int, width: int, decode: str = "full"):
        _check_positive(height=height, width=width)
        if decode not in ("full", "scaled"):
            raise MaskfoldError(f"geometry.decode={decode}: there are two ways, full and scaled.")
        self.height, self.width = height, width
        self.reduced_for = (height, width) if decode == "scaled" else None

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """See `Geometry`; the same for every photo."""
        return self.height, self.width

    def check_stride(self, stride: int) -> None:
        """See `Geometry`."""
        _check_stride(stride, height=self.height, width=self.width)

    def forward(self, image: np.ndarray | Reduced) -> tuple[np.ndarray, Placement]:
        """See `Geometry`; K is 1. A photo that was decoded at a part of its size is placed by the size it has."""
        resize = image.resized if isinstance(image, Reduced) else partial(_resize_photo, image)
        resized = resize(self.height, self.width).reshape(1, self.height, self.width, image.shape[2])
        return resized, Placement(height=image.shape[0], width=image.shape[1])

    def forward_mask(self, mask: np.ndarray) -> np.ndarray:
        """See `Geometry`."""
        share = _resize(mask.astype(np.float32), self.height, self.width)[None]
        return share if mask.dtype == np.float32 else (share >= 0.5).astype(np.uint8)

    def restore(self, probability: np.ndarray, placement: Placement) -> np.ndarray:
        """See `Geometry`; linear on float32."""
        return _resize(probability[0].astype(np.float32, copy=False), placement.height, placement.width)

    def training_pair(
        self, image: np.ndarray | Reduced, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Geometry`; nothing is random."""
        return self.forward(image)[0][0], self.forward_mask(mask)[0]


class Tile:
    """Covers a photo with overlapping windows and blends their probabilities on the way back.

    The last window of a row or column ends flush with the border; a photo smaller than a window is mirrored first.
    Training takes one window at a random place.

    Args:
        height: Window height, pixels.
        width: Window width, pixels.
        overlap: The least that neighbouring windows share, pixels.

    Raises:
        MaskfoldError: If a size is below 1, or the overlap is negative or as large as a window.
    """

    def __init__(self, *, height: int, width: int, overlap: int = 0):
        _check_positive(height=height, width=width)
        if not 0 <= overlap < min(height, width):
            raise MaskfoldError(
                f"geometry.overlap={overlap} must be at least 0 and smaller than the window, {width}x{height}."
            )
        self.height, self.width, self.overlap = height, width, overlap

    def network_size(self, height: int, width: int) -> tuple[int, int]:
        """See `Geometry`; the same for every photo."""
        return self.height, self.width

    def check_stride(self, stride: int) -> None:
        """See `Geometry`."""
        _check_stride(stride, height=self.height, width=self.width)

    def forward(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """See `Geometry`; windows run row by row from the top left."""
        padded, top, left = self.padded(image)
        rows, columns = self.starts(*image.shape[:2])
        corners = tuple((row, column) for row in rows for column in columns)
        placement = Placement(height=image.shape[0], width=image.shape[1], top=top, left=left, corners=corners)
        return np.stack([self._window(padded, corner) for corner in corners]), placement

    def forward_mask(self, mask: np.ndarray) -> np.ndarray:
        """See `Geometry`."""
        return self.forward(mask)[0]

    def restore(self, probability: np.ndarray, placement: Placement) -> np.ndarray:
        """See `Geometry`; the mean of the windows over each pixel, weighted down towards their borders."""
        weight = self.weight()
        size = (max(placement.height, self.height), max(placement.width, self.width))
        total, weights = np.zeros(size, np.float32), np.zeros(size, np.float32)
        for window, corner in zip(probability, placement.corners, strict=True):
            self._window(total, corner)[...] += window * weight
            self._window(weights, corner)[...] += weight
        total /= weights
        return _unpad(total, placement)

    def training_pair(
        self, image: np.ndarray, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Geometry`; one window, each place as likely as any other."""
        row = int(rng.integers(max(image.shape[0] - self.height, 0) + 1))
        column = int(rng.integers(max(image.shape[1] - self.width, 0) + 1))
        return self.padded(self._window(image, (row, column)))[0], self.padded(self._window(mask, (row, column)))[0]

    def starts(self, height: int, width: int) -> tuple[list[int], list[int]]:
        """Return the first rows, and the first columns, of the windows over an (H, W) photo that has been padded."""
        rows = _starts(max(height, self.height), self.height, self.overlap)
        return rows, _starts(max(width, self.width), self.width, self.overlap)

    def weight(self) -> np.ndarray:
        """Return how much each pixel of a window counts where windows overlap, (h, w) float32."""
        return np.outer(_triangle(self.height), _triangle(self.width))

    def padded(self, image: np.ndarray) -> tuple[np.ndarray, int, int]:
        """Pad up to the size of one window where a photo is smaller; return it with its top and left margins."""
        size = (max(image.shape[0], self.height), max(image.shape[1], self.width))
        return _pad(image, size, "reflect")

    def _window(self, array: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
        """Return a view of the window whose top left is `corner`."""
        row, column = corner
        return array[row : row + self.height, column : column + self.width]


def _pad(array: np.ndarray, size: tuple[int, int], mode: str) -> tuple[np.ndarray, int, int]:
    """Centre (H, W[, C]) in (h, w[, C]); return it with its top and left margins in pixels."""
    down, right = size[0] - array.shape[0], size[1] - array.shape[1]
    if not (down or right):
        return array, 0, 0
    top, left = down // 2, right // 2
    padded = cv2.copyMakeBorder(array, top, down - top, left, right - left, BORDERS[mode])
    return padded.reshape(*size, *array.shape[2:]), top, left


def _unpad(array: np.ndarray, placement: Placement) -> np.ndarray:
    """Cut the photo's own pixels out of a padded (h, w) map."""
    bottom, right = placement.top + placement.height, placement.left + placement.width
    return array[placement.top : bottom, placement.left : right]


def _resize(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize (H, W[, C]): by area when neither side grows, else linearly."""
    if array.ndim == 3 and array.shape[2] > _MOST_CHANNELS:
        starts = range(0, array.shape[2], _MOST_CHANNELS)
        parts = (np.ascontiguousarray(array[..., start : start + _MOST_CHANNELS]) for start in starts)
        return np.dstack([_resize(part, height, width) for part in parts])
    shrinks = height <= array.shape[0] and width <= array.shape[1]
    resized = cv2.resize(array, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.reshape(height, width, *array.shape[2:])


def _resize_photo(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a photo; what is no number takes no part in its neighbours, and stays where it is all there is."""
    if image.dtype != np.float32 or np.isfinite(image).all():
        return _resize(image, height, width)
    is_number = np.isfinite(image)
    share = _resize(is_number.astype(np.float32), height, width)
    total = _resize(np.where(is_number, image, np.float32(0)), height, width)
    return np.divide(total, share, out=np.full_like(total, np.nan), where=share > 0)


def _starts(length: int, window: int, overlap: int) -> list[int]:
    """Return the first pixel of each window along a side of `length` >= `window` pixels."""
    last = length - window
    return [*range(0, last, window - overlap), last]


def _triangle(length: int) -> np.ndarray:
    """Return (length,) float32 weights rising linearly from the ends, never zero."""
    rise = np.arange(1, length + 1, dtype=np.float32)
    return np.minimum(rise, rise[::-1]) / length


def _check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise MaskfoldError(f"geometry.{name}={size} must be at least 1 pixel.")


def _check_stride(stride: int, **sizes: int) -> None:
    if any(size % stride for size in sizes.values()):
        wrong = ", ".join(f"geometry.{name}={size}" for name, size in sizes.items())
        nearest = " ".join(f"geometry.{name}={max(round(size / stride), 1) * stride}" for name, size in sizes.items())
        raise MaskfoldError(f"{wrong}: the network needs multiples of {stride}; the nearest right size is {nearest}.")
