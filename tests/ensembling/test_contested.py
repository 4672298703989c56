"""The contested pixels give the exact Dice of any weights, against brute force on the whole maps."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from maskfold.ensembling import contested as contesting
from maskfold.ensembling.average import average_probabilities
from maskfold.ensembling.contested import by_counts, contest, contested_pixels, groups_of_masks, joined
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.prediction.store import ProbabilityStore

SIZE = (9, 11)


def image(seed: int, members: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = (rng.random(SIZE) < 0.4).astype(np.uint8)
    noisy = np.where(mask, 190, 60) + rng.normal(0, 60, (members, *SIZE))
    return noisy.clip(0, 255).astype(np.uint8), mask


def dice_by_hand(maps: np.ndarray, mask: np.ndarray, weights: list[int], threshold: int) -> float:
    predicted = average_probabilities(iter(maps), weights) >= threshold
    whole = predicted.sum() + mask.sum()
    return 2 * (predicted & (mask > 0)).sum() / whole if whole else 1.0


@pytest.mark.parametrize("weights", [[1, 1, 1], [3, 1, 2], [1, 0, 0], [0, 1, 1], [7, 11, 13]])
@pytest.mark.parametrize("threshold", [55, 128])
def test_the_dice_of_a_blend_is_that_of_the_averaged_maps(weights, threshold):
    images = [image(seed) for seed in range(5)]
    contested = joined([contest(maps, mask, threshold=threshold) for maps, mask in images])

    dice = contested.marks(np.array(weights) / sum(weights)).values

    expected = [dice_by_hand(maps, mask, weights, threshold) for maps, mask in images]
    np.testing.assert_allclose(dice, expected, rtol=1e-12)


def test_a_part_of_the_images_keeps_its_dice():
    contested = joined([contest(*image(seed), threshold=128) for seed in range(6)])
    chosen = np.array([False, True, True, False, False, True])
    weights = np.array([0.2, 0.5, 0.3])

    of_chosen = contested.of_images(chosen).marks(weights)
    np.testing.assert_array_equal(of_chosen.values, contested.marks(weights).values[chosen])


def test_only_pixels_on_which_members_differ_are_kept():
    maps = np.array([[[0, 127, 128, 255]], [[127, 128, 128, 0]]], np.uint8)

    contested = contest(maps, np.array([[0, 1, 1, 0]], np.uint8), threshold=128)

    assert contested.values.tolist() == [[127, 255], [128, 0]]
    assert contested.truth.tolist() == [True, False]
    assert (contested.certain.item(), contested.right.item(), contested.actual.item()) == (1, 1, 2)


def test_images_without_contested_pixels_and_without_objects():
    empty = np.zeros((2, *SIZE), np.uint8)

    contested = joined([contest(empty, empty[0], threshold=128), contest(empty, 1 - empty[0], threshold=128)])

    assert contested.marks(np.array([0.5, 0.5])).values.tolist() == [1, 0]


def test_a_sample_stands_for_all(monkeypatch):
    maps, mask = image(0, members=2)
    everything = contest(maps, mask, threshold=128)
    monkeypatch.setattr(contesting, "MOST", 12)

    sample = contest(maps, mask, threshold=128)

    assert len(sample.truth) == 12 < len(everything.truth)
    assert sample.stands_for.sum() == pytest.approx(len(everything.truth))
    assert (sample.certain, sample.actual) == (everything.certain, everything.actual)


def test_members_whose_maps_differ_in_size_are_named(tmp_path):
    for name, width in (("m0", 3), ("m1", 4)):
        ProbabilityStore(tmp_path / name).write("a", np.zeros((2, width), np.uint8))
    sources = [MemberMaps(Leaf(name, Fraction(1, 2), (tmp_path / name,)), None) for name in ("m0", "m1")]
    rows = pd.DataFrame({"image_id": ["a"], "mask": ["a.png"], "height": [2], "width": [3]})

    with pytest.raises(MaskfoldError, match="m1: its map of a has 4x2 pixels, the photo has 3x2"):
        contested_pixels(sources, rows, threshold=128, jobs=1)


def test_masks_of_two_classes_have_thresholds_of_their_own_and_the_datas_metric():
    rng = np.random.default_rng(3)
    maps, mask = rng.integers(0, 256, (2, 6, 7)).astype(np.uint8), rng.integers(0, 2, (6, 7)).astype(np.uint8)
    metric, cuts, weights = METRICS_BY_NAME["pooled_dice"], (100, 160), np.array([0.25, 0.75])

    contested = joined([contest(maps, mask, threshold=cut, metric=metric) for cut in cuts])

    mean = np.floor(weights @ maps.reshape(2, -1) + 0.5).reshape(mask.shape)
    expected = [metric.of_masks((mean >= cut).astype(np.uint8), mask) for cut in cuts]
    np.testing.assert_allclose(np.array(contested.marks(weights)).T, expected)
    second = contested.of_images(np.array([False, True])).marks(weights)
    assert (second.values[0], second.weights[0]) == pytest.approx(expected[1])
    assert groups_of_masks(contested, pd.Series(["car"])).tolist() == ["car", "car"]


def test_blends_are_tried_by_metrics_that_follow_from_counts():
    assert by_counts(METRICS_BY_NAME["iou"]).name == "iou"
    assert by_counts(METRICS_BY_NAME["surface_dice"]).name == by_counts(None).name == "dice"
