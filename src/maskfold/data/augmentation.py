"""Random changes to training samples, seeded one by one; the only module that imports albumentations.

The second engine, `maskfold.data.imgaug_compat.Imgaug`, has the same interface. Presets are in `conf/augment/`.
"""

import copy
import os
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import cv2
import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.phases import expand

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # read on import: it would ask the network for a newer release

import albucore
import albumentations as A

AUTO, CPU, DEVICE = "auto", "cpu", "device"  # where samples are changed, see `maskfold.segmentation.placing`

Partner = Callable[[], tuple[np.ndarray, np.ndarray] | None]


class Augmentation(Protocol):
    """What training asks of either engine.

    One whose `needs_partner` is true is also called with `partner`, a function that draws another training photo with
    its mask, brought to the network's size as the sample was, or None where there is none. It is read when it is
    asked for, so an augmentation asks only when it uses it.
    """

    def __call__(self, image: np.ndarray, mask: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a changed copy of one sample.

        The same arguments give the same bytes, in any process and after any other calls: no random state outlives
        a call, and neither NumPy's nor Python's global one is read or advanced.

        Args:
            image: (H, W, 3) uint8, RGB; left as it is.
            mask: (H, W), or (H, W, C) of several classes; uint8 0 or 1, or float32 in [0, 1] where the label is soft;
                left as it is.
            seed: Any integer from 0 on.

        Returns:
            The image and the mask, shaped and typed as given unless a transform crops or resizes. Where nothing
            was drawn to change them they may be the arrays given.
        """


class ByEpoch:
    """Augmentations that change in training: a table of phases, as schedules of the rate have.

    A phase is `{epochs: n, preset: name}`, or `{repeat: n, phases: [...]}`.

    Args:
        presets: Augmentations by name.
        phases: The table; the last preset holds beyond its end.
        device: Where samples are changed, for all presets.

    Raises:
        MaskfoldError: If a phase has other keys, or names a preset that is not there, or there is no such device.
    """

    def __init__(self, *, presets: dict[str, Augmentation], phases: Sequence[dict], device: str = AUTO) -> None:
        self.device = check_device(device)
        names = [row["preset"] for row in expand(phases, name="augment.phases", needed=["preset"])]
        unknown = sorted(set(names) - set(presets))
        if unknown:
            raise MaskfoldError(f"augment.phases: no preset {', '.join(unknown)}; there are {', '.join(presets)}.")
        self.table = [presets[name] for name in names]

    @property
    def colours(self) -> list[str]:
        """See `refuse_colours`."""
        return [name for augment in self.table for name in _colours(augment)]

    def at(self, epoch: int) -> Augmentation:
        """Return the augmentation of an epoch, counted from 0."""
        return self.table[min(epoch, len(self.table) - 1)]

    def with_table(self, table: Sequence[Any]) -> "ByEpoch":
        """Return the same with something else for each epoch."""
        other = copy.copy(self)
        other.table = [*table]
        return other


def check_device(device: str) -> str:
    """Return where samples are changed if that is a place there is.

    Raises:
        MaskfoldError: If it is not.
    """
    if device not in (AUTO, CPU, DEVICE):
        raise MaskfoldError(
            f"augment.device={device}: give {CPU}, {DEVICE} (the one that trains), or {AUTO}: the device where that is "
            "a GPU and knows every change."
        )
    return device


def refuse_colours(augment: Augmentation | ByEpoch | None, image: np.ndarray) -> None:
    """Refuse to change the colours of photos that are not RGB of 8 bits, of which nobody knows what colours are.

    Args:
        augment: What changes them; its `colours` names its transforms that do more than move pixels. One of the
            user's own without such an attribute is taken for one that can.
        image: One of the photos, `(H, W, C)`.

    Raises:
        MaskfoldError: Naming the transforms.
    """
    names = _colours(augment)
    if names and (image.dtype != np.uint8 or image.shape[2] != 3):
        raise MaskfoldError(
            f"augment: {', '.join(dict.fromkeys(names))} work on RGB photos of 8 bits, and with data.channels these "
            f"are {image.dtype} of {image.shape[2]}. Choose what moves pixels alone: augment=light, flip, crop or none."
        )


def _colours(augment: object) -> list[str]:
    return list(getattr(augment, "colours", []))


class Albumentations:
    """Applies albumentations transforms one after another.

    Args:
        transforms: albumentations transforms, applied in this order, each with its own probability `p`.
        device: Where a training is to do so; a call does so on the CPU in any case.

    Raises:
        MaskfoldError: If a transform was given an argument it does not have (albumentations alone only warns), or there
            is no such device.
    """

    def __init__(self, *, transforms: Sequence[A.BasicTransform | A.BaseCompose], device: str = AUTO):
        self.device = check_device(device)
        try:
            self.pipeline = A.Compose(list(transforms), strict=True)
        except ValueError as error:
            raise MaskfoldError(f"augment.transforms: {error}. Correct the argument's name.") from error

    @property
    def colours(self) -> list[str]:
        """See `refuse_colours`."""
        return [type(part).__name__ for part in _parts(self.pipeline) if _changes_colours(part)]

    @property
    def needs_partner(self) -> bool:
        """See `Augmentation`."""
        return any(getattr(part, "needs_partner", False) for part in _parts(self.pipeline))

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, seed: int, partner: Partner | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Augmentation`."""
        # Not set_random_seed: it starts every transform from the same draw, so that flip and shift go together.
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        more = {"partner": partner} if self.needs_partner else {}  # albumentations refuses what no transform asks for
        sample = self.pipeline(image=image, mask=mask, **more)
        return sample["image"], sample["mask"]


def _parts(transform: A.BasicTransform | A.BaseCompose) -> Iterator[A.BasicTransform]:
    """Yield the transforms, those inside others too."""
    if isinstance(transform, A.BaseCompose):
        for part in transform.transforms:
            yield from _parts(part)
    else:
        yield transform


def _changes_colours(transform: A.BasicTransform) -> bool:
    """Whether a transform does more than move pixels: it leaves the mask as it is, or says so itself."""
    return not isinstance(transform, A.DualTransform) or getattr(transform, "changes_colours", False)


class HueSaturationValue(A.HueSaturationValue):
    """albumentations' transform of this name, with the same arguments, draws and results, in a third of the time."""

    def apply(
        self, img: np.ndarray, hue_shift: float, sat_shift: float, val_shift: float, **params: object
    ) -> np.ndarray:
        """See `shift_hsv`."""
        return shift_hsv(img, hue_shift, sat_shift, val_shift)


def shift_hsv(image: np.ndarray, hue: float, saturation: float, value: float) -> np.ndarray:
    """Shift a photo's colours in OpenCV's HSV by whole levels; what is grey stays grey.

    Args:
        image: (H, W, 3) uint8, RGB.
        hue: Of 180; comes round at the ends.
        saturation: Of 255; stops at the ends.
        value: Of 255; stops at the ends.

    Returns:
        A new (H, W, 3) uint8 image.
    """
    levels = np.arange(256)
    tables = [
        np.mod(levels + hue, 180),
        np.where(levels == 0, 0, np.clip(levels + int(saturation), 0, 255)),
        np.clip(levels + int(value), 0, 255),
    ]
    return _through_hsv(image, [table.astype(np.uint8) for table in tables])


def _through_hsv(image: np.ndarray, tables: list[np.ndarray]) -> np.ndarray:
    """Look up hue, saturation and value of an RGB photo, (H, W, 3) uint8, each in its table, (256,) uint8."""
    planes = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    for plane, table in zip(planes, tables, strict=True):
        albucore.sz_lut(plane, table)
    merged = cv2.merge(planes)
    return cv2.cvtColor(merged, cv2.COLOR_HSV2RGB, dst=merged)


class AddHueSaturationValue(A.HueSaturationValue):
    """The same arguments and draws, added as the Carvana winners added them: see `add_hsv`."""

    def apply(
        self, img: np.ndarray, hue_shift: float, sat_shift: float, val_shift: float, **params: object
    ) -> np.ndarray:
        """See `add_hsv`."""
        return add_hsv(img, hue_shift, sat_shift, val_shift)


def add_hsv(image: np.ndarray, hue: float, saturation: float, value: float) -> np.ndarray:
    """Add to a photo's colours in OpenCV's HSV as bytes are added: they stop at their ends, and grey takes a tint.

    Args:
        image: (H, W, 3) uint8, RGB.
        hue: Of 180; stops at 0, and does not come round from there. (From 180 on OpenCV itself reads it as coming
            round.)
        saturation: Of 255.
        value: Of 255.

    Returns:
        A new (H, W, 3) uint8 image.
    """
    levels = np.arange(256, dtype=np.uint8)
    return _through_hsv(image, [cv2.add(levels, shift).ravel() for shift in (hue, saturation, value)])


class GreyObject(A.ImageOnlyTransform):
    """Takes the colour from the object and leaves it to the background; an albumentations transform.

    The idea is the Carvana winners' TernausNet's: the outline must not be learned from the colour of the paint.

    Args:
        p: Probability of being applied.
    """

    def __init__(self, p: float = 0.5):
        super().__init__(p=p)

    @property
    def targets_as_params(self) -> list[str]:
        """What albumentations must hand to `get_params_dependent_on_data`."""
        return ["mask"]

    def get_params_dependent_on_data(self, params: dict, data: dict) -> dict:
        """Return the (H, W) mask that `apply` needs: of several classes, where any of them is."""
        mask = data["mask"]
        return {"object_mask": mask if mask.ndim == 2 else mask.max(axis=2)}

    def apply(self, img: np.ndarray, object_mask: np.ndarray, **params: object) -> np.ndarray:
        """See `grey_object`."""
        return grey_object(img, object_mask)


def grey_object(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Replace the colour of each object pixel by its luma (0.299 R + 0.587 G + 0.114 B).

    Args:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) uint8 0 or 1, or float32 in [0, 1]; the object is 0.5 and above.

    Returns:
        A new (H, W, 3) uint8 image.
    """
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.copyTo(grey, (mask >= 0.5).astype(np.uint8), image.copy())
