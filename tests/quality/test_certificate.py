"""Promises: the numbers they take, what exact binomials grant, and MAPIE's own answer beside ours."""

import warnings
from math import comb

import numpy as np
import pytest
from scipy.stats import binom

from maskfold.errors import MaskfoldError
from maskfold.quality.certificate import Terms, alternatives, certify, cost_threshold, facts_of, one_of_each

ASKED = Terms(level=0.9, alpha=0.05, confidence=0.95)


def scored(seed, photos=400):
    """Return scores in [0, 1] and IoUs of which fewer are bad the higher the score is."""
    rng = np.random.default_rng(seed)
    scores = rng.random(photos)
    return scores, np.where(rng.random(photos) < 0.4 * (1 - scores) ** 3, 0.5, 0.95)


@pytest.mark.parametrize(("alpha", "photos"), [(0.01, 299), (0.02, 149), (0.05, 59)])
def test_a_promise_takes_so_many_photos_with_none_bad(alpha, photos):
    terms = Terms(level=0.9, alpha=alpha, confidence=0.95)

    assert terms.needed == photos
    assert certify(np.arange(photos, dtype=float), np.ones(photos), terms).granted
    few = certify(np.arange(photos - 1, dtype=float), np.ones(photos - 1), terms)
    assert not few.granted
    assert f"takes {photos} photos of different groups even if none of them is bad, and there are {photos - 1}" in str(
        few
    )


def test_the_walk_ends_where_the_exact_binomial_says():
    # 100 good masks ahead of 20 of which each second is bad: from 100 on the count of bad ones grows.
    scores = np.arange(120, 0, -1.0)
    ious = np.where((np.arange(120) >= 100) & (np.arange(120) % 2 == 0), 0.5, 0.95)
    terms = Terms(level=0.9, alpha=0.05, confidence=0.95, begin=0.5)

    certificate = certify(scores, ious, terms)

    def chance(bad, shipped):  # of so few bad ones if 5 % were
        return sum(comb(shipped, k) * 0.05**k * 0.95 ** (shipped - k) for k in range(bad + 1))

    # 60 photos are tried first, then about one more each time: with 101 one is bad, with 103 two, with 105 three.
    assert chance(2, 104) > 0.05 > chance(1, 102)
    assert 101 <= certificate.shipped <= 103
    assert certificate.bad == (certificate.shipped - 99) // 2
    assert certificate.p_value == pytest.approx(chance(certificate.bad, certificate.shipped))
    assert certificate.threshold == scores[certificate.shipped - 1]


def mapie(scores, good, tried, method):
    """Return MAPIE's controller of the share of good ones among those at or above a threshold, calibrated."""
    from mapie.risk_control import BinaryClassificationController

    controller = BinaryClassificationController(
        predict_function=lambda some: np.column_stack([1 - some, some]),
        risk="precision",
        target_level=0.95,
        confidence_level=0.95,
        list_predict_params=tried,
        fwer_method=method,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return controller.calibrate(scores, good.astype(int))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_fixed_sequence_of_exact_binomials_and_of_mapie(seed):
    scores, ious = scored(seed)
    tried = np.sort(scores)[::-1][np.unique(np.linspace(100, 400, 50).round().astype(int)) - 1]
    # The walk, written out with SciPy's binomial alone.
    held, exact = None, []
    for threshold in tried:
        ships = scores >= threshold
        exact.append(binom.cdf((ious[ships] < 0.9).sum(), ships.sum(), 0.05))
        held = threshold if max(exact) <= 0.05 else held

    ours = certify(scores, ious, ASKED).threshold

    assert ours == held
    fixed, default = (mapie(scores, ious >= 0.9, tried, method) for method in ("fixed_sequence", "bonferroni_holm"))
    # MAPIE 1.6.0 rounds 229 * (5 / 229) up to 6 bad ones: some of its p-values are larger, and its walk may end before.
    larger = fixed.p_values.ravel() > np.array(exact) + 1e-9
    assert larger.mean() < 0.8
    assert fixed.p_values.ravel()[~larger] == pytest.approx(np.array(exact)[~larger])
    assert ours <= (fixed.best_predict_param or 1) <= min(default.valid_predict_params, default=1)


def test_the_walk_begins_at_the_strict_end_whatever_the_truth_is():
    # The best scores are the worst masks: MAPIE's controller would begin at the lax end, and grant it all.
    scores = np.arange(1000, 0, -1.0)
    ious = np.where(np.arange(1000) < 20, 0.5, 0.95)

    refused = certify(scores, ious, Terms(level=0.9, alpha=0.05, confidence=0.95, begin=0.06))

    assert not refused.granted
    assert (refused.shipped, refused.bad) == (60, 20)
    assert str(refused).endswith("of the 60 of 1000 photos with the best scores, 20 are below.")


def test_promises_are_broken_as_seldom_as_they_say():
    """Known truth: bad with a chance of (1 - score) / 2, so of what ships from t on (1 - t) / 4 are bad."""
    rng, terms, draws = np.random.default_rng(0), Terms(level=0.9, alpha=0.05, confidence=0.95), 300
    broken = 0
    for _ in range(draws):
        scores = rng.random(300)
        ious = np.where(rng.random(300) < (1 - scores) / 2, 0.5, 0.95)
        threshold = certify(scores, ious, terms).threshold
        broken += threshold is not None and (1 - threshold) / 4 > terms.alpha

    assert broken <= binom.ppf(0.999, draws, 0.05)  # 28 of 300


def test_what_could_be_promised_instead():
    scores, ious = np.arange(100.0), np.full(100, 0.85)

    lower, *laxer = alternatives(scores, ious, ASKED)

    assert (lower.terms.level, lower.terms.alpha, lower.shipped, laxer) == (0.85, 0.05, 100, [])
    few = alternatives(scores[:40], np.full(40, 0.95), ASKED)
    # 0.925^40 = 0.044, while 0.95^40 = 0.129 is no refutation at any IoU
    assert [(one.terms.level, one.terms.alpha) for one in few] == [(0.9, 0.075)]


def test_facts_are_plain_numbers_and_words():
    scores, ious = scored(0)
    facts = facts_of(certify(scores, ious, ASKED))

    assert {"level", "alpha", "confidence", "threshold", "shipped", "bad", "photos", "needed", "words"} <= facts.keys()
    assert facts["words"].startswith("Promised at 95 % confidence: of what ships, at most 5 % are below IoU 0.9.")
    assert facts_of(certify(scores[:3], ious[:3], ASKED))["p_value"] is None


def test_one_photo_of_each_group_is_drawn():
    groups = ["a", "b", "a", "c", "a"]

    drawn = {tuple(one_of_each(groups, seed=seed).tolist()) for seed in range(40)}

    assert drawn == {(0, 1, 3), (1, 2, 3), (1, 3, 4)}
    assert one_of_each(groups, seed=5).tolist() == one_of_each(groups, seed=5).tolist()


def test_money_ships_where_a_review_costs_more_than_it_saves():
    # P(bad) falls from 0.5 at a score of 0 to 0 at 1: it is 1/10 at 0.8.
    assert cost_threshold([0, 1], [0.5, 0], review_cost=1, bad_cost=10) == pytest.approx(0.8)
    assert cost_threshold([0, 1], [0.05, 0], review_cost=1, bad_cost=10) == 0
    assert cost_threshold([0, 1], [0.5, 0.2], review_cost=1, bad_cost=10) is None


@pytest.mark.hostile("wrong input")
def test_terms_that_are_no_shares_are_refused():
    with pytest.raises(MaskfoldError, match="alpha=2"):
        Terms(level=0.9, alpha=2, confidence=0.95)
    with pytest.raises(MaskfoldError, match="review_cost=5, bad_cost=1"):
        cost_threshold([0], [1], review_cost=5, bad_cost=1)
