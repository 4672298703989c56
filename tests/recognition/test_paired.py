import numpy as np
import pytest

from maskfold.recognition.paired import (
    false_accepts_p,
    holm,
    least_p,
    macro_fall,
    macro_fall_interval,
    macro_fall_p,
    mcnemar,
    provable,
)


def test_mcnemar_is_exact_and_two_sided():
    # Ten coins all heads, or tails: 2 / 1024. Eight or more, or two or fewer: 2 (1 + 10 + 45) / 1024.
    assert mcnemar(np.array([10, 8, 2, 0]), np.array([0, 2, 8, 0])) == pytest.approx(
        [2 / 1024, 112 / 1024, 112 / 1024, 1]
    )


def test_holm_multiplies_by_what_is_left_and_never_falls():
    assert holm(np.array([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([])).shape == (0,)


def test_the_fall_of_macro_recall_counts_products_alike():
    photos, lost, won = np.array([10, 5]), np.array([2, 1]), np.array([0, 1])

    assert macro_fall(photos, lost, won) == pytest.approx((0.2 + 0) / 2)


def test_the_interval_of_single_photos_is_that_of_all_of_them_together():
    photos, lost = np.ones(100, dtype=int), np.arange(100) < 30
    low, high = macro_fall_interval(photos, lost.astype(int), np.zeros(100, dtype=int), level=0.025, draws=2000, seed=0)

    spread = 1.96 * (0.3 * 0.7 / 99) ** 0.5
    assert (low, high) == (pytest.approx(0.3 - spread, abs=0.015), pytest.approx(0.3 + spread, abs=0.015))


def test_the_interval_is_not_too_narrow_where_products_have_few_photos():
    photos = np.full(400, 2)
    lost, won = (
        np.arange(400) < 100,
        np.arange(400) >= 300,
    )  # one photo each: a difference of 1/2, variance 1/8 a product
    low, high = macro_fall_interval(photos, lost.astype(int), won.astype(int), level=0.025, draws=2000, seed=0)

    # Within a product of two photos, one lost: variance s^2 / n = (1/2) / 2, in half of the 400 products.
    spread = 1.96 * (200 * 0.25) ** 0.5 / 400
    assert (low, high) == (pytest.approx(-spread, rel=0.15), pytest.approx(spread, rel=0.15))


def test_a_fall_of_coins_is_as_likely_as_that_of_coins():
    photos = np.array([10, 10])
    # Four photos differ, all lost: 1 / 16 by chance; a draw counts itself.
    p = macro_fall_p(photos, np.array([4, 0]), np.array([0, 0]), draws=4000, seed=0)

    assert p == pytest.approx(1 / 16, abs=0.012)


def test_a_models_own_scale_does_not_make_its_rejection_another():
    random = np.random.default_rng(0)
    known, unknown = random.normal(3, 1, 200), random.normal(0, 1, 100)
    both = [np.stack([scores, 7 * scores + 2], axis=1) for scores in (known, unknown)]

    assert false_accepts_p(*both, accepted=0.95, draws=100, seed=0) == 1


def test_worse_rejection_is_unlikely_to_be_chance():
    random = np.random.default_rng(0)
    known, unknown = random.normal(3, 1, (200, 2)), random.normal([0, 3], 1, (100, 2))

    assert false_accepts_p(known, unknown, accepted=0.95, draws=200, seed=0) == pytest.approx(1 / 201)


def test_tests_that_can_prove_nothing_share_no_level():
    # 1, .5, .0625, .002 and .001: three may reach .1, two .05 and .033; so two tests share the level.
    tried, count = provable(least_p(np.array([0, 2, 5, 10, 11])), 0.1)
    assert (tried.tolist(), count) == ([False, False, False, True, True], 2)
    assert provable(np.array([]), 0.01)[1] == 1
