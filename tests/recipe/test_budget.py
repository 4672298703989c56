"""What fits the hours, by numbers worked out by hand."""

import pytest

from maskfold.recipe.budget import MemberCost, fitting, least_hours, usable

FIRST = MemberCost("first", fixed=100, epoch=10, wanted=40, least=20)  # 300 to 500 seconds
SECOND = MemberCost("second", fixed=50, epoch=5, wanted=40, least=20)  # 150 to 250
LARGE = MemberCost("large", fixed=0, epoch=100, wanted=20, least=10)  # 1000 to 2000


@pytest.mark.parametrize(
    ("costs", "seconds", "expected"),
    [
        ([FIRST, SECOND], 750, {"first": 40, "second": 40}),
        ([FIRST, SECOND], 9999, {"first": 40, "second": 40}),
        ([FIRST, SECOND], 600, {"first": 30, "second": 30}),  # 150 of 300 seconds more than the least
        ([FIRST, SECOND], 450, {"first": 20, "second": 20}),
        ([FIRST, SECOND], 449, {"first": 34}),  # the last is dropped: (449 - 300) / 10 = 14 epochs more
        ([FIRST, SECOND], 299, {"second": 40}),
        ([LARGE, FIRST, SECOND], 999, {"first": 40, "second": 40}),  # the first does not fit alone
        ([FIRST, SECOND], 149, {}),
    ],
)
def test_members_are_shortened_alike_then_dropped_from_the_end(costs, seconds, expected):
    assert fitting(costs, seconds) == expected


def test_a_reserve_is_kept_and_the_least_budget_has_it_too():
    assert usable(10) == pytest.approx(30_600)
    assert least_hours([FIRST, SECOND]) == pytest.approx(150 / 3600 / 0.85)
    assert fitting([FIRST, SECOND], usable(least_hours([FIRST, SECOND])) + 1e-6) == {"second": 20}
