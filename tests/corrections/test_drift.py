"""What has moved since a threshold was chosen: numbers worked out by hand or known from tables."""

from dataclasses import replace
from math import isnan, log

import pytest

from maskfold.corrections.drift import Month, Promise, compare, exact_interval, stability_index

TENTHS = tuple(number / 10 for number in range(1, 10))
PROMISE = Promise(
    level=0.9,
    alpha=0.02,
    edges=TENTHS,
    scores=(0.1,) * 10,
    clusters={"shoe": 0.5, "sofa": 0.5},
    held=0.1,
    held_upper=0.12,
    photos=1000,
)
SAME = Month(
    scores=[0.05 + number / 10 for number in range(10)] * 100,
    clusters=["shoe", "sofa"] * 500,
    held=100,
    audited=[0.95] * 200,
)


def test_the_index_of_two_lists_of_shares_by_hand():
    assert stability_index((0.5, 0.5), (0.4, 0.6)) == pytest.approx(0.04055, abs=5e-6)
    assert stability_index((0.5, 0.5), (0.4, 0.6)) == pytest.approx(0.1 * log(0.5 / 0.4) + 0.1 * log(0.6 / 0.5))
    assert stability_index((0.25, 0.75), (0.25, 0.75)) == 0
    assert stability_index((1, 0), (0.5, 0.5)) == pytest.approx(0.5 * log(2) + 0.4999 * log(5000))


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        (0, 149, 0, 1 - 0.025 ** (1 / 149)),  # of no failures it is known in one line
        (10, 10, 0.025**0.1, 1),
        (1, 10, 0.002529, 0.445016),  # Clopper and Pearson's tables
        (5, 10, 0.187086, 0.812914),
        (0, 0, 0, 1),
    ],
)
def test_exact_intervals_are_those_of_the_tables(count, of, low, high):
    assert exact_interval(count, of) == pytest.approx((low, high), abs=2e-6)


def values(month, promise=PROMISE):
    return {one.what: one for one in compare(promise, month)}


def test_photos_as_they_were_raise_no_alarm():
    same = values(SAME)

    assert not any(one.is_alarm for one in same.values())
    assert same["scores"].value == same["clusters"].value == 0


def test_each_thing_that_moves_raises_its_own_alarm_and_no_other():
    moved = {
        "scores": replace(SAME, scores=[0.05] * 400 + SAME.scores[:600]),
        "clusters": replace(SAME, clusters=["shoe"] * 800 + ["sofa"] * 200),
        "not shipped": replace(SAME, held=121),
        "bad among shipped": replace(SAME, audited=[0.5] * 10 + [0.95] * 190),
    }
    for what, month in moved.items():
        assert [name for name, one in values(month).items() if one.is_alarm] == [what]
    assert not values(replace(SAME, held=120))["not shipped"].is_alarm
    # .8 against .5 and .2 against .5: .3 ln 1.6 + .3 ln 2.5
    assert values(moved["clusters"])["clusters"].value == pytest.approx(0.3 * log(1.6) + 0.3 * log(2.5))


def test_a_kind_that_nobody_knew_is_named():
    assert values(replace(SAME, clusters=["lamp"] * 1000))["clusters"].note == "not known before: lamp"


def test_few_photos_say_how_much_is_chance():
    month = replace(SAME, scores=[0.95] * 20, clusters=[None] * 20, held=2, audited=[0.95] * 4 + [0.1])

    few = values(month)

    assert few["scores"].is_alarm
    assert few["scores"].note == "so few photos: chance alone gives 0.46 or more"  # 9 (1/20 + 1/1000)
    assert isnan(few["clusters"].value)
    audit = few["bad among shipped"]
    assert not audit.is_alarm  # one of five may be bad where one of fifty is
    assert audit.note == "below IoU 0.9: 95 % interval 0.5% to 71.6%; above what was promised, which chance may explain"


def test_what_is_not_known_is_no_alarm():
    month = Month([float("nan")] * 3, [None] * 3, 0, [], unaudited=2)
    nothing = values(month, replace(PROMISE, alpha=None, clusters={}, photos=0))

    assert not any(one.is_alarm for one in nothing.values())
    assert nothing["scores"].note == "3 photos have no score"
    assert nothing["bad among shipped"].note == "2 drawn and not looked at; no audit yet"
