"""What an augmentation draws for a sample, without changing it: the device changes whole batches by that.

The draws are the transforms' own, in the same order and from the same seed. So a sample is changed in the same way
wherever that is done, and whatever batch it is in. `maskfold.segmentation.batch_changes` does it.
"""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from maskfold.data.augmentation import (  # A not by its own name: see there
    A,
    AddHueSaturationValue,
    Albumentations,
    Augmentation,
    ByEpoch,
    GreyObject,
    HueSaturationValue,
)

CHANGE = "change"  # begins the name of each entry of a sample that says what to change
_BORDERS = {cv2.BORDER_REFLECT_101: "reflect", cv2.BORDER_REPLICATE: "replicate", cv2.BORDER_CONSTANT: "constant"}
_JITTERS = ("brightness", "contrast", "saturation")
_CONTAINERS = (A.Compose, A.Sequential, A.OneOf)  # of those others a transform may come twice, or in another order

Values = Callable[[dict[str, Any]], Sequence[float]]
"""From what a transform has drawn to the numbers that the device needs."""


class Drawing:
    """Draws for a sample what an augmentation would change in it.

    Args:
        augment: One that `only_on_cpu` has nothing against.
    """

    def __init__(self, augment: Albumentations) -> None:
        self.pipeline = copy.deepcopy(augment.pipeline)
        self.parts = [part for part in _flat(self.pipeline) if not isinstance(part, A.BaseCompose)]
        for part in self.parts:
            part.apply_with_params = _as_it_is

    def __call__(self, shape: tuple[int, ...], seed: int) -> dict[str, np.ndarray]:
        """Draw for one sample.

        Args:
            shape: (H, W, C), its image's.
            seed: As the augmentation takes it.

        Returns:
            For each transform in their order, by `change <number> <kind>`: whether it is applied, 0 or 1, and the
            numbers that its kind needs, float32. All samples have the same entries.
        """
        for part in self.parts:
            part.params = {}  # those that no container chooses would keep the last sample's
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        blank = np.broadcast_to(np.uint8(0), shape)
        self.pipeline(image=blank, mask=blank[..., 0])
        return dict(_entry(number, part) for number, part in enumerate(self.parts))


def drawing(augment: Augmentation | ByEpoch) -> Drawing | ByEpoch:
    """Return what draws an augmentation's changes, for each epoch where it changes with them."""
    if not isinstance(augment, ByEpoch):
        return Drawing(augment)
    drawings = {id(one): Drawing(one) for one in augment.table}
    return augment.with_table([drawings[id(one)] for one in augment.table])


def only_on_cpu(augment: Augmentation | ByEpoch) -> list[str]:
    """Return the names of what keeps an augmentation from the device; none if nothing does."""
    if isinstance(augment, ByEpoch):
        return sorted({name for one in augment.table for name in [*only_on_cpu(one), *_kept(one)]})
    if not isinstance(augment, Albumentations):
        return [type(augment).__name__]
    return sorted({type(part).__name__ for part in _flat(augment.pipeline) if not _is_known(part)})


def _kept(augment: Augmentation) -> list[str]:
    return [f"{type(augment).__name__} with device: cpu"] if getattr(augment, "device", "cpu") == "cpu" else []


def _flat(transform: A.BasicTransform | A.BaseCompose) -> Iterator[A.BasicTransform | A.BaseCompose]:
    """Yield a transform and those inside it, in the order in which they are applied."""
    yield transform
    for part in getattr(transform, "transforms", ()) if isinstance(transform, A.BaseCompose) else ():
        yield from _flat(part)


def _is_known(part: A.BasicTransform | A.BaseCompose) -> bool:
    return type(part) in _CONTAINERS if isinstance(part, A.BaseCompose) else _kind(part) is not None


def _as_it_is(params: dict[str, Any], **data: Any) -> dict[str, Any]:
    """Stand for a transform's work: leave a sample as it is."""
    return data


def _entry(number: int, part: A.BasicTransform) -> tuple[str, np.ndarray]:
    """Return a transform's entry of a sample; zeros where it is not applied."""
    kind, length, values = _kind(part)
    entry = np.zeros(1 + length, np.float32)
    if part.params:
        entry[:] = 1, *values(part.params)
    return f"{CHANGE} {number} {kind}", entry


def _kind(part: A.BasicTransform) -> tuple[str, int, Values] | None:
    """Return what the device calls such a transform, how many numbers it needs and which; None if it has none."""
    look_up = _KINDS.get(type(part))  # no class of the user's own that is derived from one of these
    return None if look_up is None else look_up(part)


def _affine(part: A.Affine) -> tuple[str, int, Values] | None:
    usual = (part.interpolation, part.mask_interpolation) == (cv2.INTER_LINEAR, cv2.INTER_NEAREST)
    black = part.border_mode != cv2.BORDER_CONSTANT or not (np.any(part.fill) or np.any(part.fill_mask))
    if part.fit_output or part.border_mode not in _BORDERS or not (usual and black):
        return None
    return f"affine_{_BORDERS[part.border_mode]}", 6, lambda drawn: np.linalg.inv(drawn["matrix"])[:2].ravel()


def _jitter(part: A.ColorJitter) -> tuple[str, int, Values] | None:
    """Return the one of a jitter's changes that it makes: several would come in an order that is drawn."""
    made = [name for name in _JITTERS if tuple(getattr(part, name)) != (1, 1)]
    if len(made) > 1 or tuple(part.hue) != (0, 0):
        return None
    name = made[0] if made else _JITTERS[0]
    return name, 1, lambda drawn: [drawn[name]]


def _grey(part: A.ToGray) -> tuple[str, int, Values] | None:
    usual = (part.method, part.num_output_channels) == ("weighted_average", 3)
    return ("grey", 0, lambda _drawn: []) if usual else None


def _hsv(kind: str) -> Callable[[A.HueSaturationValue], tuple[str, int, Values]]:
    names = ("hue_shift", "sat_shift", "val_shift")
    return lambda _part: (kind, 3, lambda drawn: [drawn[name] for name in names])


def _plain(kind: str) -> Callable[[A.BasicTransform], tuple[str, int, Values]]:
    return lambda _part: (kind, 0, lambda _drawn: [])


_KINDS: dict[type, Callable[[Any], tuple[str, int, Values] | None]] = {
    A.HorizontalFlip: _plain("flip_columns"),
    A.VerticalFlip: _plain("flip_rows"),
    A.Affine: _affine,
    A.ColorJitter: _jitter,
    A.ToGray: _grey,
    A.HueSaturationValue: _hsv("shift_hsv"),
    HueSaturationValue: _hsv("shift_hsv"),
    AddHueSaturationValue: _hsv("add_hsv"),
    GreyObject: _plain("grey_object"),
}
