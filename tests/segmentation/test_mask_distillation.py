import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.data.geometry import Resize
from maskfold.segmentation.dataset import LabelledDataset
from maskfold.segmentation.distillation import TAUGHT, TAUGHT_SHARE, blended


def test_target_is_the_truth_and_the_teachers_by_their_shares():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    taught = np.array([[0, 0.5, 0.5, 1]], np.float32)
    np.testing.assert_allclose(blended(truth, taught, 0.5), [[0, 0.25, 0.75, 1]])
    np.testing.assert_allclose(blended(truth, taught, 0.2), [[0, 0.1, 0.9, 1]])
    assert blended(truth, taught, 0.2).dtype == np.float32


@pytest.fixture
def table(tmp_path):
    """Two photos of 4x6 whose masks are the left half; of the first, teachers are half sure of everything."""
    paths = {name: str(tmp_path / f"{name}.png") for name in ("image", "mask", TAUGHT)}
    mask = np.zeros((4, 6), np.uint8)
    mask[:, :3] = 255
    for name, pixels in (("image", np.zeros((4, 6, 3), np.uint8)), ("mask", mask), (TAUGHT, np.full_like(mask, 128))):
        cv2.imwrite(paths[name], pixels)
    return pd.DataFrame([paths, paths | {TAUGHT: None}]).assign(**{TAUGHT_SHARE: 0.5})


def test_a_photo_is_shown_with_what_the_teachers_say_and_lent_to_others_with_its_truth(table):
    partners = []

    def augment(image, mask, seed, *, partner):
        partners.append(partner()[1])
        return image, mask

    augment.needs_partner = True
    dataset = LabelledDataset(table, geometry=Resize(height=4, width=6), augment=augment)
    # (255 + 128) / 2 and (0 + 128) / 2; of the second photo the truth alone.
    assert dataset[0, 0]["mask"][0, 0].tolist() == [192] * 3 + [64] * 3
    assert dataset[0, 1]["mask"][0, 0].tolist() == [255] * 3 + [0] * 3
    assert all(partner.dtype == np.uint8 and partner.max() == 1 for partner in partners)
