"""Where a photo's object is known from, and how it is cut out."""

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.clusters.objects import MAP, MASK, PHOTO, on_backdrop, whereabouts
from maskfold.prediction.store import ProbabilityStore


@pytest.fixture
def places(tmp_path):
    image, mask = np.full((10, 20, 3), 90, np.uint8), np.zeros((10, 20), np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    mask[2:4, 5:9] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    store = ProbabilityStore(tmp_path / "maps")
    store.write("mapped", np.where(mask > 0, 128, 127).astype(np.uint8))
    masks = [str(tmp_path / "mask.png"), None, None]
    table = pd.DataFrame({"image_id": ["masked", "mapped", "bare"], "image": str(tmp_path / "a.png"), "mask": masks})
    return whereabouts(table, store.paths(), channels=None)


def test_a_mask_comes_before_a_map_and_without_both_all_is_object(places):
    assert [place.said_by for place in places] == [MASK, MAP, PHOTO]
    assert [int(place.read()[1].sum()) for place in places] == [8, 8, 200]


def test_both_are_brought_to_one_height(places):
    image, mask = places[0].read_small(5)

    assert (image.shape, mask.shape, int(mask.sum())) == ((5, 10, 3), (5, 10), 3)  # one whole pixel and two halves


def test_an_object_is_laid_on_a_backdrop_in_its_proportions():
    image = np.full((30, 30, 3), 200, np.uint8)
    mask = np.zeros((30, 30), np.uint8)
    mask[10:20, 5:10] = 1  # twice as tall as wide

    shown = on_backdrop(image, mask, size=(40, 40), grey=(7, 8, 9))

    assert (shown[:, 10:30] == 200).all()
    assert (shown[:, :10] == (7, 8, 9)).all()
    assert (shown[:, 30:] == (7, 8, 9)).all()


def test_a_speck_is_an_object_at_any_size(tmp_path, places):
    mask = np.zeros((10, 20), np.uint8)
    mask[4, 7] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)

    assert places[0].read_small(2)[1].sum() == 1
