"""Scores of masks against numbers counted by hand, and boundaries against repeated erosion."""

import cv2
import numpy as np
import pytest
import torch

from maskfold.masks.scores import (
    METRICS,
    SCORES,
    band_width,
    boundary_scores,
    dice_score,
    iou_score,
    mask_scores,
    near_boundary,
    threshold_counts,
)

# Intersection, predicted, actual: half right, both empty, predicted only, actual only, perfect.
COUNTS = ([2, 0, 0, 0, 7], [3, 0, 4, 0, 7], [5, 0, 0, 4, 7])
DICE = [0.5, 1, 0, 0, 1]
IOU = [1 / 3, 1, 0, 0, 1]


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_scores_by_hand(kind):
    counts = [kind(count) for count in COUNTS]
    np.testing.assert_allclose(dice_score(*counts), DICE, rtol=1e-6)
    np.testing.assert_allclose(iou_score(*counts), IOU, rtol=1e-6)


def test_scores_of_plain_numbers():
    assert dice_score(2, 3, 5) == 0.5
    assert dice_score(0, 0, 0) == 1
    assert iou_score(0, 0, 0) == 1
    assert dice_score(2, 3, 5, smooth=2) == 6 / 10


def square(left: int) -> np.ndarray:
    """A square of 5x5 pixels in 9x9, from row 2; the band at this size is one pixel wide."""
    mask = np.zeros((9, 9), np.uint8)
    mask[2:7, left : left + 5] = 1
    return mask


def test_the_band_is_two_per_cent_of_the_diagonal_and_one_pixel_at_least():
    assert band_width((1280, 1918)) == 46  # 2305.9 px
    assert band_width((300, 400)) == 10
    assert band_width((3, 4)) == 1
    assert band_width((300, 400), 0.005) == 2  # 2.5, to the even neighbour


def test_a_square_one_column_aside_by_hand():
    scores = mask_scores(square(left=3), square(left=2))

    # Rims of 16 pixels each share 4 in the first row and 4 in the last. The trimap is 7x7 without the inner 3x3: of
    # each mask's 25 pixels 16 are in it, and of the 20 that both have, 11.
    expected = {"dice": 40 / 50, "iou": 20 / 30, "boundary_iou": 8 / 24, "trimap_dice": 22 / 32}
    assert scores == pytest.approx(expected | {"accuracy": 1 - 10 / square(left=2).size})
    assert tuple(scores) == SCORES == (*METRICS, "accuracy")


def test_accuracy_flatters_and_is_whole_where_both_masks_are_empty():
    empty, tenth = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    tenth[0] = 1

    missed, nothing = mask_scores(empty, tenth), mask_scores(empty, empty)

    assert (missed["accuracy"], missed["iou"]) == (0.9, 0)
    assert (nothing["accuracy"], nothing["iou"]) == (1, 1)


def test_the_frame_is_a_boundary():
    truth = np.ones((4, 6), np.uint8)
    prediction = truth.copy()
    prediction[0, 0] = 0

    # The frame has 16 pixels; without its corner the prediction has 15 of them, and one more diagonal to the corner.
    assert boundary_scores(prediction, truth) == pytest.approx((15 / 17, 2 * 15 / (15 + 16)))


def test_what_is_right_inside_does_not_make_up_for_a_wrong_boundary():
    truth = np.zeros((200, 300), np.uint8)
    truth[40:160, 50:250] = 1
    grown = cv2.dilate(truth, np.ones((5, 5), np.uint8))

    scores = mask_scores(grown, truth)

    assert scores["iou"] == pytest.approx(120 * 200 / (124 * 204))
    # Rims 7 pixels wide: that of the truth is 4 of 7 rings wide common with the grown one's.
    rims = 120 * 200 - 106 * 186, 124 * 204 - 110 * 190
    both = 120 * 200 - 110 * 190
    assert scores["boundary_iou"] == pytest.approx(both / (sum(rims) - both))


@pytest.mark.parametrize("seed", range(4))
def test_the_rim_is_what_repeated_erosion_takes_away(seed):
    rng = np.random.default_rng(seed)
    mask = (cv2.GaussianBlur(rng.random((40, 70)), (0, 0), 4) > 0.5).astype(np.uint8)
    width = 1 + seed
    kernel = np.ones((3, 3), np.uint8)
    eroded = cv2.erode(np.pad(mask, width), kernel, iterations=width)[width:-width, width:-width]
    dilated = cv2.dilate(mask, kernel, iterations=width)

    near = near_boundary(mask, width)

    assert np.array_equal(near & mask, mask - eroded)
    assert np.array_equal(near, dilated - eroded)


def test_the_place_in_the_photo_does_not_matter():
    prediction, truth = (np.zeros((90, 120), np.uint8) for _ in range(2))
    prediction[30:50, 40:70], truth[32:52, 41:69] = 1, 1

    here = boundary_scores(prediction, truth)
    there = boundary_scores(*(np.roll(mask, (20, -25), axis=(0, 1)) for mask in (prediction, truth)))

    assert here == there
    assert 0 < here[0] < here[1] < 1


@pytest.mark.parametrize(("first", "second", "expected"), [(0, 0, 1), (1, 0, 0), (0, 1, 0)])
def test_empty_masks(first, second, expected):
    masks = (square(left=2) * used for used in (first, second))

    assert boundary_scores(*masks) == (expected, expected)


def test_masks_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        boundary_scores(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))


@pytest.mark.parametrize("foreground", [0, 0.4, 1])
def test_threshold_counts_equal_brute_force(foreground):
    generator = np.random.default_rng(0)
    probability = generator.integers(0, 256, (23, 31), dtype=np.uint8)
    mask = (generator.random((23, 31)) < foreground).astype(np.uint8)
    intersection, predicted, actual = threshold_counts(probability, mask)
    for threshold in range(256):
        cut = probability >= threshold
        assert intersection[threshold] == (cut & (mask == 1)).sum()
        assert predicted[threshold] == cut.sum()
        assert actual[threshold] == mask.sum()


def test_threshold_counts_of_a_view_equal_those_of_its_copy():
    generator = np.random.default_rng(0)
    probability = generator.integers(0, 256, (12, 10), dtype=np.uint8)
    mask = (probability > 100).astype(np.uint8)
    flipped = threshold_counts(probability[:, ::-1], mask[:, ::-1])
    np.testing.assert_array_equal(flipped, threshold_counts(probability, mask))


def test_threshold_counts_are_exact_beyond_float32():
    pixels = 2**24 + 4096 + 1  # odd, so float32 cannot hold it
    probability = np.full((pixels, 1), 200, np.uint8)
    intersection, predicted, actual = threshold_counts(probability, np.ones_like(probability))
    assert intersection[200] == predicted[200] == predicted[0] == actual[0] == pixels
    assert predicted[201] == 0


def test_threshold_counts_refuse_other_shapes():
    with pytest.raises(ValueError, match=r"\(2, 3\) and mask \(3, 2\)"):
        threshold_counts(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))
