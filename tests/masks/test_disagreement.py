"""Differences of masks, counted by hand."""

import numpy as np

from maskfold.masks.disagreement import confident_disagreement, signed_difference


def test_the_difference_says_which_way_it_goes():
    prediction, truth = np.array([[1, 1, 0, 0]], np.uint8), np.array([[1, 0, 1, 0]], np.uint8)

    difference = signed_difference(prediction, truth)

    assert difference.dtype == np.int8
    assert difference.tolist() == [[0, 1, -1, 0]]


def test_only_what_the_ensemble_is_sure_of_counts_against_a_mask():
    probability = np.array([[255, 230, 229, 128, 26, 25, 0, 0]], np.uint8)
    truth = np.array([[1, 0, 0, 0, 1, 1, 1, 0]], np.uint8)

    # 230 outside the mask, 25 and 0 inside it; the mask's four pixels and one sure one beside it.
    assert confident_disagreement(probability, truth) == 3 / 5


def test_nothing_anywhere_is_no_disagreement():
    assert confident_disagreement(np.full((2, 2), 128, np.uint8), np.zeros((2, 2), np.uint8)) == 0
