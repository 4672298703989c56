"""What runs tell, on pictures of a few pixels."""

import numpy as np
import pytest

from maskfold.errors import MaskfoldError
from maskfold.joining.evidence import Runs, by_masks, empty_token, first_pixel


def runs(*pairs, height=3, width=4):
    return Runs(np.array(pairs), height, width)


@pytest.mark.parametrize(
    ("sample", "train", "drawn", "token"),
    [
        (["-", "-"], [], [], "-"),
        (["", ""], ["1 2", "-"], [], ""),
        (["1 1", "1 1"], ["1 2", "", ""], [], ""),
        (["1 1", "1 1"], ["-1", "3 4"], [], "-1"),
        (["1 1", "1 1"], ["1 1", "1 1", "1 1", "3 4"], [], "1 1"),
        (["1 1", "1 1"], ["1 1", "", "3 4"], ["1 1"], "1 1"),
        (["1 1", "1 1"], ["1 2", "3 4"], [], None),
        (["1 409600", "1 409600"], [], [], None),
    ],
)
def test_the_token_of_an_empty_mask(sample, train, drawn, token):
    guess = empty_token(sample, train, drawn)

    assert (guess and guess.value) == token


def test_the_first_pixel_by_the_ends_of_a_photo():
    assert first_pixel([runs((0, 2))], ["rows"]).value == 0
    assert first_pixel([runs((11, 2))], ["rows"]).value == 1  # 3x4: the last of 12 pixels is 12
    assert first_pixel([runs((2, 2)), runs((10, 2))], ["rows"]) is None


@pytest.mark.parametrize("start", [0, 1])
def test_the_first_pixel_by_the_borders_of_lines(start):
    """Rows of 4, of which pixels 5, 9 and 13 are the left ends and 8, 12 and 16 the right ones, counted from 1."""
    left = runs(*((first + start - 1, 2) for first in (5, 9, 13)), height=6)
    right = runs(*((first + start - 1, 2) for first in (7, 11, 15)), height=6)

    assert first_pixel([left, right] * 3, ["rows"]).value == start
    assert first_pixel([left, right] * 2, ["rows"]) is None  # two masks at each border are too few
    assert first_pixel([left] * 6, ["rows"]) is None  # one border alone may be a margin that was cut off
    assert first_pixel([left, right] * 3, ["columns"]) is None


def test_masks_tell_order_and_first_pixel():
    corner = np.array([[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.uint8)

    by_columns, start = by_masks([(runs((1, 1), (4, 1), (7, 1)), corner)])
    assert (by_columns.value, start.value) == ("columns", 1)
    by_rows, start = by_masks([(runs((0, 3)), corner)])
    assert (by_rows.value, start.value) == ("rows", 0)


def test_masks_that_look_the_same_in_both_orders_leave_the_order_open():
    pixel = np.array([[1, 0], [0, 0]], np.uint8)
    order, start = by_masks([(runs((1, 1), height=2, width=2), pixel)])

    assert order is None
    assert start.value == 1


def test_runs_of_other_masks_are_refused():
    with pytest.raises(MaskfoldError, match="0 of 1 photos at best"):
        by_masks([(runs((2, 2)), np.ones((3, 4), np.uint8))])
