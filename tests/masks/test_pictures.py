"""Pictures, pixel by pixel."""

import numpy as np
import pytest

from maskfold.masks.pictures import (
    BLUE,
    ORANGE,
    WHITE,
    as_rgb,
    colour_probability,
    densest_window,
    draw_frame,
    draw_outline,
    fade,
    shrink,
    tint,
)

BLACK = np.zeros((5, 5, 3), np.uint8)


def test_an_outline_is_the_edge_of_the_mask_and_of_its_holes():
    mask = np.zeros((5, 5), np.uint8)
    mask[1:4, 1:4] = 1

    drawn = draw_outline(BLACK, mask, ORANGE)

    expected = mask.astype(bool)
    expected[2, 2] = False
    assert np.array_equal((drawn == ORANGE).all(axis=2), expected)
    assert not drawn[~expected].any()
    assert not BLACK.any()  # the picture it was given is left alone


def test_a_mask_of_another_size_is_scaled_to_the_picture():
    mask = np.zeros((20, 20), np.uint8)
    mask[4:16, 4:16] = 1

    assert (draw_outline(BLACK, mask, BLUE) == BLUE).all(axis=2).sum() == 8  # the edge of 3 x 3


def test_a_pixel_that_is_half_mask_is_half_coloured():
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], bool)

    tinted = tint(np.zeros((1, 2, 3), np.uint8), mask, (200, 100, 0))

    assert tinted.tolist() == [[[100, 50, 0], [0, 0, 0]]]


def test_shrinking_keeps_the_proportions_and_never_enlarges():
    assert shrink(np.zeros((1280, 1918, 3), np.uint8), width=480, height=400).shape == (320, 480, 3)
    assert shrink(np.zeros((830, 550), np.uint8), width=480, height=400).shape == (400, 265)
    assert shrink(np.zeros((30, 20), np.uint8), width=480, height=400).shape == (30, 20)
    assert shrink(np.zeros((1, 5000), np.uint8), width=480, height=400).shape == (1, 480)


def test_brightness_rises_with_probability():
    coloured = colour_probability(np.arange(256, dtype=np.uint8)[None])

    luma = coloured[0] @ [0.299, 0.587, 0.114]
    assert coloured.shape == (1, 256, 3)
    assert (np.diff(luma) > -0.6).all()  # up to rounding to whole values
    assert luma[-1] - luma[0] > 150


def test_the_darkest_and_the_lightest_colour_are_those_of_viridis():
    coloured = colour_probability(np.array([[0, 255]], np.uint8))
    assert coloured.tolist() == [[[0x44, 0x01, 0x54], [0xFD, 0xE7, 0x25]]]  # #440154 and #FDE725


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (7, 9)])
def test_the_densest_window_is_the_one_a_search_finds(size):
    weight = np.random.default_rng(0).integers(0, 2, (7, 9)).astype(bool)
    height, width = size

    totals = {
        (top, left): weight[top : top + height, left : left + width].sum()
        for top in range(7 - height + 1)
        for left in range(9 - width + 1)
    }
    top, left = max(totals, key=totals.get)

    assert densest_window(weight, height=height, width=width) == (slice(top, top + height), slice(left, left + width))


def test_a_frame_lies_where_the_window_does():
    framed = draw_frame(np.zeros((20, 40, 3), np.uint8), (slice(40, 60), slice(80, 160)), shape=(80, 160, 3))

    rows, columns = np.nonzero((framed == WHITE).all(axis=2))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 14, 20, 39)


def test_a_frame_shows_on_white_by_dark_lines_without_colour():
    framed = draw_frame(np.full((20, 40, 3), 255, np.uint8), (slice(20, 56), slice(40, 120)), shape=(80, 160, 3))

    # The white line is the edge of rows 5 to 13 and columns 10 to 29; a dark one is on either side of it.
    assert framed[5, 10:30].min() == 255
    for row, left, right in ((4, 10, 30), (6, 11, 29), (12, 11, 29), (14, 10, 30)):
        assert framed[row, left:right].max() < 128
        assert (framed[row, left:right] == framed[row, left:right, :1]).all()


def test_blue_is_that_of_okabe_and_ito():
    assert BLUE == (0x00, 0x72, 0xB2)  # "blue" of their palette for colour-blind readers, #0072B2


def test_a_faded_picture_is_light_and_without_colour():
    faded = fade(np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], np.uint8))

    assert faded.min() >= 120
    assert (faded == faded[..., :1]).all()


def test_any_photo_is_shown_as_rgb():
    grey = np.array([[[0], [128], [255]]], np.uint8)
    assert as_rgb(grey).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    assert as_rgb(colour) is colour
    bands = np.arange(30, dtype=np.uint8).reshape(2, 3, 5)
    assert np.array_equal(as_rgb(bands), bands[..., :3])


def test_real_numbers_are_spread_between_their_percentiles_channel_by_channel():
    # 0, 1, ..., 100: the first percentile is 1, the 99th is 99; 50 is in the middle of both.
    levels = np.arange(101, dtype=np.float32)
    shown = as_rgb(np.stack([levels, 1000 * levels - 7, np.full(101, 5, np.float32), levels], axis=-1)[None])
    assert shown[0, [0, 1, 50, 99, 100], 0].tolist() == [0, 0, 128, 255, 255]
    assert np.array_equal(shown[..., 0], shown[..., 1])
    assert (shown[..., 2] == 128).all()


def test_holes_are_black():
    photo = np.array([[[0.0], [np.nan], [10.0]]], np.float32)
    assert as_rgb(photo)[0, :, 0].tolist() == [0, 0, 255]
    assert not as_rgb(np.full((2, 2, 1), np.nan, np.float32)).any()
