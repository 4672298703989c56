"""Competitions' metrics on masks whose scores are worked by hand."""

import pickle
import sys

import numpy as np
import pytest

from maskfold import trust
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME, named, total


def strip(*pixels: int) -> np.ndarray:
    """Return a mask of one row and 100 pixels of which some are object."""
    mask = np.zeros((1, 100), np.uint8)
    mask[0, [*pixels]] = 1
    return mask


FULL, EMPTY = strip(*range(100)), strip()
# 72 of 100 pixels in both masks: an IoU of 0.72, a Dice of 144 / 172.
CASES = {
    "dice": (144 / 172, 1.0),
    "dice_of_present": (144 / 172, 1.0),
    "pooled_dice": (144 / 172, 172.0),
    "iou": (0.72, 1.0),
    "mean_precision": (0.5, 1.0),  # above 0.5, 0.55, 0.6, 0.65 and 0.7, and not above 0.75 to 0.95
}


@pytest.mark.parametrize("name", CASES)
def test_a_mask_with_an_iou_of_072(name):
    assert METRICS_BY_NAME[name].of_masks(strip(*range(72)), FULL) == pytest.approx(CASES[name])


@pytest.mark.parametrize(
    ("name", "both_empty", "only_truth_empty"),
    [
        ("dice", (1, 1), (0, 1)),
        ("dice_of_present", (1, 0), (0, 0)),
        ("pooled_dice", (1, 0), (0, 100)),
        ("iou", (1, 1), (0, 1)),
        ("mean_precision", (1, 1), (0, 1)),
        ("surface_dice", (1, 1), (0, 1)),
    ],
)
def test_empty_masks(name, both_empty, only_truth_empty):
    metric = METRICS_BY_NAME[name]

    assert metric.of_masks(EMPTY, EMPTY) == both_empty
    assert metric.of_masks(FULL, EMPTY) == only_truth_empty


def test_an_iou_at_a_threshold_is_not_above_it():
    metric = METRICS_BY_NAME["mean_precision"]

    assert metric.of_masks(strip(*range(50)), FULL)[0] == 0
    assert metric.of_masks(strip(*range(51)), FULL)[0] == 0.1
    assert metric.of_masks(FULL, FULL)[0] == 1


def test_pooled_dice_is_that_of_all_masks_laid_side_by_side():
    predictions, truths = [strip(0), strip(*range(60))], [strip(0, 1), strip(*range(30, 100))]
    pairs = [METRICS_BY_NAME["pooled_dice"].of_masks(*pair) for pair in zip(predictions, truths, strict=True)]

    assert total(*np.array(pairs).T) == pytest.approx(2 * (1 + 30) / (1 + 60 + 2 + 70))


def test_counts_may_be_arrays():
    counts = np.array([0.0, 72.0]), np.array([0.0, 72.0]), np.array([0.0, 100.0])

    value, weight = METRICS_BY_NAME["mean_precision"].of_counts(*counts)

    assert value.tolist() == [1.0, 0.5]
    assert weight.tolist() == [1.0, 1.0]


def test_surface_dice_of_a_square_that_lies_a_few_pixels_off():
    truth, prediction = np.zeros((2, 20, 20), np.uint8)
    truth[5:10, 5:10] = 1  # an outline of 16 pixels
    metric = METRICS_BY_NAME["surface_dice"]

    prediction[5:10, 6:11] = 1  # one pixel to the right: every outline pixel has one of the other's within a pixel
    assert metric.of_masks(prediction, truth) == (1, 1)
    prediction[:] = 0
    prediction[5:10, 8:13] = 1  # three pixels
    # Of the truth's outline near the other one: in its upper and lower side the two shared pixels and the one before
    # them, and the three between on its right side, which lies one pixel from the other's left. Likewise of the other.
    assert metric.of_masks(prediction, truth)[0] == pytest.approx(2 * (3 + 3 + 3) / 32)


def test_nothing_that_counts_has_no_total():
    assert np.isnan(total(np.ones(2), np.zeros(2)))


def test_a_metric_by_its_name_and_a_typo_names_the_near_ones():
    assert named("iou") is METRICS_BY_NAME["iou"]
    with pytest.raises(MaskfoldError, match=r"metric=mean_presicion: no such metric\. Did you mean mean_precision\?"):
        named("mean_presicion")
    with pytest.raises(MaskfoldError, match="There are dice, dice_of_present"):
        named("quality")


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """A module of the user's, and nothing that they have named."""
    (tmp_path / "own_scores.py").write_text(
        "import numpy\n"
        "def covered(mask, truth):\n"
        "    return (mask & truth).sum() / truth.sum() if truth.any() else numpy.nan\n"
        "def spoilt(mask, truth):\n"
        "    return 'much'\n"
        "LEVEL = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(trust, "_named", set())
    monkeypatch.delitem(sys.modules, "own_scores", raising=False)
    return "own_scores"


def test_a_function_of_ones_own_scores_and_travels_to_other_processes(own_module, monkeypatch):
    monkeypatch.setenv(trust.TRUST, f"{own_module}.covered")
    metric = named(f"{own_module}.covered")

    assert (metric.name, metric.title) == ("own_scores.covered", "covered")
    for one in (metric, pickle.loads(pickle.dumps(metric))):
        assert one.of_masks(strip(*range(50)), strip(*range(20))) == (1, 1)
        assert one.of_masks(strip(0), strip(0, 1, 2, 3)) == (0.25, 1)
        assert one.of_masks(FULL, EMPTY)[1] == 0


def test_what_is_no_function_or_no_number_is_refused_by_name(own_module, monkeypatch):
    monkeypatch.setenv(trust.TRUST, "own_scores.spoilt,own_scores.LEVEL,own_scores.gone")

    with pytest.raises(MaskfoldError, match=r"metric=own_scores\.spoilt returned 'much': a number is needed"):
        named("own_scores.spoilt").of_masks(FULL, EMPTY)
    with pytest.raises(MaskfoldError, match=r"metric=own_scores\.LEVEL: is no function"):
        named("own_scores.LEVEL")
    with pytest.raises(MaskfoldError, match=r"metric=own_scores\.gone: cannot be imported.*PYTHONPATH"):
        named("own_scores.gone")


@pytest.mark.hostile("foreign files")
def test_a_function_that_the_user_has_not_named_is_not_even_imported(own_module):
    with pytest.raises(MaskfoldError, match=r"own_scores\.covered.*was not called.*MASKFOLD_TRUST=own_scores\.covered"):
        named(f"{own_module}.covered")
    assert own_module not in sys.modules
