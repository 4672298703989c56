"""What one mask says by itself."""

import math

import cv2
import numpy as np

from maskfold.cleaning.outlines import border_share, raggedness


def test_the_border_is_the_outermost_pixels_once_each():
    mask = np.zeros((4, 5), np.uint8)
    mask[0] = 1

    assert border_share(mask) == 5 / 14


def test_a_disc_is_smooth_and_one_full_of_holes_is_ragged():
    disc = cv2.circle(np.zeros((300, 400), np.uint8), (200, 150), 100, 1, -1)
    holes = disc & (np.random.default_rng(0).random(disc.shape) > 0.03).astype(np.uint8)

    assert 0.98 < raggedness(disc) < 1.05
    assert raggedness(holes) > 1.6


def test_a_mask_without_an_outline_is_not_ragged():
    assert math.isnan(raggedness(np.zeros((20, 20), np.uint8)))
    assert math.isnan(raggedness(np.ones((20, 20), np.uint8)))
