"""Threshold, presence score and least area, chosen together out of fold and believed only beyond the noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.data.folds import group_folds
from maskfold.ensembling.blend import gain_interval
from maskfold.ensembling.candidates import Candidates, CutRule
from maskfold.masks.scoring import Marks
from maskfold.parallel import progress

_PRESENCES = 256
_ROUNDS = 50  # of the search for a ratio; it takes a handful
_ALIKE = 1e-9  # by which two sums of scores may differ, absolutely or relatively, and still be the same


def marks_by(candidates: Candidates, rules: Sequence[CutRule]) -> Marks:
    """Return what every mask comes to, `(N,)`, by the rule of its class.

    Args:
        candidates: The masks; the rules' numbers are in their grid.
        rules: One for each class.
    """
    grid, label = candidates.grid, candidates.label
    cut = np.array([np.searchsorted(grid.cuts, rule.threshold) for rule in rules])[label]
    area = np.array([np.searchsorted(grid.areas, rule.least_area) for rule in rules])[label]
    presence = np.array([rule.presence for rule in rules])[label]
    rows = np.arange(len(label))
    kept = (candidates.presence >= presence) & (candidates.area[rows, cut] >= area)
    pairs = (
        (candidates.values[rows, cut], candidates.emptied.values),
        (candidates.weights[rows, cut], candidates.emptied.weights),
    )
    return Marks(*(np.where(kept, whole, emptied) for whole, emptied in pairs))


def search(candidates: Candidates, classes: int, by_presence: np.ndarray) -> list[CutRule]:
    """Return the rules by which the masks come to most, over the whole grid.

    All masks' score is a ratio of two sums over the classes. Dinkelbach, "On nonlinear fractional programming"
    (Management Science, 1967): with the best ratio so far as a price on weight, each class is best on its own.

    Args:
        candidates: The masks.
        classes: How many classes there are.
        by_presence: `(C,) bool`, for which of them masks may be taken away.
    """
    sums = [
        _sums(candidates.of_masks(candidates.label == number), emptying)
        for number, emptying in zip(range(classes), by_presence, strict=True)
    ]
    ratio = 0.0
    for _ in range(_ROUNDS):
        worths = [scores - ratio * weights for scores, weights in sums]
        places = _places(worths, candidates.grid.cuts, together=candidates.exclusive is not None)
        score, weight = (sum(part[which][place] for part, place in zip(sums, places, strict=True)) for which in (0, 1))
        if weight <= 0 or score / weight <= ratio + _ALIKE:
            break
        ratio = score / weight
    grid = candidates.grid
    return [CutRule(int(grid.cuts[cut]), int(presence), float(grid.areas[area])) for cut, presence, area in places]


def _sums(candidates: Candidates, emptying: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of value times weight, and of weight, of one class at each cut, presence and least area.

    Returns:
        Each `(T, 256, A)`, or `(T, 1, 1)` where no mask is taken away.
    """
    kept = candidates.values * candidates.weights, candidates.weights
    emptied = candidates.emptied.values * candidates.emptied.weights, candidates.emptied.weights
    if not emptying:
        return tuple(part.sum(axis=0)[:, None, None] for part in kept)
    cuts, areas = len(candidates.grid.cuts), len(candidates.grid.areas)
    sums = []
    for whole, without in zip(kept, emptied, strict=True):
        gains = np.empty((cuts, _PRESENCES, areas))
        for cut in range(cuts):
            cell = candidates.presence.astype(np.int64) * areas + candidates.area[:, cut]
            gains[cut] = np.bincount(cell, whole[:, cut] - without, _PRESENCES * areas).reshape(_PRESENCES, areas)
        # A mask is kept by every rule that asks for no more than it has.
        kept_gains = gains[:, ::-1, ::-1].cumsum(axis=1).cumsum(axis=2)[:, ::-1, ::-1]
        sums.append(without.sum() + kept_gains)
    return sums[0], sums[1]


def _places(worths: Sequence[np.ndarray], cuts: np.ndarray, *, together: bool) -> list[tuple[int, int, int]]:
    """Return the best place of each class's `(T, P, A)`, of all at one threshold if they are cut together."""
    if not together:
        return [_best(worth, cuts) for worth in worths]
    of_all = sum(worth.max(axis=(1, 2), keepdims=True) for worth in worths)
    cut, *_ = _best(of_all, cuts)
    return [(cut, *_best(worth[cut : cut + 1], cuts[cut : cut + 1])[1:]) for worth in worths]


def _best(worth: np.ndarray, cuts: np.ndarray) -> tuple[int, int, int]:
    """Return the place of the largest of `(T, P, A)`: of equal ones the simplest, in the middle of those alike."""
    cut, presence, area = np.nonzero(worth >= worth.max() - _ALIKE * max(1.0, abs(worth.max())))
    smallest = area == area.min()
    cut, presence, area = cut[smallest], presence[smallest], area[smallest]
    nearest = cut == cut[np.abs(cuts[cut] - 128).argmin()]
    alike = presence[nearest]
    # Where none is asked for as well, none is; else the furthest from what would change anything.
    middle = 0 if alike[0] == 0 else int(alike[len(alike) // 2])
    return int(cut[nearest][0]), middle, int(area[0])


@dataclass(frozen=True)
class Tuned:
    """What came of tuning.

    Attributes:
        rules: Of each class, chosen on all images.
        taken: Of each class: the same where it gains more than the noise, and otherwise the present one.
        present: What all masks come to by the present rules.
        tuned: What they come to by rules chosen on other groups, for the classes whose rules are taken.
        gain: Of the rules taken over the present ones, by rules chosen on other groups, with `low` and `high`.
        by_class: `(C, 3)`, the gain of each class's rule alone, and the ends of its interval.
        accepted: Whether any rule is better than the present one by more than the noise.
    """

    rules: list[CutRule]
    taken: list[CutRule]
    present: float
    tuned: float
    gain: tuple[float, float, float]
    by_class: np.ndarray
    accepted: bool


def tune_rules(candidates: Candidates, groups: pd.Series, *, present: Sequence[CutRule], k: int, seed: int) -> Tuned:
    """Choose rules, and find by cross-validation over groups what choosing them is worth.

    Args:
        candidates: The masks.
        groups: The group of each mask.
        present: The rule of each class as it is, in the grid of the candidates.
        k: Folds of the cross-validation.
        seed: Of its folds and of the bootstrap.

    Raises:
        MaskfoldError: If there are fewer groups than folds.
    """
    classes = len(present)
    # Only where there are pictures without an object can taking a mask away be right.
    emptying = np.bincount(candidates.label, candidates.without, classes) > 0
    before = candidates.exclusive or marks_by(candidates, present)
    after = Marks(*(part.copy() for part in before))
    fold = groups.map(group_folds(groups, k=k, seed=seed, key="k")).to_numpy()
    for number in progress(range(k), "choose rules", unit="folds"):
        inside = fold == number
        rules = search(candidates.of_masks(~inside), classes, emptying)
        after.values[inside], after.weights[inside] = marks_by(candidates.of_masks(inside), rules)
    replaced = [_mixed(before, after, candidates.label == number) for number in range(classes)]
    by_class = np.array([gain_interval(marks, before, groups, seed=seed) for marks in replaced])
    if candidates.exclusive is None:
        better = by_class[:, 1] > 0
    else:  # one threshold is of all classes or of none
        better = np.full(classes, gain_interval(after, before, groups, seed=seed)[1] > 0)
    rules = search(candidates, classes, emptying)
    taken = [new if is_better else old for new, old, is_better in zip(rules, present, better, strict=True)]
    # Where none is taken, what all of them would come to is still worth knowing.
    final = _mixed(before, after, better[candidates.label] if better.any() else np.ones(len(groups), bool))
    gain = gain_interval(final, before, groups, seed=seed)
    return Tuned(rules, taken, before.total, final.total, gain, by_class, bool(better.any()))


def _mixed(before: Marks, after: Marks, chosen: np.ndarray) -> Marks:
    return Marks(*(np.where(chosen, new, old) for new, old in zip(after, before, strict=True)))
