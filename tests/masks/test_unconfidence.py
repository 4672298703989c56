"""Unconfidence against images of a few pixels and the definition in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from maskfold.errors import MaskfoldError
from maskfold.masks.unconfidence import in_grey_zone, unconfidence


def test_an_example_by_hand():
    # unsure: 100, 150, 204 (three); compared: 0, 0, 40, 76, 210, 229 (six); neither: 230, 255.
    probability = np.array([[0, 0, 40, 76], [100, 150, 204, 210], [229, 230, 255, 255]], np.uint8)
    assert unconfidence(probability) == 3 / 6


def test_the_grey_zone_is_what_is_unsure():
    every = np.arange(256, dtype=np.uint8)[None]
    assert in_grey_zone(every)[0].tolist() == [3 * 255 <= 10 * value <= 8 * 255 for value in range(256)]


@pytest.mark.parametrize("value", range(256))
def test_every_value_falls_on_the_side_the_definition_says(value):
    # One pixel known to be unsure (128) and one known to be compared (0), beside the one in question.
    p = Fraction(value, 255)
    unsure = Fraction(3, 10) <= p <= Fraction(8, 10)
    compared = p < Fraction(3, 10) or Fraction(8, 10) < p <= Fraction(9, 10)

    measured = unconfidence(np.array([[128, 0, value]], np.uint8))

    assert measured == (1 + unsure) / (1 + compared)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 0], 0.0), ([255, 255], 0.0), ([128, 255], float("inf")), ([128, 0], 1.0), ([128, 128, 128, 0], 3.0)],
)
def test_nothing_unsure_is_zero_and_nothing_to_compare_is_infinite(values, expected):
    assert unconfidence(np.array([values], np.uint8)) == expected


def test_a_map_in_0_to_1_is_refused():
    with pytest.raises(MaskfoldError, match="float32"):
        unconfidence(np.zeros((2, 2), np.float32))
