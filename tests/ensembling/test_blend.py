"""Fitted weights on cases whose answer is known, and gains that are or are not beyond the noise."""

import numpy as np
import pandas as pd
import pytest

from maskfold.ensembling.blend import METHODS, fit_blend, gain_interval, greedy, least_squares
from maskfold.ensembling.contested import Contested, contest, joined
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import Marks

IMAGES, SIZE = 24, (24, 24)
GROUPS = pd.Series([f"car{number // 2}" for number in range(IMAGES)])
EQUAL = np.array([0.5, 0.5])


def case(*noises: float, copies: bool = False) -> Contested:
    """Members whose logits are the truth's, +2 or -2, with noise of the given deviations, independent unless copies."""
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(IMAGES):
        mask = (rng.random(SIZE) < 0.4).astype(np.uint8)
        noise = [rng.normal(0, 1, SIZE) for _ in noises]
        if copies:
            noise = [noise[0]] * len(noises)
        logits = np.stack([2 * (2.0 * mask - 1) + sd * n for sd, n in zip(noises, noise, strict=True)])
        parts.append(contest(np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8), mask, threshold=128))
    return joined(parts)


def fitted(contested: Contested, method: str, present: np.ndarray = EQUAL):
    return fit_blend(contested, GROUPS, present=present, method=method, k=4, seed=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_good_member_outweighs_a_bad_one_and_the_gain_is_beyond_the_noise(method):
    blend = fitted(case(1, 8), method)

    assert blend.weights.sum() == pytest.approx(1)
    assert blend.weights[0] > 0.7
    assert blend.accepted
    assert 0 < blend.low[-1] < blend.gain[-1] < blend.high[-1]
    assert blend.fitted - blend.scores[-1] == pytest.approx(blend.gain[-1])
    assert blend.scores[0] > blend.scores[-1] > blend.scores[1]


@pytest.mark.parametrize("method", METHODS)
def test_equally_good_members_are_left_alone(method):
    blend = fitted(case(2, 2), method)

    assert not blend.accepted
    assert abs(blend.gain[-1]) < 0.005
    assert (blend.low[:2] > 0).all()  # while their mean is better than each alone


@pytest.mark.parametrize("method", METHODS)
def test_identical_members_have_nothing_to_gain(method):
    blend = fitted(case(2, 2, copies=True), method)

    assert not blend.accepted
    assert blend.gain.tolist() == [0, 0, 0]
    assert blend.weights.sum() == pytest.approx(1)


def test_least_squares_weighs_logits_by_their_precision():
    # For truth + independent noise of variances 1 and 4 on logits the best linear weights are as 4 to 1; here maps are
    # cut to 8 bits and only contested pixels count, which moves them little.
    rng = np.random.default_rng(0)
    truth = rng.random(200_000) < 0.5
    logits = np.where(truth, 0.5, -0.5) + rng.normal(0, 1, (2, len(truth))) * [[1], [2]]
    values = np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8)
    zeros = np.zeros(1)
    contested = Contested(values, truth, np.zeros(len(truth), int), np.ones(len(truth)), zeros, zeros, zeros, 128)

    assert least_squares(contested) == pytest.approx([0.8, 0.2], abs=0.01)


def test_least_squares_shares_equally_among_identical_members_and_gives_a_contrary_one_nothing():
    rng = np.random.default_rng(0)
    truth = rng.random(1000) < 0.5
    good = np.where(truth ^ (rng.random(1000) < 0.2), 200, 50).astype(np.uint8)
    values = np.stack([good, good, 255 - good])
    contested = Contested(values, truth, np.zeros(1000, int), np.ones(1000), np.zeros(1), np.zeros(1), np.zeros(1), 128)

    assert least_squares(contested) == pytest.approx([0.5, 0.5, 0], abs=1e-3)


def test_greedy_finds_members_that_make_up_for_each_other():
    # Pixel by pixel: the first two members are wrong on one pixel each, and sure where the other is unsure; the third
    # is wrong on both.
    values = np.array([[255, 100, 0], [100, 255, 0], [100, 100, 255]], np.uint8)
    truth = np.array([True, True, False])
    one = np.zeros(1)
    contested = Contested(values, truth, np.zeros(3, int), np.ones(3), one, one, np.array([2.0]), 128)

    assert greedy(contested).tolist() == [0.5, 0.5, 0]
    assert contested.marks(greedy(contested)).values.tolist() == [1]


def test_the_present_weights_are_what_a_blend_has_to_beat():
    contested = case(1, 8)
    good_already = fitted(contested, "greedy", present=np.array([0.9, 0.1]))

    assert good_already.scores[-1] == pytest.approx(contested.marks(np.array([0.9, 0.1])).total)
    assert not good_already.accepted


def raised(gains: np.ndarray) -> tuple[Marks, Marks]:
    """Return scores of which the first are larger by some gains, all of one weight."""
    return Marks(gains, np.ones(len(gains))), Marks(np.zeros(len(gains)), np.ones(len(gains)))


def test_groups_not_images_are_drawn():
    # Four groups whose ten images all gain the same: the mean of four values drawn with replacement is at one extreme
    # with a chance of 4^-4 each, so the ends of the interval lie within, and far outside what 40 images would give.
    groups = pd.Series(np.repeat(["a", "b", "c", "d"], 10))
    gains = np.repeat([-1.0, 0.0, 1.0, 4.0], 10)

    mean, low, high = gain_interval(*raised(gains), groups, seed=0)

    assert mean == 1
    assert low <= -0.5
    assert high >= 2.5
    assert gain_interval(*raised(gains), groups, seed=0) == (mean, low, high)


def test_a_constant_gain_has_no_spread():
    new, old = raised(np.full(40, 0.25))

    assert gain_interval(new, old, pd.Series(list("abcd") * 10), seed=0) == pytest.approx((0.25, 0.25, 0.25))


def test_a_gain_of_weighted_masks_is_that_of_their_ratios():
    # Old: (0.5 x 10 + 1 x 30) / 40 = 0.875; new, of other weights: (1 x 20 + 0.5 x 20) / 40 = 0.75.
    new = Marks(np.array([1.0, 0.5]), np.array([20.0, 20.0]))
    old = Marks(np.array([0.5, 1.0]), np.array([10.0, 30.0]))

    gain, low, high = gain_interval(new, old, pd.Series(["a", "b"]), seed=0)

    assert gain == pytest.approx(-0.125)
    # Two groups drawn twice: both once, or either alone, where the gain is 0.5 and -0.5.
    assert (low, high) == pytest.approx((-0.5, 0.5))


def test_unknown_methods_and_too_few_groups_are_refused():
    with pytest.raises(MaskfoldError, match="method=ridge is unknown: choose one of greedy, nnls"):
        fitted(case(1, 2), "ridge")
    with pytest.raises(MaskfoldError, match="k=30: there are only 12 groups"):
        fit_blend(case(1, 2), GROUPS, present=EQUAL, method="greedy", k=30, seed=0)


def test_of_several_intervals_each_is_wider_so_that_all_hold():
    rng = np.random.default_rng(0)
    gains, groups = rng.normal(0, 1, 100), pd.Series(range(100))

    _, low, high = gain_interval(*raised(gains), groups, seed=0)
    mean, lowest, highest = gain_interval(*raised(gains), groups, seed=0, comparisons=20)

    # The mean of 100 is nearly normal: 2.5 % beyond 1.960 deviations, and 2.5 % / 20 beyond 3.023.
    deviation = gains.std() / 10
    assert [mean - low, high - mean] == pytest.approx([1.960 * deviation] * 2, rel=0.08)
    assert [mean - lowest, highest - mean] == pytest.approx([3.023 * deviation] * 2, rel=0.08)


def test_draws_are_the_same_in_parts_of_bounded_memory(monkeypatch):
    rng = np.random.default_rng(0)
    case = (*raised(rng.normal(0, 1, 50)), pd.Series(range(50)))
    at_once = gain_interval(*case, seed=0)

    monkeypatch.setattr("maskfold.ensembling.blend.DRAWN_AT_A_TIME", 50 * 300)

    assert gain_interval(*case, seed=0) == at_once
