"""Transforms that know where the object is: a crop that keeps it, another backdrop, another photo's object beside it.

albumentations transforms, for `maskfold.data.augmentation.Albumentations`; the arithmetic is in `composites` and
`pasting`.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from maskfold.data.augmentation import A  # not by its own name: see there
from maskfold.data.composites import change_backdrop, from_lab, object_of, ring_colour
from maskfold.data.pasting import Pasted, cut_out, paste, place, resize_mask, unite
from maskfold.errors import MaskfoldError

_TRIES = 10  # of a crop's size, before the photo stays as it is
_ASPECT = 1.25  # the most by which a crop's sides are scaled unlike one another
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
        return cv2.resize(img[window], img.shape[1::-1], interpolation=cv2.INTER_LINEAR).reshape(img.shape)

    def apply_to_mask(self, mask: np.ndarray, window: tuple[slice, slice], **params: object) -> np.ndarray:
        """See `resize_mask`."""
        return resize_mask(mask[window], mask.shape[:2])


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


class Combine(A.DualTransform):
    """Lays another training photo's object into a photo, before its own or behind it; needs RGB of 8 bits.

    The two masks become one; a class of what is hidden does not shine through what hides it. Without another photo,
    or where that has no object, the photo stays as it is.

    With `front=1`, `flip=0.5` and `parts=True` it is simple copy-paste (Ghiasi et al., CVPR 2021).

    Args:
        scale: The least and the most by which the object is made larger.
        p: Probability of being applied.
        front: Probability that the other object hides the photo's own, and is not hidden by it.
        flip: Probability that it is mirrored.
        parts: Whether each of its connected parts is laid into the photo by the toss of a coin, at least one of them.

    Raises:
        MaskfoldError: If the scale is not above 0, or a probability is none.
    """

    needs_partner = True  # see `maskfold.data.augmentation.Augmentation`
    changes_colours = True

    def __init__(
        self,
        scale: Sequence[float] = (0.5, 1.2),
        p: float = 0.5,
        *,
        front: float = 0.5,
        flip: float = 0.0,
        parts: bool = False,
    ):
        super().__init__(p=p)
        if not 0 < scale[0] <= scale[1]:
            raise MaskfoldError(f"augment: Combine of scale={list(scale)}; it goes from above 0 to the same or more.")
        if not (0 <= front <= 1 and 0 <= flip <= 1):
            raise MaskfoldError(f"augment: Combine of front={front} and flip={flip}; both are probabilities, 0 to 1.")
        self.scale, self.front, self.flip, self.parts = tuple(scale), front, flip, parts

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
        if self.parts:
            mask = some_parts(mask, rng)
        if self.flip and rng.random() < self.flip:
            image, mask = (np.ascontiguousarray(pixels[:, ::-1]) for pixels in (image, mask))
        image, mask = cut_out(image, mask, scale=rng.uniform(*self.scale))
        centre = rng.uniform(0, size)
        corner = tuple(np.rint(centre - np.array(mask.shape[:2]) / 2).astype(int))
        return place(image, mask, corner=corner, size=size, in_front=bool(rng.random() < self.front))

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


def some_parts(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep each connected part of an object by the toss of a coin, at least one of them.

    Args:
        mask: `(H, W)` or `(H, W, C)`, uint8 0 or 1, not empty; a part may have several classes.
        rng: Who tosses.
    """
    count, labels = cv2.connectedComponents(object_of(mask))
    kept = rng.random(count) < 0.5
    kept[0] = False  # what is no object
    if not kept.any():
        kept[rng.integers(1, count)] = True
    return mask * (kept[labels] if mask.ndim == 2 else kept[labels][..., None]).astype(mask.dtype)
