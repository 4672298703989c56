"""Numbers as a reader sees them."""

import math

from maskfold.analysis.formats import doubt, gain, interval, label, percent, score


def test_each_kind_of_number_by_example():
    assert score(0.9973321) == "0.99733"
    assert score(math.nan) == "-"
    assert gain(0.000123) == "+0.00012"
    assert percent(0.1234) == "12.3 %"
    assert percent(0.1251, 0) == "13 %"
    assert percent(math.nan) == "-"
    assert doubt(0.01234) == "0.0123"
    assert doubt(math.inf) == "infinite"


def test_a_year_from_a_column_with_gaps_is_a_year():
    assert label(2014.0) == "2014"
    assert label("w/SE") == "w/SE"


def test_an_interval_is_written_as_its_ends_are():
    assert interval(0.9, 0.95) == "0.90000 to 0.95000"
    assert interval(-0.001, 0.002, gain) == "-0.00100 to +0.00200"
    assert interval(math.nan, math.nan) == "-"
