"""Photos and masks as a network eats them: geometry, preprocessing and seeded augmentation of one image at a time."""

from functools import partial

import cv2
import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from maskfold.data.augmentation import Augmentation, ByEpoch
from maskfold.data.drawing import Drawing
from maskfold.data.geometry import Geometry
from maskfold.data.loading import read_soft_mask
from maskfold.data.mask_copies import copies_of, read_copied
from maskfold.data.preprocessing import Preprocess
from maskfold.data.shown import PhotoFile
from maskfold.data.windows import are_large, open_mask, open_photo, refuse_whole
from maskfold.engine.tensors import to_tensor
from maskfold.errors import MaskfoldError
from maskfold.masks.planes import planes
from maskfold.segmentation.distillation import blended, lessons_of
from maskfold.terminal import counted


def to_target(mask: np.ndarray) -> torch.Tensor:
    """Turn a mask, uint8 0/1 or float32 in [0, 1], into a `(C, H, W) uint8` tensor with 255 for certain.

    Args:
        mask: `(H, W)`; of several classes `(H, W, C)`.
    """
    soft = mask.dtype == np.float32
    values = np.rint(mask * 255).astype(np.uint8) if soft else mask * np.uint8(255)
    return to_tensor(np.atleast_3d(values))


def to_stack(mask: np.ndarray) -> np.ndarray:
    """Turn a mask of several classes, `(C, H, W)`, into `(H, W, C)`; that of one, `(H, W)`, stays as it is."""
    return mask if mask.ndim == 2 else cv2.merge([*mask]).reshape(*mask.shape[1:], len(mask))


class LabelledDataset(Dataset):
    """Pairs of photo and mask for training and validation.

    An item is asked for by `(epoch, index)`, or where an epoch has it once more by `(epoch, index, n)`, and everything
    random about it follows from these and the seed: a run repeats bit for bit whatever the number of workers, and
    wherever it was interrupted.

    Of a very large photo, and of its mask, only the window is read that the network is shown.

    Args:
        table: Rows of the image table that have masks. Where there are such columns, `weight` says how much each
            counts in the loss (1 is a full sample), `soft` whether its mask holds probabilities, 255 for certain, and
            `mask_copy` where it is kept as an array, see `maskfold.data.mask_copies`; `taught` and `taught_share` mix
            into it what teachers say, see `lessons_of`.
        geometry: The way to the network's input.
        seed: The run's seed.
        preprocess: `(H, W, channels) -> (H, W, channels)`, applied here and at prediction alike.
        augment: `(image, mask, seed) -> (image, mask)`, one for each epoch, or None for validation. One that needs
            a partner is given one of the table's other photos, none of those whose masks are soft, with its true mask.
            Of a `Drawing` samples say what to change and are left as they are, for the device to do it.
        channels: Of the photos, see `read_image`.
        classes: Of a mask.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        geometry: Geometry,
        seed: int = 0,
        preprocess: Preprocess | None = None,
        augment: Augmentation | ByEpoch | Drawing | None = None,
        channels: int | None = None,
        classes: int = 1,
    ) -> None:
        self.large = are_large(table).tolist()
        refuse_whole(table[self.large], geometry)
        self.images = table["image"].tolist()
        self.masks = table["mask"].tolist()
        self.weights = table["weight"].tolist() if "weight" in table else [1.0] * len(table)
        self.soft = table["soft"].tolist() if "soft" in table else [False] * len(table)
        self.lessons = lessons_of(table)
        self.copies = copies_of(table)
        self.partners = [index for index, soft in enumerate(self.soft) if not soft]
        self.geometry = geometry
        self.seed = seed
        self.preprocess = preprocess
        self.augment = augment
        self.channels = channels
        self.classes = classes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Return `image (3, H, W) uint8`, `mask (C, H, W) uint8`, 255 for certain, and `weight () float32`.

        With `channels`, the image has that many, uint8 or float32 as its file has them. Where the device is to change
        samples, there is what it is to do as well, see `maskfold.data.drawing`.

        Raises:
            MaskfoldError: If photo or mask cannot be read, or the mask is of another number of classes.
        """
        epoch, index, *_ = key
        rng = np.random.default_rng((self.seed, *key))
        image, mask = self._shown(index, rng)
        augment = self.augment.at(epoch) if isinstance(self.augment, ByEpoch) else self.augment
        changes = {}
        if isinstance(augment, Drawing):
            drawn = augment(image.shape, int(rng.integers(2**31)))
            changes = {name: torch.from_numpy(numbers) for name, numbers in drawn.items()}
        elif augment is not None:
            seed = int(rng.integers(2**31))
            more = {"partner": partial(self._partner, index, rng)} if getattr(augment, "needs_partner", False) else {}
            image, mask = augment(image, mask, seed, **more)
        weight = torch.tensor(self.weights[index], dtype=torch.float32)
        return {"image": to_tensor(image), "mask": to_target(mask), "weight": weight, **changes}

    def _shown(self, index: int, rng: np.random.Generator, *, taught: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return what a network is shown of a photo, and of its mask; `taught` is whether teachers have a say in it."""
        return self._window_pair(index, rng) if self.large[index] else self._pair(index, rng, taught=taught)

    def _partner(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the same of another photo, drawn among those whose masks are sure; None if there is no other."""
        if not set(self.partners[:2]) - {index}:
            return None
        while (other := self.partners[rng.integers(len(self.partners))]) == index:
            pass
        return self._shown(other, rng, taught=False)

    def _pair(self, index: int, rng: np.random.Generator, *, taught: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return what a network is shown of a photo that is not very large, and of its mask."""
        image = PhotoFile(self.images[index], channels=self.channels).prepared(self.geometry, self.preprocess)
        return self.geometry.training_pair(image, self._mask(index, image.shape[:2], taught=taught), rng)

    def _window_pair(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the same of a very large photo, of which no more is read than the window; it is preprocessed alone."""
        path = self.masks[index]
        if self.soft[index]:
            raise MaskfoldError(
                f"{path}: a soft mask of a very large photo, which are not read by windows. Take it out."
            )
        photo = open_photo(self.images[index], channels=self.channels)
        mask = open_mask(path, photo.shape[:2])
        self._refuse_other_classes(path, mask.shape[2] if len(mask.shape) == 3 else 1)
        image, target = self.geometry.training_pair(photo, mask, rng)
        return image if self.preprocess is None else self.preprocess(image), target

    def _mask(self, index: int, size: tuple[int, int], *, taught: bool) -> np.ndarray:
        """Return a mask of a photo's size, `(H, W)` or `(H, W, C)`."""
        if self.soft[index]:
            mask = read_soft_mask(self.masks[index], size=size)
        else:
            mask = read_copied(self.masks[index], self.copies[index], size=size)
        self._refuse_other_classes(self.masks[index], len(planes(mask)))
        lesson = self.lessons[index] if taught else None
        if lesson is not None:
            mask = blended(mask, read_soft_mask(lesson[0], size=size), lesson[1])
        return to_stack(mask)

    def _refuse_other_classes(self, path: str, count: int) -> None:
        if count != self.classes:
            raise MaskfoldError(
                f"{path}: a mask of {counted(count, 'plane')}, and the data has "
                f"{counted(self.classes, 'class', 'classes')}: correct data.classes, or the masks."
            )
