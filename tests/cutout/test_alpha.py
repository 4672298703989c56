"""Alpha along the outline of a map, by hand."""

import numpy as np
import pytest

from maskfold.cutout.alpha import hard_alpha, reach_of, soft_alpha, softened


def test_a_vague_map_is_held_between_two_ramps():
    # p = 0.4 left of the outline and 0.6 right of it; the middles of the pixels are 0.5, 1.5 and 2.5 pixels away.
    row = np.repeat(np.uint8([102, 153]), 4)
    alpha = soft_alpha(np.tile(row, (9, 1)), reach=2)

    assert alpha[4] == pytest.approx([0, 0, 0.25, 0.4, 0.6, 0.75, 1, 1], abs=1e-6)


def test_a_sharp_map_is_kept_as_it_is_along_the_outline():
    row = np.uint8([0, 0, 0, 51, 204, 255, 255, 255])
    alpha = soft_alpha(np.tile(row, (9, 1)), reach=4)

    assert alpha[4, 3:5] == pytest.approx([0.2, 0.8], abs=1e-6)
    assert alpha[4, :3].max() == 0
    assert alpha[4, 5:].min() == 1


def test_nothing_and_everything_stay_so():
    assert soft_alpha(np.full((5, 5), 90, np.uint8), reach=2).max() == 0
    assert soft_alpha(np.full((5, 5), 200, np.uint8), reach=2).min() == 1
    assert hard_alpha(np.uint8([[127, 128]])).tolist() == [[0, 1]]


def test_the_reach_grows_with_the_photo():
    assert reach_of(300, 400) == 2  # 0.15 % of 500 is less
    assert reach_of(3000, 4000) == pytest.approx(7.5)


def test_the_outline_that_a_person_drew_is_blurred_and_stays_where_it_is():
    step = np.tile(np.repeat(np.uint8([0, 1]), 8), (16, 1))
    # Normal distribution of 1 pixel, at 0.5 and 1.5 pixels from the step: 0.691 and 0.933, some less for whole pixels.
    assert soft_alpha(softened(step, reach=2), reach=2)[8, 6:10] == pytest.approx([0.07, 0.31, 0.69, 0.93], abs=0.02)

    line = np.zeros((9, 9), np.uint8)
    line[:, 4] = 1  # a strap of one pixel, which a blur alone would lose
    np.testing.assert_array_equal(hard_alpha(softened(line, reach=2)), line)
