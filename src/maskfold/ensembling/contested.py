"""What a blend can change: the pixels on which members fall on different sides of the threshold.

Where all members agree, every weighted mean of them agrees too. Only the other pixels are kept, so that trying weights
on thousands of images needs neither their maps again nor much memory. Scores are exact for a mask with up to `MOST` of
them; of more, a random sample stands for all. An image of several classes has a mask for each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.ensembling.evaluation import refuse_other_classes
from maskfold.ensembling.means import LOGIT, PROBABILITY, logit_of_threshold, logits_of_bytes
from maskfold.ensembling.merge import merged_probability, sizes_of
from maskfold.ensembling.tree import MemberMaps
from maskfold.masks.metrics import METRICS_BY_NAME, Metric
from maskfold.masks.planes import planes
from maskfold.masks.scoring import Marks
from maskfold.parallel import map_unordered

MOST = 4096  # contested pixels kept of a mask; of more, a random sample stands for all
_EXACT = 1e-9  # weights that are no binary fractions do not add up exactly


@dataclass(frozen=True)
class Contested:
    """The contested pixels of N masks and M members, K in all.

    Attributes:
        values: `(M, K) uint8`, the members' probabilities, 0..255.
        truth: `(K,) bool`.
        image: `(K,) int64`, the number of each pixel's mask, ascending.
        stands_for: `(K,) float64`, how many pixels each stands for.
        certain: `(N,) float64`, pixels that every blend predicts.
        right: `(N,) float64`, those of them that are in the mask.
        actual: `(N,) float64`, pixels of the mask, contested ones included.
        threshold: Of 255; `(N,)` where masks differ in it.
        metric: What masks are scored by, one that follows from counts.
        mean: How the members are averaged, `probability` or `logit`. Of ranks it is not known: they are places among
            all pixels, of which these are a few.
    """

    values: np.ndarray
    truth: np.ndarray
    image: np.ndarray
    stands_for: np.ndarray
    certain: np.ndarray
    right: np.ndarray
    actual: np.ndarray
    threshold: int | np.ndarray
    metric: Metric = METRICS_BY_NAME["dice"]
    mean: str = PROBABILITY

    @property
    def cut(self) -> int | np.ndarray:
        """The threshold of every pixel: one for all, or `(K,)`."""
        return self.threshold[self.image] if isinstance(self.threshold, np.ndarray) else self.threshold

    def marks(self, weights: np.ndarray) -> Marks:
        """Return what every mask comes to, `(N,)`, for weights `(M,)` that add up to 1."""
        if self.mean == LOGIT:
            values, least = self.summands
            return self.marks_of(weights @ values >= least)
        return self.marks_of(weights @ self.values >= self.cut - 0.5 - _EXACT)

    def marks_of(self, predicted: np.ndarray) -> Marks:
        """Return what every mask comes to, `(N,)`, for a decision on every pixel, `(K,) bool`."""
        masks = len(self.actual)
        counted = predicted * self.stands_for
        total = self.certain + np.bincount(self.image, counted, masks)
        both = self.right + np.bincount(self.image, counted * self.truth, masks)
        # pyrefly: ignore[not-callable]
        return Marks(*self.metric.of_counts(both, total, self.actual))

    @property
    def summands(self) -> tuple[np.ndarray, np.ndarray]:
        """What is averaged, `(M, K)`, and what the mean must be at least: whole numbers of probabilities, else logits.

        A mean of whole numbers rounds to the threshold or above when twice their mean is at least twice that less one.
        """
        if self.mean == LOGIT:
            return logits_of_bytes()[self.values], logit_of_threshold(self.cut) - _EXACT
        return 2 * self.values.astype(np.int32), 2 * np.asarray(self.cut) - 1

    def of_images(self, chosen: np.ndarray) -> "Contested":
        """Return what belongs to some of the masks, `(N,) bool`."""
        pixels = chosen[self.image]
        return Contested(
            self.values[:, pixels],
            self.truth[pixels],
            (np.cumsum(chosen) - 1)[self.image[pixels]],
            self.stands_for[pixels],
            self.certain[chosen],
            self.right[chosen],
            self.actual[chosen],
            self.threshold[chosen] if isinstance(self.threshold, np.ndarray) else self.threshold,
            self.metric,
            self.mean,
        )


def by_counts(metric: Metric | None) -> Metric:
    """Return a metric if it follows from counts, which is what blends are tried by, and Dice if it does not."""
    return metric if metric is not None and metric.of_counts is not None else METRICS_BY_NAME["dice"]


def groups_of_masks(contested: Contested, groups: pd.Series) -> pd.Series:
    """Return the group of every mask, given that of every image."""
    return groups.repeat(len(contested.actual) // len(groups)).reset_index(drop=True)


def contest(
    maps: np.ndarray, mask: np.ndarray, *, threshold: int, seed: int = 0, metric: Metric = METRICS_BY_NAME["dice"]
) -> Contested:
    """Find the contested pixels of one mask.

    Args:
        maps: `(M, H, W) uint8`, 0..255.
        mask: `(H, W) uint8`, 0 or 1.
        threshold: Of 255; at or above is object.
        seed: Of the sample, where there are more than `MOST`.
        metric: What masks are scored by.
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
        metric,
    )


def joined(parts: Sequence[Contested]) -> Contested:
    """Put the contested pixels of several masks together, in their order."""
    thresholds = [part.threshold for part in parts]
    names = ("truth", "stands_for", "certain", "right", "actual")
    return Contested(
        values=np.concatenate([part.values for part in parts], axis=1),
        image=np.repeat(np.arange(len(parts)), [len(part.truth) for part in parts]),
        threshold=thresholds[0] if len({*thresholds}) == 1 else np.array(thresholds),
        metric=parts[0].metric,
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
    )


def contested_pixels(
    sources: Sequence[MemberMaps],
    rows: pd.DataFrame,
    *,
    threshold: int | Sequence[int],
    metric: Metric = METRICS_BY_NAME["dice"],
    jobs: int = -1,
) -> Contested:
    """Find the contested pixels of every image's out-of-fold maps; of several classes those of each, image by image.

    Args:
        sources: The members.
        rows: Rows of the image table that have masks.
        threshold: Of 255; of several classes one for each.
        metric: What masks are scored by, one that follows from counts.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map or a mask cannot be read, or a map has not its photo's size and classes.
    """
    images = list(enumerate(zip(rows["image_id"], rows["mask"], sizes_of(rows), strict=True)))
    look = partial(_contest_image, sources, threshold, metric)
    contests = dict(map_unordered(look, images, "compare", jobs=jobs))
    together = joined([part for number in range(len(images)) for part in contests[number]])
    return replace(together, mean=LOGIT) if sources[0].leaf.mean == LOGIT else together


def _contest_image(
    sources: Sequence[MemberMaps],
    threshold: int | Sequence[int],
    metric: Metric,
    image: tuple[int, tuple[str, str, tuple[int, int]]],
) -> tuple[int, list[Contested]]:
    number, (image_id, path, size) = image
    maps = np.stack([planes(merged_probability([source], image_id, size=size)) for source in sources])
    masks = planes(read_mask(path, size=size))
    refuse_other_classes(maps[0], masks, image_id)
    cuts = (threshold,) * len(masks) if isinstance(threshold, int) else threshold
    return number, [
        contest(maps[:, plane], mask, threshold=cut, seed=number, metric=metric)
        for plane, (mask, cut) in enumerate(zip(masks, cuts, strict=True))
    ]
