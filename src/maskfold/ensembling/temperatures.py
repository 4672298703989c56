"""A temperature for each member, fitted out of fold by log loss, and believed where the mean gains beyond the noise.

A temperature moves no pixel of its member across one half, and so no mask of the member alone: it changes how much the
member counts where others are of another mind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from maskfold.data.folds import group_folds
from maskfold.data.loading import read_mask
from maskfold.ensembling.blend import gain_interval
from maskfold.ensembling.contested import Contested, contested_pixels, groups_of_masks
from maskfold.ensembling.evaluation import refuse_other_classes
from maskfold.ensembling.mean_map import merged_probability
from maskfold.ensembling.means import logits_of_bytes, temperature_table
from maskfold.ensembling.merge import sizes_of
from maskfold.ensembling.tree import MemberMaps
from maskfold.masks.metrics import Metric
from maskfold.masks.planes import planes
from maskfold.parallel import map_unordered
from maskfold.recognition.calibration import best_temperature

HALF = 128  # of 255, which no temperature moves a pixel across
# Bytes 0 and 255 stand for all that 8 bits do not tell apart: most pixels are there, and say nothing of a temperature.
_TELLING = slice(1, 255)


@dataclass(frozen=True)
class Tempered:
    """What came of fitting.

    Attributes:
        temperatures: `(M,)`, fitted on all images.
        before: `(M,)` log loss of each member's telling pixels with the temperature that it has.
        after: `(M,)` the same with temperatures fitted on other groups.
        gain: Of such temperatures for the ensemble's mean cut at one half, with the ends of its interval of 95 %.
    """

    temperatures: np.ndarray
    before: np.ndarray
    after: np.ndarray
    gain: tuple[float, float, float]

    @property
    def accepted(self) -> bool:
        """Whether the ensemble gains by more than the noise."""
        return self.gain[1] > 0


def fit_temperatures(
    sources: Sequence[MemberMaps], rows: pd.DataFrame, *, metric: Metric, k: int, seed: int, jobs: int = -1
) -> Tempered:
    """Fit each member's temperature, and find by cross-validation over groups what all of them together are worth.

    Args:
        sources: The members, with the temperatures that they have.
        rows: Rows of the image table that have masks.
        metric: What masks are scored by, one that follows from counts.
        k: Folds of the cross-validation.
        seed: Of its folds and of the bootstrap.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map or a mask cannot be read, or there are fewer groups than folds.
    """
    groups = rows["group"].reset_index(drop=True)
    fold = groups.map(group_folds(groups, k=k, seed=seed, key="k")).to_numpy()
    bare = [replace(source, leaf=replace(source.leaf, temperature=1.0)) for source in sources]
    counts = _counted(bare, rows, fold, k, jobs)
    by_fold = np.array([[_fitted(member) for member in counts.sum(axis=0) - own] for own in counts])
    contested = contested_pixels(bare, rows, threshold=HALF, metric=metric, jobs=jobs)
    present = np.tile([source.leaf.temperature for source in sources], (k, 1))
    before, after = (_losses(counts, one) for one in (present, by_fold))
    of_masks = np.repeat(fold, len(contested.actual) // len(fold))
    weights = np.array([float(source.leaf.weight) for source in sources])
    new, old = (_with(contested, of_masks, one).marks(weights) for one in (by_fold, present))
    gain = gain_interval(new, old, groups_of_masks(contested, groups), seed=seed)
    return Tempered(np.array([_fitted(member) for member in counts.sum(axis=0)]), before, after, gain)


def _counted(sources: Sequence[MemberMaps], rows: pd.DataFrame, fold: np.ndarray, k: int, jobs: int) -> np.ndarray:
    """Count every member's bytes outside and inside of the masks, `(k, M, 2, 256)`, all that a temperature is of."""
    images = list(enumerate(zip(rows["image_id"], rows["mask"], sizes_of(rows), strict=True)))
    counts = np.zeros((k, len(sources), 2, 256))
    for number, counted in map_unordered(partial(_count_image, sources), images, "temperatures", jobs=jobs):
        counts[fold[number]] += counted
    return counts


def _count_image(
    sources: Sequence[MemberMaps], image: tuple[int, tuple[str, str, tuple[int, int]]]
) -> tuple[int, np.ndarray]:
    number, (image_id, path, size) = image
    mask = read_mask(path, size=size)
    counts = []
    for source in sources:
        probability = merged_probability([source], image_id, size=size)
        refuse_other_classes(probability, mask, image_id)
        cell = 256 * np.int64(planes(mask) > 0) + planes(probability)
        counts.append(np.bincount(cell.ravel(), minlength=512).reshape(2, 256))
    return number, np.stack(counts)


def _fitted(counts: np.ndarray) -> float:
    """Return the temperature of least log loss of `(2, 256)` counts, to a hundredth; 1 where nothing is wrong."""
    if not (counts[0, HALF:255].any() or counts[1, 1:HALF].any()):
        return 1.0
    return round(best_temperature(partial(_loss, counts), most=10.0), 2)


def _loss(counts: np.ndarray, temperature: float) -> float:
    """Return the mean log loss of the telling pixels."""
    logits = logits_of_bytes()[_TELLING] / temperature
    outside, inside = counts[:, _TELLING]
    total = (outside * np.logaddexp(0, logits) + inside * np.logaddexp(0, -logits)).sum()
    return float(total / max(outside.sum() + inside.sum(), 1))


def _losses(counts: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
    """Return every member's mean log loss, `(M,)`, with temperatures `(k, M)` of each fold."""
    pixels = counts[..., _TELLING].sum(axis=(2, 3))
    each = np.array(
        [[_loss(*pair) for pair in zip(*fold, strict=True)] for fold in zip(counts, temperatures, strict=True)]
    )
    return (each * pixels).sum(axis=0) / pixels.sum(axis=0).clip(1)


def _with(contested: Contested, fold: np.ndarray, temperatures: np.ndarray) -> Contested:
    """Return contested pixels with each member's temperature of each fold, `(k, M)`."""
    tables = np.array([[temperature_table(float(one)) for one in row] for row in temperatures])
    of_pixel = fold[contested.image]
    values = [tables[of_pixel, member, row] for member, row in enumerate(contested.values)]
    return replace(contested, values=np.stack(values))
