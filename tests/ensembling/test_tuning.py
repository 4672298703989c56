"""Thresholds and rules for empty pictures against brute force, and whether they are believed."""

from fractions import Fraction
from itertools import product

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import arrays, files
from maskfold.data import windows
from maskfold.ensembling.by_class import ByClass, on_planes
from maskfold.ensembling.candidates import CUTS, Candidates, Grid, candidates_of, grid_for, look
from maskfold.ensembling.empty import EmptyRule, presence_of
from maskfold.ensembling.recipe import to_mask
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.ensembling.tuning import CutRule, marks_by, search, tune_rules
from maskfold.masks.metrics import METRICS_BY_NAME, Metric, total
from maskfold.masks.scoring import Marks
from maskfold.prediction.store import ProbabilityStore

SIDE = 24
SMALL = Grid(np.array([64, 96, 128, 160, 192]), np.array([0, 0.005, 0.02, 0.05]))
Pair = tuple[np.ndarray, np.ndarray]


def photos(number: int, *, seed: int = 0, noise: float = 30) -> list[Pair]:
    """Return maps and masks; every second mask is empty, and its map has a faint false alarm."""
    rng = np.random.default_rng(seed)
    pairs = []
    for at in range(number):
        truth, shape = np.zeros((2, SIDE, SIDE), np.uint8)
        row, column = rng.integers(6, SIDE - 6, 2)
        radius = int(rng.integers(3, 6)) if at % 2 == 0 else int(rng.integers(1, 4))
        cv2.circle(shape, (int(column), int(row)), radius, 1, -1)
        truth = shape if at % 2 == 0 else truth
        strength = rng.uniform(120, 230) if at % 2 == 0 else rng.uniform(60, 190)
        blurred = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 1)
        probability = blurred * strength + rng.normal(20, noise / 3, truth.shape)
        pairs.append((probability.clip(0, 255).astype(np.uint8), truth))
    return pairs


def candidates(pairs: list[Pair], metric: Metric, grid: Grid = SMALL, classes: int = 1) -> Candidates:
    """Return the table of masks, whose classes take turns."""
    columns = [np.array(column) for column in zip(*(look(*pair, metric, grid) for pair in pairs), strict=True)]
    values, weights, value, weight, presence, area, without = columns
    label = np.arange(len(pairs)) % classes
    return Candidates(values, weights, Marks(value, weight), presence, area, without, label, grid)


def by_hand(pairs: list[Pair], metric: Metric, rules: list[CutRule]) -> float:
    """Return what masks come to, drawn one by one as an ensemble draws them."""
    marks = []
    for number, (probability, truth) in enumerate(pairs):
        rule = rules[number % len(rules)]
        step = EmptyRule(presence=rule.presence, least_area=rule.least_area)
        marks.append(metric.of_masks(to_mask(probability, rule.threshold, (step,)), truth))
    return total(*np.array(marks).T)


@pytest.mark.parametrize("name", ["dice", "pooled_dice", "mean_precision", "dice_of_present", "surface_dice"])
def test_the_optimum_is_that_of_brute_force(name):
    metric, pairs = METRICS_BY_NAME[name], photos(40)
    scores = {presence_of(probability) for probability, _ in pairs}
    # Presence scores matter only where one of the maps has them.
    every = [CutRule(*rule) for rule in product(SMALL.cuts.tolist(), (0, *(one + 1 for one in scores)), SMALL.areas)]

    (rule,) = search(candidates(pairs, metric), 1, np.array([True]))

    best = max(by_hand(pairs, metric, [one]) for one in every if one.presence <= 255)
    assert by_hand(pairs, metric, [rule]) == pytest.approx(best, abs=1e-12)
    assert marks_by(candidates(pairs, metric), [rule]).total == pytest.approx(best, abs=1e-12)


def test_classes_that_share_a_ratio_are_chosen_together():
    # The pooled Dice of two classes is no mean of theirs; all pairs of rules are tried.
    metric, grid = METRICS_BY_NAME["pooled_dice"], Grid(np.array([64, 128, 192]), np.array([0, 0.02]))
    pairs = photos(24, seed=1)
    table = candidates(pairs, metric, grid, classes=2)
    every = [CutRule(*rule) for rule in product(grid.cuts.tolist(), range(0, 256, 15), grid.areas)]

    rules = search(table, 2, np.array([True, True]))

    best = max(marks_by(table, list(pair)).total for pair in product(every, every))
    assert marks_by(table, rules).total >= best - 1e-12
    assert by_hand(pairs, metric, rules) == pytest.approx(marks_by(table, rules).total, abs=1e-12)


def test_where_half_the_photos_are_empty_the_rule_is_worth_more_than_the_noise():
    # Mean Dice with an empty photo scoring 0 or 1: a false alarm of a few pixels costs as much as a lost object.
    metric, pairs = METRICS_BY_NAME["dice"], photos(120)
    groups = pd.Series(np.arange(120) // 2)

    result = tune_rules(candidates(pairs, metric, grid_for(metric)), groups, present=[CutRule()], k=5, seed=0)

    assert result.accepted
    (rule,) = result.taken
    assert result.present == pytest.approx(by_hand(pairs, metric, [CutRule()]))
    assert marks_by(candidates(pairs, metric, grid_for(metric)), [rule]).total == by_hand(pairs, metric, [rule])
    gain, low, _ = result.gain
    assert low > 0
    assert gain == pytest.approx(result.tuned - result.present)
    assert gain > 0.1
    # What it is worth was found on other groups, so it is not more than what the best rule has on all.
    assert by_hand(pairs, metric, [rule]) >= result.tuned


def test_what_is_within_the_noise_is_not_taken():
    rng = np.random.default_rng(0)
    pairs = [(rng.integers(0, 256, (8, 8)).astype(np.uint8), np.eye(8, dtype=np.uint8)) for _ in range(12)]
    metric = METRICS_BY_NAME["pooled_dice"]
    present = CutRule(threshold=int(CUTS[0]))  # everything, which is the best of a map that says nothing

    table = candidates(pairs, metric, grid_for(metric, thresholds=[1]))
    result = tune_rules(table, pd.Series(range(12)), present=[present], k=3, seed=0)

    assert not result.accepted
    assert result.taken == [present]


def test_without_empty_photos_no_mask_is_taken_away():
    pairs = photos(20)[::2]

    result = tune_rules(
        candidates(pairs, METRICS_BY_NAME["dice"]), pd.Series(range(10)), present=[CutRule()], k=3, seed=0
    )

    assert (result.rules[0].presence, result.rules[0].least_area) == (0, 0)


def test_a_class_keeps_its_rule_where_another_gains():
    metric = METRICS_BY_NAME["dice"]
    with_alarms, perfect = photos(80), [(truth * np.uint8(255), truth) for _, truth in photos(80, seed=2)]
    pairs = [pair for both in zip(with_alarms, perfect, strict=True) for pair in both]
    groups = pd.Series(np.arange(160) // 2)

    result = tune_rules(candidates(pairs, metric, classes=2), groups, present=[CutRule(), CutRule()], k=4, seed=0)

    assert result.accepted
    assert result.taken[0] == result.rules[0] != CutRule()
    assert result.taken[1] == CutRule()
    assert result.by_class[1].tolist() == [0, 0, 0]


def test_of_a_very_large_picture_only_thresholds_are_judged(tmp_path, monkeypatch):
    metric, probability, truth = METRICS_BY_NAME["dice"], *photos(2)[1]
    store = ProbabilityStore(tmp_path / "maps")
    store.write("a", probability)
    files.write_bytes(tmp_path / "a.b2nd", arrays.encode(truth))
    source = MemberMaps(Leaf("maps", Fraction(1), (store.folder,)), None)
    rows = pd.DataFrame({"image_id": ["a"], "mask": [str(tmp_path / "a.b2nd")], "height": SIDE, "width": SIDE})
    whole = candidates_of([source], rows, metric=metric, grid=SMALL, jobs=1)

    monkeypatch.setattr(windows, "LARGE", 10)
    by_bands = candidates_of([source], rows, metric=metric, grid=SMALL, jobs=1)

    np.testing.assert_array_equal(by_bands.values, whole.values)
    assert whole.without.tolist() == [True]
    assert by_bands.without.tolist() == [False]
    assert marks_by(by_bands, [CutRule(64, 255, 0.05)]).values.tolist() == whole.values[:, 0].tolist()


def overlapping(folder, number: int) -> tuple[MemberMaps, pd.DataFrame, list[Pair]]:
    """Return maps of two classes that claim the same pixels, and masks that never overlap; some masks are empty."""
    store, stacks = ProbabilityStore(folder / "maps"), []
    for at, ((cat, _), (dog, _)) in enumerate(zip(photos(number), photos(number, seed=5), strict=True)):
        # The cat is faint, the dog is everywhere a little likelier than it: only thresholds tell them apart.
        probability = np.stack([cat, np.maximum(cat // 2 + 40, dog)])
        first = probability.argmax(axis=0) == np.arange(2)[:, None, None]
        truth = (first & (probability >= 100)).astype(np.uint8) * np.uint8(at % 4 != 1)
        store.write(f"{at}", probability)
        files.write_bytes(folder / f"{at}.b2nd", arrays.encode(truth))
        stacks.append((probability, truth))
    masks = [str(folder / f"{at}.b2nd") for at in range(number)]
    rows = pd.DataFrame({"image_id": [*map(str, range(number))], "mask": masks, "height": SIDE, "width": SIDE})
    return MemberMaps(Leaf("maps", Fraction(1), (store.folder,)), None, classes=("cat", "dog")), rows, stacks


@pytest.mark.parametrize("large", [False, True])
def test_classes_that_never_overlap_are_judged_as_an_ensemble_masks_them(tmp_path, monkeypatch, large):
    metric, (source, rows, stacks) = METRICS_BY_NAME["dice"], overlapping(tmp_path, 16)
    unequal = [CutRule(96), CutRule(160)] if large else [CutRule(96, 90, 0.005), CutRule(160, 120, 0.02)]
    if large:
        monkeypatch.setattr(windows, "LARGE", 10)

    def drawn(rules: list[CutRule]) -> list[float]:
        steps = [EmptyRule(presence=rule.presence, least_area=rule.least_area) for rule in rules]
        by_class = [ByClass(classes=(name,), step=step) for name, step in zip(("cat", "dog"), steps, strict=True)]
        opened = [on_planes(step, ("cat", "dog")) for step in by_class]
        cuts = [rule.threshold for rule in rules]
        masks = [to_mask(probability, cuts, opened, exclusive=True) for probability, _ in stacks]
        return [
            metric.of_masks(*pair)[0]
            for mask, (_, truth) in zip(masks, stacks, strict=True)
            for pair in zip(mask, truth, strict=True)
        ]

    table = candidates_of([source], rows, metric=metric, grid=SMALL, exclusive=unequal, jobs=1)
    result = tune_rules(table, pd.Series(np.arange(32) // 2), present=unequal, k=4, seed=0)

    raw = [presence_of(plane) for probability, _ in stacks for plane in probability]
    assert table.presence.tolist() == ([255] * 32 if large else raw)  # as a step of the ensemble sees it
    assert table.exclusive.values.tolist() == pytest.approx(drawn(unequal))
    assert result.present == pytest.approx(np.mean(drawn(unequal)))
    assert result.rules[0].threshold == result.rules[1].threshold
    assert result.taken in (result.rules, unequal)
    for one in (
        [CutRule(96)] * 2,
        result.rules,
        *([] if large else [[CutRule(96, 90, 0.005), CutRule(96, 120, 0.02)]]),
    ):
        assert marks_by(table, one).values.tolist() == pytest.approx(drawn(one))


def test_rules_of_a_table_are_those_of_an_ensembles_steps():
    probability, _ = photos(1)[0]
    stack = np.stack([probability, probability // 4])
    step = on_planes(EmptyRule(presence=60), ["cat", "dog"])

    mask = to_mask(stack, (50, 50), (step,))

    assert mask[0].any()
    assert not mask[1].any()
