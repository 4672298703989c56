"""The area under the curve of risk and coverage: by hand, and against every order written out."""

from itertools import permutations

import numpy as np
import pytest

from maskfold.quality.coverage import aurc, bootstrap, gain_share, risk_curve


def test_the_curve_by_hand():
    scores, risks = np.array([0.2, 0.9, 0.5]), np.array([0.6, 0.0, 0.3])

    assert risk_curve(scores, risks).tolist() == pytest.approx([0.0, 0.15, 0.3])
    assert aurc(scores, risks) == pytest.approx(0.15)
    # The worst order keeps 0.6, then (0.6 + 0.3) / 2, then 0.3: 0.45. Random keeps 0.3, the oracle comes to 0.15.
    assert gain_share(scores, risks) == pytest.approx(1)
    assert gain_share(-scores, risks) == pytest.approx((0.3 - 0.45) / (0.3 - 0.15))


def brute_force(scores, risks):
    """Return the mean AURC over all orders that have the scores falling."""
    orders = [order for order in permutations(range(len(risks))) if (np.diff(scores[list(order)]) <= 0).all()]
    curves = [np.cumsum(risks[list(order)]) / np.arange(1, len(risks) + 1) for order in orders]
    return np.mean(curves)


@pytest.mark.parametrize("seed", range(3))
def test_equal_scores_are_in_no_order(seed):
    rng = np.random.default_rng(seed)
    scores, risks = rng.integers(0, 3, 6).astype(float), rng.random(6)

    area = brute_force(scores, risks)
    oracle, random = brute_force(-risks, risks), brute_force(np.zeros(6), risks)

    assert aurc(scores, risks) == pytest.approx(area)
    assert risk_curve(scores, risks).mean() == pytest.approx(area)
    assert random == pytest.approx(risks.mean())
    assert gain_share(scores, risks) == pytest.approx((random - area) / (random - oracle))


def test_what_has_no_score_comes_last_and_equal_risks_leave_nothing_to_gain():
    assert risk_curve(np.array([np.nan, 0.1]), np.array([1.0, 0.0])).tolist() == [0, 0.5]
    assert np.isnan(gain_share(np.arange(3.0), np.full(3, 0.2)))


def test_an_interval_holds_the_share_and_is_of_whole_groups():
    rng = np.random.default_rng(1)
    risks = rng.random(40)
    scores = {"good": -risks + 0.2 * rng.random(40), "none": rng.random(40)}
    groups = np.repeat(np.arange(20), 2).astype(str)

    drawn = bootstrap(scores, risks, groups, seed=0, draws=200)

    share, low, high = drawn.interval("good")
    assert share == gain_share(scores["good"], risks)
    assert low < share < high
    assert drawn.difference("good", "none")[1] > 0
    # Two photos of one group are one thing drawn twice: their share does not depend on the draw.
    single = bootstrap({"a": np.array([1.0, 0.0])}, np.array([0.0, 1.0]), ["g", "g"], seed=0, draws=20)
    assert single.drawn.tolist() == [[1.0]] * 20
