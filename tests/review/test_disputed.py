"""The area to look at first is the largest on which members disagree, and no seam along an outline."""

import numpy as np

from maskfold.review.disputed import disputed_areas


def square(top, left, bottom, right, value=250):
    one = np.zeros((120, 160), np.uint8)
    one[top:bottom, left:right] = value
    return one


def test_the_largest_disputed_area_is_the_first_and_the_seam_is_none():
    one = square(20, 20, 100, 140)
    other = square(21, 21, 99, 139)  # a seam of one pixel all around: 396 pixels
    other[40:50, 60:90] = 0
    other[108:112, 10:16] = 250

    areas = disputed_areas([one, other], other, threshold=128)

    assert areas == [(60, 40, 30, 10, 300), (10, 108, 6, 4, 24)]


def test_where_only_the_seam_is_disputed_it_is_the_area():
    areas = disputed_areas([square(20, 20, 100, 140), square(20, 20, 100, 139)], square(0, 0, 0, 0), threshold=128)

    assert areas == [(139, 20, 1, 80, 80)]


def test_of_one_member_it_is_where_it_is_unsure():
    one = square(20, 20, 100, 140)
    one[30:40, 30:50] = 120

    assert disputed_areas([one], one, threshold=128) == [(30, 30, 20, 10, 200)]


def test_where_all_are_sure_and_agree_there_is_none():
    one = square(20, 20, 100, 140)

    assert disputed_areas([one, one], one, threshold=128) == []
