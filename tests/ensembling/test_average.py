"""Averages against exact fractions, pixel by pixel, and against numbers worked out by hand."""

import weakref
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskfold.ensembling import average
from maskfold.ensembling.average import average_probabilities, integer_weights
from maskfold.errors import MaskfoldError


def average_slowly(maps: list[np.ndarray], weights: list[Fraction]) -> np.ndarray:
    """Average in exact fractions, halves up."""
    mean = np.empty(maps[0].shape, np.uint8)
    for at in np.ndindex(mean.shape):
        exact = sum(Fraction(int(m[at])) * w for m, w in zip(maps, weights, strict=True)) / sum(weights)
        mean[at] = floor(exact + Fraction(1, 2))
    return mean


@st.composite
def maps_and_weights(draw):
    largest = draw(st.sampled_from([1, 3, 1000, 2**20, 2**44]))
    weights = draw(st.lists(st.integers(0, largest), min_size=1, max_size=12).filter(any))
    seed = draw(st.integers(0, 2**32 - 1))
    extremes = draw(st.booleans())
    maps = np.random.default_rng(seed).integers(0, 256, (len(weights), 3, 5), dtype=np.uint8)
    return list(np.where(maps > 127, np.uint8(255), np.uint8(0)) if extremes else maps), weights


@given(maps_and_weights())
@settings(max_examples=200, deadline=None)
def test_the_mean_is_the_exact_one_rounded_once(case):
    maps, weights = case
    expected = average_slowly(maps, weights)

    np.testing.assert_array_equal(average_probabilities(iter(maps), weights), expected)
    np.testing.assert_array_equal(
        average_probabilities(iter(maps), integer_weights(list(map(Fraction, weights)))), expected
    )


def test_an_example_by_hand():
    maps = [np.array([[0, 255, 10, 1]], np.uint8), np.array([[1, 255, 20, 0]], np.uint8)]

    assert average_probabilities(maps, [1, 1]).tolist() == [[1, 255, 15, 1]]  # 0.5 rounds up to 1
    assert average_probabilities(maps, [3, 1]).tolist() == [[0, 255, 13, 1]]  # 0.25, 255, 12.5, 0.75
    assert average_probabilities(maps, [0, 7]).tolist() == [[1, 255, 20, 0]]


def test_every_sum_of_equal_weights_is_divided_as_in_whole_numbers():
    for count in range(1, 258):
        totals = np.arange(255 * count + 1)

        divided = average._divided(totals.astype(np.uint16)[None], count)[0]

        np.testing.assert_array_equal(divided, (2 * totals + count) // (2 * count), f"of {count} maps")


@pytest.mark.parametrize("shape", [(5, 7), (3, 5, 7)])
def test_sums_of_a_few_maps_each_add_up_to_the_whole(monkeypatch, shape):
    monkeypatch.setattr(average, "_MAPS_PER_SUM", 3)
    maps = [np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8) for seed in range(10)]

    sums = np.sum(maps, axis=0, dtype=np.int64)
    assert (average_probabilities(maps, [2] * 10) == (sums + 5) // 10).all()  # halves are rounded up


@pytest.mark.parametrize("number", [256, 257, 258, 600])
def test_white_stays_white_beyond_what_16_bits_hold(number):
    white = np.full((2, 3), 255, np.uint8)

    assert (average_probabilities([white] * number, [1] * number) == 255).all()
    assert (
        average_probabilities([white] * (number - 1) + [white * 0], [1] * number) == floor(255.5 - 255 / number)
    ).all()


def test_a_tree_of_groups():
    # A mean of four groups' means: 30 maps of 200, 5 of 100, 7 of 0, 7 of 255 is (200 + 100 + 0 + 255) / 4 = 138.75.
    sizes, values = [30, 5, 7, 7], [200, 100, 0, 255]
    weights = integer_weights([Fraction(1, 4 * size) for size in sizes for _ in range(size)])
    maps = (np.full((2, 2), value, np.uint8) for size, value in zip(sizes, values, strict=True) for _ in range(size))

    # In 840ths of the whole: 210 for each group, so 7 for each of 30, 42 for each of 5, 30 for each of 7.
    assert weights == [7] * 30 + [42] * 5 + [30] * 14
    assert (average_probabilities(maps, weights) == 139).all()


@pytest.mark.parametrize(
    ("fractions", "expected"),
    [
        ([Fraction(1)], [1]),
        ([Fraction(2, 3), Fraction(4, 3)], [1, 2]),
        ([Fraction(5), Fraction(5), Fraction(0)], [1, 1, 0]),
        ([Fraction("0.5"), Fraction("0.3"), Fraction("0.2")], [5, 3, 2]),
    ],
)
def test_integer_weights_are_the_smallest_in_proportion(fractions, expected):
    assert integer_weights(fractions) == expected


def test_integer_weights_too_large_for_exactness_are_rounded():
    # Exactly, the sum would be a multiple of the product of two large primes, about 2^122.
    fractions = [Fraction(1, 2**61 - 1), Fraction(1, 2**31 - 1), Fraction(1, 3)]
    weights = integer_weights(fractions)

    assert sum(weights) <= 2**48
    for weight, fraction in zip(weights, fractions, strict=True):
        assert abs(Fraction(weight, sum(weights)) - fraction / sum(fractions)) < Fraction(1, 2**46)
    black, white = np.zeros((1, 1), np.uint8), np.full((1, 1), 255, np.uint8)
    assert average_probabilities([white, black, white], weights) == 255


@pytest.mark.parametrize("number", range(40, 60))
def test_rounded_weights_are_always_accepted(number):
    weights = integer_weights([Fraction(1, 10**9 + k) for k in range(number)])
    assert average_probabilities([np.full((1, 1), 200, np.uint8)] * number, weights) == 200


def test_memory_does_not_grow_with_the_number_of_maps():
    references, alive = [], []

    def maps():
        for value in range(20):
            probability = np.full((2, 2), value, np.uint8)
            references.append(weakref.ref(probability))
            yield probability
            del probability
            alive.append(sum(reference() is not None for reference in references))

    assert (average_probabilities(maps(), [1, 2] * 10) == 10).all()  # (90 + 2 x 100) / 30 = 9.67
    assert len(alive) == 20
    assert max(alive) <= 2


def test_maps_of_two_sizes_are_refused_with_both():
    with pytest.raises(MaskfoldError, match="map 2 of an average is 4x3 pixels, but the first is 5x3"):
        average_probabilities([np.zeros((3, 5), np.uint8), np.zeros((3, 4), np.uint8)], [1, 1])


def test_a_map_of_floats_is_refused():
    with pytest.raises(MaskfoldError, match="map 1 of an average is float64"):
        average_probabilities([np.zeros((3, 5))], [1])


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [3, -1], [2**48, 1]])
def test_impossible_weights_are_refused(weights):
    with pytest.raises(MaskfoldError, match="weights must be"):
        average_probabilities([np.zeros((1, 1), np.uint8)] * len(weights), weights)


@pytest.mark.parametrize("fractions", [[], [Fraction(0)], [Fraction(3), Fraction(-1)]])
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(MaskfoldError, match="weights must be"):
        integer_weights(fractions)


@pytest.mark.parametrize("weights", [[1], [1, 1, 1]])
def test_a_weight_for_each_map(weights):
    with pytest.raises(ValueError, match="zip"):
        average_probabilities([np.zeros((1, 1), np.uint8)] * 2, weights)
