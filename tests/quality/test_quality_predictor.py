"""Ranks of measures, and the score that their sum is."""

import numpy as np
import pytest

from maskfold.quality.names import DIRECTIONS
from maskfold.quality.predictor import MOST_POINTS, fit_ranks


def test_ranks_are_shares_of_photos_below_and_equal_ones_count_half():
    predictor = fit_ranks("soft_dice", {"soft_dice": np.array([0.1, 0.5, 0.5, 0.9])}, {"soft_dice": 1.0})

    # 0.1: half of itself, 1/8; 0.5: one below and half of two, 1/2; 0.9: 3.5/4. Half way from 0.1 to 0.5: 5/16.
    scores = predictor.score({"soft_dice": np.array([0.1, 0.5, 0.9, 0.3, -1, 2])})
    assert scores.tolist() == pytest.approx([0.125, 0.5, 0.875, 0.3125, 0.125, 0.875])


def test_of_a_measure_that_is_worse_when_higher_the_lowest_ranks_first():
    measured = {"unconfidence": np.array([0.0, 1.0, np.inf])}
    predictor = fit_ranks("unconfidence", measured, {"unconfidence": 1.0})

    assert predictor.score(measured).tolist() == pytest.approx([5 / 6, 3 / 6, 1 / 6])


def test_a_score_weighs_ranks_and_is_not_known_where_one_is_not():
    measured = {"soft_dice": np.array([0.0, 1.0]), "components": np.array([2.0, 1.0])}
    predictor = fit_ranks("ridge", measured, {"soft_dice": 2.0, "components": -1.0}, intercept=0.5)

    assert predictor.measures == ("soft_dice", "components")
    # ranks 1/4 and 3/4 of both: 2/4 - 1/4 + 1/2 and 6/4 - 3/4 + 1/2
    assert predictor.score(measured).tolist() == pytest.approx([0.75, 1.25])
    assert np.isnan(predictor.score({"soft_dice": 1.0, "components": np.nan}))


def test_tables_of_many_photos_stay_short_and_close():
    values = np.random.default_rng(0).random(20_000)
    predictor = fit_ranks("soft_dice", {"soft_dice": values}, {"soft_dice": 1.0})

    assert len(predictor.terms[0].values) <= MOST_POINTS
    exact = (values.argsort().argsort() + 0.5) / len(values)
    assert np.abs(predictor.score({"soft_dice": values}) - exact).max() < 0.002


def test_every_measure_ranks():
    measured = {name: np.array([0.0, 1.0]) for name in DIRECTIONS}

    for name, direction in DIRECTIONS.items():
        low, high = fit_ranks(name, measured, {name: 1.0}).score(measured)
        assert (high > low) == (direction >= 0)
