"""What a technique gains: paired by photo and seed, drawn by groups, and believed only where the seeds agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.ensembling.blend import gain_interval
from maskfold.masks.scoring import Marks

HELPS, HURTS, NOT_SEEN = "helps", "hurts", "not seen"
LEAST_GROUPS = 5  # of fewer no interval is believed: two groups that agree by luck would look certain


@dataclass(frozen=True)
class PairedGain:
    """A gain over what a technique is compared with.

    Attributes:
        mean: Over all photos and seeds.
        low: The lower end of its interval of 95 %.
        high: The upper end.
        by_seed: Of each seed alone.
        groups: How many the interval was drawn from.
    """

    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    groups: int

    @property
    def spread(self) -> float:
        """The standard deviation over the seeds; NaN of one."""
        return float(np.std(self.by_seed, ddof=1)) if len(self.by_seed) > 1 else float("nan")

    @property
    def verdict(self) -> str:
        """Whether it helps or hurts: the interval leaves 0 out, and so do the seeds, by more than they vary."""
        if self.groups < LEAST_GROUPS or abs(self.mean) <= np.nan_to_num(self.spread):
            return NOT_SEEN
        if self.low > 0 and min(self.by_seed) > 0:
            return HELPS
        return HURTS if self.high < 0 and max(self.by_seed) < 0 else NOT_SEEN


def paired_gain(new: Sequence[Marks], old: Sequence[Marks], groups: pd.Series, *, seed: int = 0) -> PairedGain:
    """Return what photos come to more, over the seeds.

    A draw takes whole groups, each with all of its photos by all seeds.

    Args:
        new: What each photo comes to, `(N,)`, by each seed; one alone, as an ensemble of all seeds has it, stands for
            every seed.
        old: The same of what it is compared with.
        groups: `(N,)`, of the photos.
        seed: Of the draws.
    """
    count = max(len(new), len(old))
    news, olds = ([*marks] * (count // len(marks)) for marks in (new, old))
    by_seed = tuple(one.total - other.total for one, other in zip(news, olds, strict=True))
    all_groups = pd.concat([groups] * count, ignore_index=True)
    mean, low, high = gain_interval(_together(news), _together(olds), all_groups, seed=seed)
    return PairedGain(mean, low, high, by_seed, groups.nunique())


def mean_score(marks: Sequence[Marks]) -> float:
    """Return what photos come to over all seeds."""
    return _together(marks).total


def _together(marks: Sequence[Marks]) -> Marks:
    return Marks(*(np.concatenate(parts) for parts in zip(*marks, strict=True)))
