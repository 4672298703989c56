"""Where errors lie, counted pixel by pixel."""

import math

import numpy as np
import pytest
from scipy import ndimage

from maskfold.analysis.location import GRID, REACH, distance_counts, distance_table, object_errors


def slow_counts(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Measure every pixel against every pixel across the boundary."""
    counts = np.zeros((2, 2, REACH), int)
    for row, column in np.ndindex(*truth.shape):
        across = np.argwhere(truth != truth[row, column])
        distance = np.sqrt(((across - [row, column]) ** 2).sum(axis=1).min())
        side, step = int(truth[row, column] == 0), min(math.ceil(distance), REACH) - 1
        counts[side, 1, step] += 1
        counts[side, 0, step] += prediction[row, column] != truth[row, column]
    return counts


def test_distances_are_those_a_search_finds():
    rng = np.random.default_rng(0)
    truth, prediction = np.zeros((2, 23, 31), np.uint8)
    truth[5:17, 4:25] = 1
    prediction[:] = np.where(rng.random(truth.shape) < 0.2, 1 - truth, truth)

    assert np.array_equal(distance_counts(prediction, truth), slow_counts(prediction, truth))


@pytest.mark.parametrize("box", [(60, 90, 100, 180), (0, 5, 0, 300), (0, 200, 0, 300), (199, 200, 299, 300)])
def test_the_window_that_is_measured_changes_nothing(box):
    top, bottom, left, right = box
    rng = np.random.default_rng(1)
    truth = np.zeros((200, 300), np.uint8)
    truth[top:bottom, left:right] = rng.random((bottom - top, right - left)) < 0.9
    truth[top, left] = 1
    prediction = (rng.random(truth.shape) < 0.5).astype(np.uint8)

    expected = np.zeros((2, 2, REACH), int)
    for side, part in enumerate((truth, 1 - truth)):  # of the whole image, by another library
        whole = np.pad(part, 400, constant_values=1)  # a distance beyond the frame's, should all be of one side
        distance = ndimage.distance_transform_edt(whole)[400:-400, 400:-400]
        step = np.minimum(np.ceil(distance), REACH).astype(int) - 1
        for row, chosen in enumerate((part & (prediction != truth), part)):
            expected[side, row] = np.bincount(step[chosen > 0], minlength=REACH)

    assert np.array_equal(distance_counts(prediction, truth), expected)


def test_a_whole_distance_is_not_rounded_up():
    truth = np.zeros((3, 600), np.uint8)
    truth[:, :300] = 1

    counts = distance_counts(1 - truth, truth)

    expected = np.full(REACH, 3)
    expected[-1] = 3 * (300 - REACH + 1)  # all that is further
    assert counts[:, 0].tolist() == counts[:, 1].tolist() == [expected.tolist()] * 2


def test_a_mask_without_an_object_has_all_errors_far_away():
    truth, prediction = np.zeros((4, 5), np.uint8), np.eye(4, 5, dtype=np.uint8)

    counts = distance_counts(prediction, truth)

    assert counts[1, :, -1].tolist() == [4, 20]
    assert counts.sum() == 24


def test_bands_by_hand():
    counts = np.zeros((2, 2, REACH), np.int64)
    counts[0, :, 0] = 6, 10  # missed at distance 1
    counts[0, :, 3] = 1, 4  # 4 and 5 are one band
    counts[0, :, 4] = 1, 4
    counts[1, :, 1] = 2, 8

    table = distance_table(counts).set_index(["side", "distance"])

    assert table.index.tolist() == [
        *[("missed", band) for band in ("> 50", "21 to 50", "11 to 20", "6 to 10", "4 to 5", "3", "2", "1")],
        *[("too much", band) for band in ("1", "2", "3", "4 to 5", "6 to 10", "11 to 20", "21 to 50", "> 50")],
    ]
    assert table.loc[("missed", "1")].tolist() == pytest.approx([6, 0.6, 0.6])
    assert table.loc[("missed", "4 to 5")].tolist() == pytest.approx([2, 0.2, 0.25])
    assert table.loc[("too much", "2")].tolist() == pytest.approx([2, 0.2, 0.25])
    assert table["wrong"].sum() == 10
    assert math.isnan(table.loc[("too much", "1"), "rate"])


def test_without_errors_there_are_no_shares():
    assert distance_table(np.zeros((2, 2, REACH), np.int64))["share"].tolist() == [0] * 16


def test_an_object_fills_the_middle_of_the_grid_whatever_its_place():
    truth = np.zeros((300, 400), np.uint8)
    truth[250:298, 10:82] = 1  # 48x72, so that the margins are 6 rows and 9 columns, partly beyond the frame
    prediction = truth.copy()
    prediction[250:298, 10:46] = 0
    prediction[244:250, 10:82] = 1

    layers = object_errors(prediction, truth)

    assert layers.shape == (3, *GRID)
    # The box of 60x90 is shown by 48x72: the object by 0.8 of the cells each way, its margins by 4.8 and 7.2 cells.
    shares = layers.astype(float) / 255
    assert shares[0].mean() == pytest.approx(0.64, abs=0.01)
    assert shares[1].mean() == pytest.approx(0.32, abs=0.01)
    assert shares[2].mean() == pytest.approx(6 * 72 / (60 * 90), abs=0.01)
    assert shares[:, 24, 20].tolist() == [1, 1, 0]
    assert shares[:, 24, 50].tolist() == [1, 0, 0]
    assert shares[:, 2, 36].tolist() == [0, 0, 1]
    assert shares[:, 24, 2].tolist() == [0, 0, 0]
