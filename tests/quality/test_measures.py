"""Each measure on a picture of four pixels, worked by hand."""

import numpy as np
import pytest

from maskfold.data.windows import LARGE
from maskfold.errors import MaskfoldError
from maskfold.quality.measures import is_empty, measure
from maskfold.quality.names import DIRECTIONS

MEAN = np.array([[0, 255], [204, 51]], np.uint8)  # p: 0, 1, 0.8, 0.2; the mask is the two pixels of a diagonal
MIRRORED = np.array([[0, 255], [0, 0]], np.uint8)

BY_HAND = {
    "soft_dice": 2 * (1 + 0.8) / ((1 + 0.8 + 0.2) + 2),
    "pairwise_dice": 2 * 1 / (2 + 1),
    "mirror_dice": 2 * 1 / (2 + 1),
    "certainty": (1 + 1 + 0.8 + 0.8) / 4,
    "entropy": 0.721928 * 2 / 2,  # a coin of 0.2 has 0.721928 bits, as has one of 0.8
    "patch_entropy": 2 * 184 / 255 / 31**2,  # 255 * 0.721928 is 184.1
    "unconfidence": 1 / 2,  # 0.8 is unsure, 0 and 0.2 are sure, 1 is not counted
    "disputed": 1 / 2,
    "components": 1,  # pixels touch at their corners
    "largest": 1,
    "at_edge": 2 / 4,
    "area": 2 / 4,
}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_each_measure_by_hand(name):
    values = measure(MEAN, members=np.stack([MEAN, MIRRORED]), mirrored=MIRRORED)

    assert values[name] == pytest.approx(BY_HAND[name], abs=1e-6)


def test_what_is_not_given_is_not_known():
    values = measure(MEAN, members=[MEAN])

    assert {name for name, value in values.items() if np.isnan(value)} == {"pairwise_dice", "disputed", "mirror_dice"}


def test_pieces_edges_and_the_worst_place_of_a_larger_map():
    mean = np.zeros((40, 50), np.uint8)
    mean[:2, :3] = 255  # six pixels in a corner, of which four are among the 176 outermost: 2 + 3 - 1
    mean[20:22, 30] = 128  # two pixels far from it, 0.99999 bits each

    values = measure(mean)

    assert (values["components"], values["largest"]) == (2, 6 / 8)
    assert values["at_edge"] == 4 / 176
    assert values["patch_entropy"] == pytest.approx(2 / 961)


def test_a_map_of_nothing_is_sure_and_empty():
    values = measure(np.zeros((3, 3), np.uint8), members=np.zeros((2, 3, 3), np.uint8))

    assert is_empty(values)
    assert (values["soft_dice"], values["pairwise_dice"], values["entropy"], values["components"]) == (1, 1, 0, 0)
    assert not is_empty(measure(MEAN))


def test_the_mask_is_cut_where_the_ensemble_cuts():
    assert measure(MEAN, threshold=51)["area"] == 3 / 4


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("mean", "others", "message"),
    [
        (MEAN.astype(float), {}, "float64 of shape"),
        (np.zeros((3, 2, 2), np.uint8), {}, r"uint8 of shape \(3, 2, 2\)"),
        (np.zeros((0, 2), np.uint8), {}, r"shape \(0, 2\)"),
        (MEAN, {"members": np.zeros((2, 2, 3), np.uint8)}, "not of one photo"),
        (MEAN, {"mirrored": np.zeros((1, 2), np.uint8)}, "not of one photo"),
    ],
)
def test_what_is_no_map_is_refused(mean, others, message):
    with pytest.raises(MaskfoldError, match=message):
        measure(mean, **others)


@pytest.mark.hostile("memory")
def test_a_very_large_map_is_refused_before_anything_is_counted():
    mean = np.broadcast_to(np.uint8(0), (LARGE, 2))

    with pytest.raises(MaskfoldError, match="a map of 200,000,000 pixels"):
        measure(mean)
