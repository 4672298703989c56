import numpy as np
import pandas as pd
import pytest

from maskfold.masks.pictures import BLUE, ORANGE
from maskfold.segmentation.samples import choose_samples, draw_classes, draw_sample


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3]), (8, [1, 3, 5, 7]), (48, [6, 18, 30, 42])],
)
def test_samples_are_the_same_ones_however_the_rows_are_ordered(count, expected):
    ids = [f"{number:02d}" for number in range(count)]
    rows = pd.DataFrame({"image_id": ids})
    for shuffled in (rows, rows.iloc[::-1]):
        assert choose_samples(shuffled)["image_id"].tolist() == [ids[place] for place in expected]


def test_a_sample_shows_outlines_errors_and_probability_side_by_side():
    image = np.full((20, 30, 3), 200, np.uint8)
    mask, probability = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    mask[5:15, 5:20] = 1
    probability[5:15, 10:25] = 255
    probability[0, 0] = 127  # just not object
    outlined, errors, shown = np.split(draw_sample(image, mask, probability), 3, axis=1)
    assert outlined[10, 5].tolist() == list(BLUE)
    assert outlined[10, 24].tolist() == list(ORANGE)
    assert outlined[10, 13].tolist() == [200, 200, 200]
    assert (errors == BLUE).all(axis=2).sum() == 10 * 5  # missed: columns 5 to 9
    assert (errors == ORANGE).all(axis=2).sum() == 10 * 5  # too much: columns 20 to 24
    assert shown[10, 15].tolist() == [253, 231, 37]  # viridis at 1
    assert shown[19, 0].tolist() == [68, 1, 84]  # viridis at 0


def test_a_sample_of_a_large_photo_is_small():
    picture = draw_sample(np.zeros((1280, 1918, 3), np.uint8), *np.zeros((2, 1280, 1918), np.uint8))
    assert picture.shape == (427, 1920, 3)


def test_several_classes_have_a_row_each_under_its_name():
    image = np.full((200, 300, 3), 200, np.uint8)
    mask, probability = np.zeros((2, 2, 200, 300), np.uint8)
    mask[0, 100:150, 50:200] = 1
    probability[1, 100:150, 100:250] = 255
    picture = draw_classes(image, mask, probability, ["cat", "dog"])
    assert picture.shape == (400, 900, 3)
    first, second = (draw_sample(image, *one) for one in zip(mask, probability, strict=True))
    np.testing.assert_array_equal(picture[50:200], first[50:])  # below the names
    np.testing.assert_array_equal(picture[250:], second[50:])
    assert not np.array_equal(picture[:50, :100], first[:50, :100])
    np.testing.assert_array_equal(draw_classes(image, mask[0], probability[0]), first)
