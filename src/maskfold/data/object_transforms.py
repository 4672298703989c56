"""Transforms that know where the object is: a crop that keeps it, another backdrop, another photo's object beside it.

albumentations transforms, for `maskfold.data.augmentation.Albumentations`; the arithmetic is in `composites`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.data.augmentation import A  # not by its own name: see there
from maskfold.data.composites import (
    change_backdrop,
    from_lab,
    object_of,
    ring_colour,
    separate,
    soft_alpha,
    to_bytes,
    unite,
)
from maskfold.errors import MaskfoldError

_TRIES = 10  # of a crop's size, before the photo stays as it is
_ASPECT = 1.25  # the most by which a crop's sides are scaled unlike one another
_MARGIN = 8  # around a pasted object, pixels: more than its soft edge reaches
_LAB_REACH = 10  # of a colour near the object's, in each of Lab's three
_STUDIO_L = (60.0, 100.0)  # of whites and greys
_STUDIO_TINT = 3.0  # in a and b


class CropObject(A.DualTransform):
    """Crops a photo at random where enough of the object stays, and enlarges the crop to the photo's size.

    Several classes count as one object; of a photo without one any crop will do.

    Args:
        scale: The least and the most of each side that is kept, up to 1.
        keep: The least share of the object's pixels that stays.
        p: Probability of being applied.

    Raises:
        MaskfoldError: If a share is none.
    """

    def __init__(self, scale: Sequence[float] = (0.5, 1), keep: float = 0.6, p: float = 0.5):
        super().__init__(p=p)
        if not (0 < scale[0] <= scale[1] <= 1 and 0 <= keep <= 1):
            raise MaskfoldError(f"augment: CropObject of scale={list(scale)} and keep={keep}; both are shares, 0 to 1.")
        self.scale, self.keep = tuple(scale), keep

    @property
    def targets_as_params(self) -> list[str]:
        """What albumentations must hand to `get_params_dependent_on_data`."""
        return ["mask"]

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict:
        """Draw the crop."""
        mask = object_of(data["mask"])
        for _ in range(_TRIES):
            size = self._size(*mask.shape)
            corners = np.argwhere(kept_by_crops(mask, size) >= self.keep)
            if len(corners):
                row, column = corners[self.random_generator.integers(len(corners))]
                return {"window": np.s_[row : row + size[0], column : column + size[1]]}
        return {"window": np.s_[:, :]}

    def _size(self, height: int, width: int) -> tuple[int, int]:
        side = self.random_generator.uniform(*self.scale)
        aspect = np.exp(self.random_generator.uniform(-0.5, 0.5) * np.log(_ASPECT))
        shares = np.clip((side * aspect, side / aspect), *self.scale)
        return max(round(shares[0] * height), 1), max(round(shares[1] * width), 1)

    def apply(self, img: np.ndarray, window: tuple[slice, slice], **params: object) -> np.ndarray:
        """Enlarge the window, linearly."""
        return _resize(img[window], img.shape)

    def apply_to_mask(self, mask: np.ndarray, window: tuple[slice, slice], **params: object) -> np.ndarray:
        """Enlarge the window; a mask that is not soft is cut at one half, where two classes have no pixel in common."""
        share = _resize(mask[window].astype(np.float32), mask.shape)
        return share if mask.dtype == np.float32 else (share > 0.5).astype(mask.dtype)


def kept_by_crops(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the share of an object that crops of one size keep, by the crop's top left corner.

    Args:
        mask: `(H, W)`, uint8 0 or 1, or float32 in [0, 1].
        size: `(h, w)` of the crops, pixels.

    Returns:
        `(H - h + 1, W - w + 1)` shares; 1 everywhere where there is no object.
    """
    height, width = size
    total = cv2.integral(mask, sdepth=cv2.CV_64F)
    inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return inside / total[-1, -1] if total[-1, -1] > 0 else np.ones_like(inside)


def _resize(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.resize(array, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR).reshape(shape)


class Backdrop(A.ImageOnlyTransform):
    """Changes the colour of what is behind the object and leaves its light and shadows; needs RGB of 8 bits.

    A photo without an object, or without anything else, stays as it is.

    Args:
        studio: Share of whites and greys among the new colours.
        near: Share of colours near the object's own along its outline. The rest may be any.
        p: Probability of being applied.

    Raises:
        MaskfoldError: If the shares are none.
    """

    def __init__(self, studio: float = 0.4, near: float = 0.3, p: float = 0.5):
        super().__init__(p=p)
        if min(studio, near) < 0 or studio + near > 1:
            raise MaskfoldError(f"augment: Backdrop of studio={studio} and near={near}; together they are 1 at most.")
        self.studio, self.near = studio, near

    @property
    def targets_as_params(self) -> list[str]:
        """What albumentations must hand to `get_params_dependent_on_data`."""
        return ["image", "mask"]

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict:
        """Draw the colour."""
        mask = object_of(data["mask"])
        if not 0 < np.count_nonzero(mask >= 0.5) < mask.size:
            return {"object_mask": None, "colour": None}
        return {"object_mask": mask, "colour": self.draw_colour(data["image"], mask)}

    def draw_colour(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Draw a new colour, `(3,) float32` RGB of 0..255, for a photo and its `(H, W)` mask."""
        rng = self.random_generator
        kind = rng.random()
        if kind < self.studio:
            tint = rng.uniform(-_STUDIO_TINT, _STUDIO_TINT, 2)
            return from_lab(np.array([[rng.uniform(*_STUDIO_L), *tint]]))[0]
        if kind < self.studio + self.near:
            return from_lab(ring_colour(image, mask)[None] + rng.uniform(-_LAB_REACH, _LAB_REACH, (1, 3)))[0]
        return rng.uniform(0, 255, 3).astype(np.float32)

    def apply(
        self, img: np.ndarray, object_mask: np.ndarray | None, colour: np.ndarray, **params: object
    ) -> np.ndarray:
        """See `change_backdrop`."""
        return img if object_mask is None else change_backdrop(img, object_mask, colour)


@dataclass(frozen=True)
class Pasted:
    """Another photo's object where it is laid into a photo of `(H, W)`.

    `colour` is `(H, W, 3) float32` of 0..255; `alpha` `(H, W) float32`, how much of each pixel it takes up; `mask` is
    its own, `(H, W)` or `(H, W, C) uint8`; `in_front` says whether it hides the photo's own object or is hidden.
    """

    colour: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray
    in_front: bool


class Combine(A.DualTransform):
    """Lays another training photo's object into a photo, before its own or behind it; needs RGB of 8 bits.

    The two masks become one; a class of what is hidden does not shine through what hides it. Without another photo,
    or where that has no object, the photo stays as it is.

    Args:
        scale: The least and the most by which the object is made larger.
        p: Probability of being applied.

    Raises:
        MaskfoldError: If the scale is not above 0.
    """

    needs_partner = True  # see `maskfold.data.augmentation.Augmentation`
    changes_colours = True

    def __init__(self, scale: Sequence[float] = (0.5, 1.2), p: float = 0.5):
        super().__init__(p=p)
        if not 0 < scale[0] <= scale[1]:
            raise MaskfoldError(f"augment: Combine of scale={list(scale)}; it goes from above 0 to the same or more.")
        self.scale = tuple(scale)

    @property
    def targets_as_params(self) -> list[str]:
        """What albumentations must hand to `get_params_dependent_on_data`."""
        return ["image", "mask", "partner"]

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict:
        """Fetch the other photo, and draw where its object goes."""
        partner: Callable[[], tuple[np.ndarray, np.ndarray] | None] | None = data["partner"]
        pair = None if partner is None else partner()
        if pair is None or not (object_of(pair[1]) >= 0.5).any():
            return {"pasted": None, "own_mask": None}
        return {"pasted": self._draw(*pair, data["mask"].shape[:2]), "own_mask": data["mask"]}

    def _draw(self, image: np.ndarray, mask: np.ndarray, size: tuple[int, int]) -> Pasted:
        rng = self.random_generator
        image, mask = cut_out(image, mask, scale=rng.uniform(*self.scale))
        centre = rng.uniform(0, size)
        corner = tuple(np.rint(centre - np.array(mask.shape[:2]) / 2).astype(int))
        return place(image, mask, corner=corner, size=size, in_front=bool(rng.random() < 0.5))

    def apply(
        self, img: np.ndarray, pasted: Pasted | None, own_mask: np.ndarray | None, **params: object
    ) -> np.ndarray:
        """See `paste`."""
        return img if pasted is None or own_mask is None else paste(img, own_mask, pasted)

    def apply_to_mask(self, mask: np.ndarray, pasted: Pasted | None, **params: object) -> np.ndarray:
        """See `unite`."""
        if pasted is None:
            return mask
        return unite(pasted.mask, mask) if pasted.in_front else unite(mask, pasted.mask)


def cut_out(image: np.ndarray, mask: np.ndarray, *, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut out the box around an object, with a margin, and resize it.

    Args:
        image: `(H, W, 3) uint8`.
        mask: `(H, W)` or `(H, W, C)` of values 0 and 1, not empty.
        scale: Of both sides.

    Returns:
        Photo and mask of the box, typed alike. A margin that lies outside the photo repeats its border; the mask is
        empty there.
    """
    left, top, width, height = cv2.boundingRect((object_of(mask) >= 0.5).astype(np.uint8))
    margin = int(np.ceil(_MARGIN / min(scale, 1)))
    wide = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    photo = wide[top : top + height + 2 * margin, left : left + width + 2 * margin]
    labels = np.pad(mask, [(margin, margin)] * 2 + [(0, 0)] * (mask.ndim - 2))
    labels = labels[top : top + height + 2 * margin, left : left + width + 2 * margin].astype(np.float32)
    shape = tuple(max(round(scale * side), 1) for side in photo.shape[:2])
    small = cv2.resize(photo, shape[::-1], interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return small, (_resize(labels, (*shape, *mask.shape[2:])) > 0.5).astype(np.uint8)


def place(
    image: np.ndarray, mask: np.ndarray, *, corner: tuple[int, int], size: tuple[int, int], in_front: bool
) -> Pasted:
    """Lay a cut-out object into an empty photo.

    Args:
        image: `(h, w, 3) uint8`.
        mask: `(h, w)` or `(h, w, C) uint8`, 0 or 1.
        corner: The row and column of its top left pixel; what lies outside the photo is cut off.
        size: `(H, W)` of the photo.
        in_front: See `Pasted`.
    """
    alpha = soft_alpha(object_of(mask))
    parts = [separate(image, alpha)[0], alpha, mask]
    # First and last of the rows, and of the columns, that both have, counted in the photo.
    spans = [
        (max(at, 0), max(min(at + side, whole), 0)) for at, side, whole in zip(corner, mask.shape, size, strict=False)
    ]
    target = tuple(slice(first, max(first, last)) for first, last in spans)
    source = tuple(slice(part.start - at, part.stop - at) for part, at in zip(target, corner, strict=True))
    placed = [np.zeros((*size, *part.shape[2:]), part.dtype) for part in parts]
    for whole, part in zip(placed, parts, strict=True):
        whole[target] = part[source]
    return Pasted(*placed, in_front=in_front)


def paste(image: np.ndarray, mask: np.ndarray, pasted: Pasted) -> np.ndarray:
    """Show another object in a photo; whatever it does not reach stays as it is, byte for byte.

    Args:
        image: `(H, W, 3) uint8`.
        mask: The photo's own, `(H, W)` or `(H, W, C)`.
        pasted: The other object, in a photo of that size.

    Returns:
        A new `(H, W, 3) uint8` photo.
    """
    photo = image.astype(np.float32)
    share, hidden = pasted.alpha, photo
    if not pasted.in_front:
        own = soft_alpha(object_of(mask))
        share, hidden = share * (1 - own), separate(image, own)[1]
    return to_bytes(photo + share[..., None] * (pasted.colour - hidden))
