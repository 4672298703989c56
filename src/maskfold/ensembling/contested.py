"""What a blend can change: the pixels on which members fall on different sides of the threshold.

Where all members agree, every weighted mean of them agrees too. Only the other pixels are kept, so that trying weights
on thousands of images needs neither their maps again nor much memory. The Dice is exact for an image with up to `MOST`
of them; of more, a random sample stands for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.ensembling.merge import merged_probability, sizes_of
from maskfold.ensembling.tree import MemberMaps
from maskfold.masks.scores import dice_score
from maskfold.parallel import map_unordered

MOST = 4096  # contested pixels kept of an image; of more, a random sample stands for all
_EXACT = 1e-9  # weights that are no binary fractions do not add up exactly


@dataclass(frozen=True)
class Contested:
    """The contested pixels of N images and M members, K in all.

    Attributes:
        values: `(M, K) uint8`, the members' probabilities, 0..255.
        truth: `(K,) bool`.
        image: `(K,) int64`, the number of each pixel's image, ascending.
        stands_for: `(K,) float64`, how many pixels each stands for.
        certain: `(N,) float64`, pixels that every blend predicts.
        right: `(N,) float64`, those of them that are in the mask.
        actual: `(N,) float64`, pixels of the mask, contested ones included.
        threshold: Of 255.
    """

    values: np.ndarray
    truth: np.ndarray
    image: np.ndarray
    stands_for: np.ndarray
    certain: np.ndarray
    right: np.ndarray
    actual: np.ndarray
    threshold: int

    def dice(self, weights: np.ndarray) -> np.ndarray:
        """Return the Dice of every image, `(N,) float64`, for weights `(M,)` that add up to 1."""
        return self.dice_of(weights @ self.values >= self.threshold - 0.5 - _EXACT)

    def dice_of(self, predicted: np.ndarray) -> np.ndarray:
        """Return the Dice of every image, `(N,) float64`, for a decision on every pixel, `(K,) bool`."""
        images = len(self.actual)
        counted = predicted * self.stands_for
        total = self.certain + np.bincount(self.image, counted, images)
        both = self.right + np.bincount(self.image, counted * self.truth, images)
        return dice_score(both, total, self.actual)

    def of_images(self, chosen: np.ndarray) -> "Contested":
        """Return what belongs to some of the images, `(N,) bool`."""
        pixels = chosen[self.image]
        return Contested(
            self.values[:, pixels],
            self.truth[pixels],
            (np.cumsum(chosen) - 1)[self.image[pixels]],
            self.stands_for[pixels],
            self.certain[chosen],
            self.right[chosen],
            self.actual[chosen],
            self.threshold,
        )


def contest(maps: np.ndarray, mask: np.ndarray, *, threshold: int, seed: int = 0) -> Contested:
    """Find the contested pixels of one image.

    Args:
        maps: `(M, H, W) uint8`, 0..255.
        mask: `(H, W) uint8`, 0 or 1.
        threshold: Of 255; at or above is object.
        seed: Of the sample, where there are more than `MOST`.
    """
    object_votes = (maps >= threshold).sum(axis=0)
    certain = object_votes == len(maps)
    pixels = np.flatnonzero((object_votes > 0) & ~certain)
    count = len(pixels)
    if count > MOST:
        pixels = np.sort(np.random.default_rng(seed).choice(pixels, MOST, replace=False))
    return Contested(
        maps.reshape(len(maps), -1)[:, pixels],
        mask.ravel()[pixels].astype(bool),
        np.zeros(len(pixels), np.int64),
        np.full(len(pixels), count / max(len(pixels), 1)),
        np.array([np.count_nonzero(certain)], np.float64),
        np.array([np.count_nonzero(certain & (mask > 0))], np.float64),
        np.array([np.count_nonzero(mask)], np.float64),
        threshold,
    )


def joined(parts: Sequence[Contested]) -> Contested:
    """Put the contested pixels of several images together, in their order."""
    names = ("truth", "stands_for", "certain", "right", "actual")
    return Contested(
        values=np.concatenate([part.values for part in parts], axis=1),
        image=np.repeat(np.arange(len(parts)), [len(part.truth) for part in parts]),
        threshold=parts[0].threshold,
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
    )


def contested_pixels(sources: Sequence[MemberMaps], rows: pd.DataFrame, *, threshold: int, jobs: int = -1) -> Contested:
    """Find the contested pixels of every image's out-of-fold maps.

    Args:
        sources: The members.
        rows: Rows of the image table that have masks.
        threshold: Of 255.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map or a mask cannot be read, or a map has not its photo's size.
    """
    images = list(enumerate(zip(rows["image_id"], rows["mask"], sizes_of(rows), strict=True)))
    look = partial(_contest_image, sources, threshold)
    contests = dict(map_unordered(look, images, "compare", jobs=jobs))
    return joined([contests[number] for number in range(len(images))])


def _contest_image(
    sources: Sequence[MemberMaps], threshold: int, image: tuple[int, tuple[str, str, tuple[int, int]]]
) -> tuple[int, Contested]:
    number, (image_id, mask, size) = image
    maps = [merged_probability([source], image_id, size=size) for source in sources]
    return number, contest(np.stack(maps), read_mask(mask, size=size), threshold=threshold, seed=number)
