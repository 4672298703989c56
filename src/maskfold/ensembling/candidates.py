"""What masks come to at every cut, kept and taken away: one look at the maps, then choosing rules is arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.data.windows import is_large
from maskfold.ensembling.empty import EmptyRule, presence_of
from maskfold.ensembling.evaluation import refuse_other_classes
from maskfold.ensembling.large import count_thresholds, merge_bands, open_truth
from maskfold.ensembling.mean_map import merged_probability, open_mean
from maskfold.ensembling.merge import sizes_of
from maskfold.ensembling.recipe import to_mask
from maskfold.ensembling.tree import MemberMaps
from maskfold.masks.cuts import COARSE, marks_at, marks_of_counts
from maskfold.masks.metrics import Metric
from maskfold.masks.planes import likeliest, planes
from maskfold.masks.rules import Rules
from maskfold.masks.scores import threshold_counts
from maskfold.masks.scoring import Marks
from maskfold.parallel import map_unordered

CUTS = np.arange(4, 256, 4)  # of 255; 128 among them
# Shares of the photo: a tenth of a per mille is one pixel of the smallest photos that competitions have.
AREAS = np.array([0, *(float(f"{digit}e{power}") for power in range(-5, -1) for digit in (1, 1.5, 2, 3, 5, 7)), 0.1])


@dataclass(frozen=True)
class CutRule:
    """What is done with the maps of one class.

    Attributes:
        threshold: Of 255.
        presence: See `maskfold.ensembling.empty.EmptyRule`.
        least_area: Likewise.
    """

    threshold: int = 128
    presence: int = 0
    least_area: float = 0.0


@dataclass(frozen=True)
class Grid:
    """What is tried.

    Attributes:
        cuts: `(T,) int64`, thresholds of 255, ascending.
        areas: `(A,) float64`, least shares of the photo, ascending; the first is 0.
    """

    cuts: np.ndarray
    areas: np.ndarray


def grid_for(metric: Metric, *, thresholds: Sequence[int] = (), areas: Sequence[float] = ()) -> Grid:
    """Return what is tried for a metric: fewer cuts where masks must be looked at anew, and what is in use already."""
    cuts = COARSE if metric.of_counts is None else CUTS
    return Grid(np.union1d(cuts, np.array([*thresholds], np.int64)), np.union1d(AREAS, np.array([*areas], np.float64)))


@dataclass(frozen=True)
class Candidates:
    """What N masks come to: one for each image and class, image by image.

    Attributes:
        values: `(N, T) float64`, cut at each threshold.
        weights: `(N, T) float64`.
        emptied: Values and weights `(N,)` of an empty mask instead.
        presence: `(N,) uint8`, the presence score.
        area: `(N, T) uint8`, how many of the grid's areas but the first a mask reaches.
        without: `(N,) bool`, whether there is no object in truth, and the mask may be taken away.
        label: `(N,) int64`, the number of the class.
        grid: What was tried.
        exclusive: What masks come to by the present rules, where several classes never overlap; None where they may.
            Rules for such masks have one threshold for all classes: with several, which class a pixel is given to
            depends on all of them, and a table by class does not tell what it comes to.
    """

    values: np.ndarray
    weights: np.ndarray
    emptied: Marks
    presence: np.ndarray
    area: np.ndarray
    without: np.ndarray
    label: np.ndarray
    grid: Grid
    exclusive: Marks | None = None

    def of_masks(self, chosen: np.ndarray) -> "Candidates":
        """Return some of the masks, `(N,) bool`."""
        arrays = ("values", "weights", "presence", "area", "without", "label")
        parts = {name: getattr(self, name)[chosen] for name in arrays}
        exclusive = self.exclusive and Marks(*(part[chosen] for part in self.exclusive))
        return replace(self, **parts, emptied=Marks(*(part[chosen] for part in self.emptied)), exclusive=exclusive)


def look(
    probability: np.ndarray, truth: np.ndarray, metric: Metric, grid: Grid, *, presence: int | None = None
) -> tuple[np.ndarray, ...]:
    """Return one mask's part of each array of `Candidates`, but for its label.

    Args:
        probability: `(H, W) uint8`, 0..255.
        truth: `(H, W) uint8`, 0 or 1.
        metric: What masks are scored by.
        grid: What is tried.
        presence: The presence score, if it is not that of `probability`.
    """
    values, weights = marks_at(metric, probability, truth, grid.cuts)
    _, predicted, actual = threshold_counts(probability, truth)
    # As `EmptyRule` asks: a mask is kept that has at least this many pixels.
    area = np.searchsorted(grid.areas * truth.size, predicted[grid.cuts], side="right") - 1
    emptied = metric.of_masks(np.zeros_like(truth), truth)
    presence = presence_of(probability) if presence is None else presence
    return values, weights, *emptied, presence, area.astype(np.uint8), actual[0] == 0


def _counted(counts: np.ndarray, metric: Metric, grid: Grid) -> tuple[np.ndarray, ...]:
    """Return what `look` does of the counts `(3, 256)` of a mask that no rule takes away."""
    values, weights = marks_of_counts(metric, counts[:, grid.cuts])
    area = np.full(len(grid.cuts), len(grid.areas) - 1, np.uint8)
    return values, weights, 0.0, 0.0, 255, area, False


def candidates_of(
    sources: Sequence[MemberMaps],
    rows: pd.DataFrame,
    *,
    metric: Metric,
    grid: Grid,
    exclusive: Sequence[CutRule] = (),
    jobs: int = -1,
) -> Candidates:
    """Look at every image's averaged out-of-fold map once.

    What is kept of a mask are a few numbers a cut, about a kilobyte in all, whatever its size. Of a very large picture
    only thresholds are judged, by counts: its mask is never taken away.

    Args:
        sources: The members.
        rows: Rows of the image table that have masks.
        metric: What masks are scored by.
        grid: What is tried.
        exclusive: Where several classes never overlap, the present rule of each.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map or a mask cannot be read, or a map has not its photo's size and classes.
    """
    images = list(enumerate(zip(rows["image_id"], rows["mask"], sizes_of(rows), strict=True)))
    look_at = partial(_look_at, sources, metric, grid, exclusive)
    looked = dict(map_unordered(look_at, images, "look at the maps", jobs=jobs))
    parts = [part for number in range(len(images)) for part in looked[number][0]]
    columns = [np.array(column) for column in zip(*parts, strict=True)]
    values, weights, value, weight, presence, area, without = columns
    label = np.tile(np.arange(len(looked[0][0])), len(images))
    emptied = Marks(value.astype(np.float64), weight.astype(np.float64))
    present = [mark for number in range(len(images)) for mark in looked[number][1]]
    marks = Marks(*np.array(present, np.float64).T) if present else None
    return Candidates(values, weights, emptied, presence.astype(np.uint8), area, without, label, grid, marks)


def _look_at(
    sources: Sequence[MemberMaps],
    metric: Metric,
    grid: Grid,
    exclusive: Sequence[CutRule],
    image: tuple[int, tuple[str, str, tuple[int, int]]],
) -> tuple[int, tuple[list[tuple[np.ndarray, ...]], list[tuple[float, float]]]]:
    """Return an image's number, what is kept of each of its masks, and what these come to by exclusive rules."""
    number, (image_id, path, size) = image
    cuts = [rule.threshold for rule in exclusive]
    if is_large(*size):
        mean = open_mean(sources, image_id, size=size)
        truth = open_truth(path, mean)
        counts, _ = count_thresholds(mean, truth, exclusive=bool(exclusive))
        parts = [_counted(counts[:, plane], metric, grid) for plane in range(mean.classes)]
        if not exclusive:
            return number, (parts, [])
        overlap = merge_bands(mean, partial(to_mask, threshold=cuts, exclusive=True), truth, Rules()).overlap
        return number, (parts, [*zip(*marks_of_counts(metric, overlap.T), strict=True)])
    probability = merged_probability(sources, image_id, size=size)
    mask = read_mask(path, size=size)
    refuse_other_classes(probability, mask, image_id)
    maps, truths = planes(probability), planes(mask)
    if not exclusive:
        return number, ([look(*pair, metric, grid) for pair in zip(maps, truths, strict=True)], [])
    # Rules ask the whole map for its presence score, as an ensemble's steps do.
    own = zip(likeliest(maps), truths, map(presence_of, maps), strict=True)
    parts = [look(one, truth, metric, grid, presence=presence) for one, truth, presence in own]
    marks = []
    for rule, one, drawn, truth in zip(exclusive, maps, to_mask(maps, cuts, exclusive=True), truths, strict=True):
        step = EmptyRule(presence=rule.presence, least_area=rule.least_area)
        marks.append(metric.of_masks(step(one, drawn), truth))
    return number, (parts, marks)
