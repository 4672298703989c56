"""Very large pictures in an ensemble: the mean of their maps, masks, runs and scores, a band of rows at a time."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.data.windows import LARGE, Picture, Window, are_large, bands, open_mask
from maskfold.ensembling.by_class import step_name
from maskfold.ensembling.mean_map import MeanOnDisk
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import Metric
from maskfold.masks.planes import likeliest, planes
from maskfold.masks.rules import Rules, TextByBands
from maskfold.masks.scores import threshold_counts
from maskfold.masks.unconfidence import unconfidence_of, unsure_and_compared
from maskfold.terminal import counted

log = logging.getLogger(__name__)


def refuse_steps(image_id: str, steps: Sequence[object]) -> None:
    """Refuse post-processing of a very large picture: a step needs its whole mask, and several times its memory.

    Raises:
        MaskfoldError: If there is a step; the message names the first one.
    """
    if steps:
        raise MaskfoldError(
            f"{image_id} has more than {LARGE:,} pixels and is merged by parts, and the ensemble's step "
            f"{step_name(steps[0])} needs the whole mask. Leave steps out: ensemble.postprocess=[], and neither "
            "ensemble.empty nor ensemble.repair. Or put the very large photos into a data set of their own."
        )


def warn_of_unscored(photos: pd.DataFrame, metric: Metric) -> None:
    """Say how many very large photos with masks are not scored: of those pixels are counted, which may not tell.

    Args:
        photos: Rows of the image table.
        metric: What masks are scored by.
    """
    unscored = int((are_large(photos) & photos["mask"].notna()).sum())
    if unscored and metric.of_counts is None:
        log.warning(
            "%s of %s very large and not scored by %s, which looks at whole masks; Dice and IoU are counted.",
            f"{unscored:,}",
            counted(len(photos), "photo is", "photos are"),
            metric.title,
        )


def open_truth(path: str, mean: MeanOnDisk) -> Picture:
    """Open the mask that a very large map is scored against.

    Raises:
        MaskfoldError: If it cannot be read, or is of another size or of other classes than the map.
    """
    truth = open_mask(path, mean.shape[-2:])
    planes_there = truth.shape[2] if len(truth.shape) == 3 else 1
    if planes_there != mean.classes:
        raise MaskfoldError(f"{path}: a mask of {planes_there} classes, and the map has {mean.classes}.")
    return truth


@dataclass(frozen=True)
class Counted:
    """What a very large picture's mask comes to, class by class.

    Attributes:
        unconfidence: `(C, 2)` pixels that are unsure, and that these are compared with.
        overlap: `(C, 3)` pixels in both masks, in the predicted one and in the true one; without truth the first and
            last are 0.
        pixels: Of the picture.
        runs: A text for each class, as it stands in a table.
    """

    unconfidence: np.ndarray
    overlap: np.ndarray
    pixels: int
    runs: tuple[str, ...]

    @property
    def areas(self) -> np.ndarray:
        """The share of the pixels that is mask, `(C,)`."""
        return self.overlap[:, 1] / self.pixels

    @property
    def unsureness(self) -> list[float]:
        """The unconfidence of all classes together, and of each."""
        return unsureness(self.unconfidence)


def merge_bands(
    mean: MeanOnDisk, cut: Callable[[np.ndarray], np.ndarray], truth: Picture | None, rules: Rules
) -> Counted:
    """Walk over a picture once, from the top, and once more from the left where columns are numbered.

    Args:
        mean: Its map.
        cut: What makes a mask of a part of the map, pixel by pixel.
        truth: The mask to count against, if there is one.
        rules: How runs are written.
    """
    texts = [TextByBands(rules) for _ in range(mean.classes)]
    unsure, overlap = np.zeros((mean.classes, 2), np.int64), np.zeros((mean.classes, 3), np.int64)
    height, width = mean.shape[-2:]
    for window in bands(height, width):
        band = mean[window]
        mask = planes(cut(band))
        unsure += [unsure_and_compared(plane) for plane in planes(band)]
        overlap[:, 1] += [np.count_nonzero(plane) for plane in mask]
        if truth is not None:
            overlap[:, ::2] += overlap_with(mask, planes_of(truth, window))
        if rules.order == "rows":
            _add(texts, mask)
    if rules.order == "columns":
        for columns, rows in bands(width, height):
            _add(texts, planes(cut(mean[rows, columns])))
    runs = tuple(text.finish() for text in texts)
    return Counted(unsure, overlap, height * width, runs)


def count_thresholds(mean: MeanOnDisk, truth: Picture, *, exclusive: bool = False) -> tuple[np.ndarray, list[float]]:
    """Count the overlap of a very large map, cut at every threshold, with its mask; and say how unsure the map is.

    Args:
        mean: The map.
        truth: The mask.
        exclusive: Whether the classes never overlap: a pixel is the likeliest one's alone.

    Returns:
        `(3, C, 256) int64`: for each class pixels in both masks, in the predicted one and in the true one, with the
        threshold as the last index. And the unconfidence of all classes together, and of each.
    """
    counts = np.zeros((3, mean.classes, 256), np.int64)
    unsure = np.zeros((mean.classes, 2), np.int64)
    for window in bands(*mean.shape[-2:]):
        band = planes(mean[window])
        unsure += [unsure_and_compared(plane) for plane in band]
        pairs = zip(likeliest(band) if exclusive else band, planes_of(truth, window), strict=True)
        counts += np.stack([threshold_counts(*pair) for pair in pairs], axis=1)
    return counts, unsureness(unsure)


def unsureness(counts: np.ndarray) -> list[float]:
    """Return the unconfidence of all classes together, and of each, of `(C, 2)` counted pixels."""
    return [unconfidence_of(*map(int, pair)) for pair in (counts.sum(axis=0), *counts)]


def planes_of(truth: Picture, window: Window) -> np.ndarray:
    """Return a window of a mask on disk, `(C, h, w)`."""
    mask = truth[window]
    return mask[None] if mask.ndim == 2 else np.ascontiguousarray(np.moveaxis(mask, 2, 0))


def overlap_with(mask: np.ndarray, truth: np.ndarray) -> list[tuple[int, int]]:
    """Count the pixels in both of two masks `(C, h, w)`, and in the second, class by class."""
    pairs = zip(mask, truth, strict=True)
    return [(np.count_nonzero(one & other), np.count_nonzero(other)) for one, other in pairs]


def _add(texts: Sequence[TextByBands], mask: np.ndarray) -> None:
    for text, plane in zip(texts, mask, strict=True):
        text.add(plane)
