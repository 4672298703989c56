"""What an object looks like in numbers: by hand where that can be, and on three groups of colours."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from maskfold.clusters.appearance import BINS, appearance, colours, outline
from maskfold.clusters.kmeans import group
from maskfold.clusters.reduction import reduce

BLACK_AND_WHITE = np.array([[[0, 0, 0]] * 4] * 3 + [[[255, 255, 255]] * 4] * 6, np.uint8)


def test_colours_are_counted_in_bands_of_the_object():
    lightness = colours(BLACK_AND_WHITE, np.ones((9, 4), np.uint8)).reshape(3, 3, BINS)[:, 0] ** 2

    assert lightness[:, 0] == pytest.approx([1, 0, 0], abs=1e-4)
    assert lightness[:, -1] == pytest.approx([0, 1, 1], abs=1e-4)


def test_pixels_beside_the_object_do_not_count():
    mask = np.ones((9, 4), np.uint8)
    mask[:3] = 0

    assert colours(BLACK_AND_WHITE, mask).reshape(3, 3, BINS)[:, 0, -1] == pytest.approx([1, 1, 1], abs=1e-4)


def test_an_outline_says_how_tall_and_how_full_its_box_is():
    mask = np.zeros((40, 40), np.uint8)
    mask[5:25, 10:20] = 1
    mask[5:15, 10:15] = 0  # a quarter of the box

    *_, tall, full = outline(mask)
    assert (tall, full) == pytest.approx((np.log(2), 0.75))


def test_three_groups_of_colours_are_found():
    rng = np.random.default_rng(0)
    paints = np.array([[200, 40, 40], [40, 160, 60], [50, 60, 200]])
    truth, seen = np.repeat([0, 1, 2], 10), []
    for paint in paints[truth]:
        image = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        mask = np.zeros((96, 96), np.uint8)
        top, left, height, width = rng.integers([5, 5, 40, 20], [20, 30, 70, 60])
        mask[top : top + height, left : left + width] = 1
        image[mask > 0] = (paint + rng.integers(-20, 20, 3)).clip(0, 255)
        seen.append(appearance(image, mask))

    everyone = np.ones(30, bool)
    found = group(reduce(np.stack(seen), everyone), shaping=everyone, k=3, examples={}, seed=0)
    assert adjusted_rand_score(truth, found.labels) == 1
