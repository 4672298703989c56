"""Submissions scored against masks, by hand."""

import gzip

import numpy as np
import pytest
from PIL import Image

from maskfold import arrays
from maskfold.analysis.truth import score_submission
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.masks.rules import Rules
from maskfold.submission.shape import Shape
from maskfold.submission.writer import write_submission


@pytest.fixture
def truth(tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    left = np.zeros((2, 4), np.uint8)
    left[:, :2] = 255
    Image.fromarray(left).save(folder / "b_01_mask.gif")
    Image.fromarray(np.zeros_like(left)).save(folder / "a_02.png")
    return folder


def submit(tmp_path, *rows):
    path = tmp_path / "submission.csv.gz"
    lines = ["img,rle_mask", *(",".join(row) for row in rows)]  # which the writer would refuse where a name is twice
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    return path


def test_scores_by_hand(tmp_path, truth):
    # Pixels 1 to 3 of two rows of four; of the mask's 1, 2, 5 and 6 two are found.
    path = submit(tmp_path, ("b_01.jpg", "1 3"), ("a_02.jpg", ""))

    scores = score_submission(path, truth)

    assert scores.to_dict("list") == {
        "image_id": ["b_01", "a_02"],
        "dice": [pytest.approx(4 / 7), 1],
        "iou": [pytest.approx(2 / 5), 1],
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("b_01.jpg", "")], "1 images are missing, but have a mask .*\n  a_02"),
        ([("b_01.jpg", ""), ("a_02.jpg", ""), ("c.jpg", "")], "1 images are without a mask .*\n  c"),
        ([("b_01.jpg", ""), ("a_02.jpg", ""), ("b_01.jpg", "")], "1 images are there twice:\n  b_01"),
        ([("b_01.jpg", "9 1"), ("a_02.jpg", "")], "b_01: run-length string of a mask of 4x2: .*outside|4x2 has 8"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, truth, rows, message):
    with pytest.raises(MaskfoldError, match=message):
        score_submission(submit(tmp_path, *rows), truth)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MaskfoldError, match="nowhere: no such folder"):
        score_submission(submit(tmp_path), tmp_path / "nowhere")


def test_several_classes_are_scored_by_the_metric_of_their_data(tmp_path):
    shape = Shape(Rules(columns={"id": "{image_id}_{class}", "rle": "{runs}"}, order="columns", empty="-"), ("1", "2"))
    truth = np.zeros((2, 2, 4), np.uint8)
    truth[0, :, :2] = 1  # of class 1 the first four pixels by columns
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth/a.b2nd").write_bytes(arrays.encode(truth))
    path = tmp_path / "submission.csv.gz"
    write_submission(path, [("a.png", "1", "1 3"), ("a.png", "2", "-")], shape.rules)

    metric = METRICS_BY_NAME["pooled_dice"]
    scores = score_submission(path, tmp_path / "truth", shape=shape, metric=metric)

    # 2 * 3 / (3 + 4) and, both empty, 1; pooled the second weighs nothing.
    (row,) = scores.to_dict("records")
    assert row == {
        "image_id": "a",
        "dice": pytest.approx((6 / 7 + 1) / 2),
        "iou": pytest.approx((3 / 4 + 1) / 2),
        "pooled_dice": pytest.approx(6 / 7),
        "pooled_dice.weight": 7,
    }
    write_submission(path, [("a.png", "1", "1 3")], shape.rules)
    with pytest.raises(MaskfoldError, match="1 images are without a row for each class:\n  a"):
        score_submission(path, tmp_path / "truth", shape=shape)
