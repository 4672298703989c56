"""A photo's scores by column, on masks of four pixels."""

import numpy as np
import pytest

from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.masks.scores import SCORES
from maskfold.masks.scoring import columns_of, scores_of, scores_of_counts

HALF, FULL, NONE = (np.array([row], np.uint8) for row in ([1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]))


def test_one_class_by_dice_has_the_columns_it_always_had():
    scores = scores_of(HALF, FULL, metric=METRICS_BY_NAME["dice"])

    assert tuple(scores) == SCORES
    assert (scores["dice"], scores["iou"]) == pytest.approx((4 / 6, 0.5))


def test_several_classes_are_averaged_and_told_apart():
    prediction, truth = np.stack([HALF, FULL]), np.stack([FULL, FULL])

    scores = scores_of(prediction, truth, metric=METRICS_BY_NAME["mean_precision"], classes=["a", "b"])

    assert scores["dice.a"] == pytest.approx(4 / 6)
    assert scores["dice.b"] == 1
    assert scores["dice"] == pytest.approx((4 / 6 + 1) / 2)
    assert scores["mean_precision"] == pytest.approx((0 + 1) / 2)
    assert not any("weight" in column for column in scores)


def test_weights_stand_beside_a_weighted_metric():
    prediction, truth = np.stack([HALF, NONE]), np.stack([FULL, NONE])

    scores = scores_of(prediction, truth, metric=METRICS_BY_NAME["pooled_dice"], classes=["a", "b"])

    assert scores["pooled_dice"] == scores["pooled_dice.a"] == pytest.approx(4 / 6)
    assert np.isnan(scores["pooled_dice.b"])
    weights = [scores[f"{column}.weight"] for column in ("pooled_dice", "pooled_dice.a", "pooled_dice.b")]
    assert weights == [6, 6, 0]


@pytest.mark.parametrize("name", ["dice", "pooled_dice", "surface_dice"])
@pytest.mark.parametrize("classes", [(), ("a", "b")])
def test_the_columns_are_known_without_masks(name, classes):
    masks = np.stack([HALF, NONE]) if classes else HALF
    assert columns_of(METRICS_BY_NAME[name], classes) == [
        *scores_of(masks, masks, metric=METRICS_BY_NAME[name], classes=classes)
    ]


def test_counts_tell_all_but_what_is_near_the_boundary():
    prediction, truth = np.stack([HALF, NONE]), np.stack([FULL, NONE])
    for name in ("dice", "pooled_dice", "mean_precision"):
        metric = METRICS_BY_NAME[name]
        whole = scores_of(prediction, truth, metric=metric, classes=["a", "b"])

        counted = scores_of_counts(np.array([[2, 2, 4], [0, 0, 0]]), 4, metric=metric, classes=["a", "b"])

        assert counted.keys() == whole.keys()
        told = {column: value for column, value in whole.items() if "boundary" not in column and "trimap" not in column}
        np.testing.assert_equal({column: counted[column] for column in told}, told)
        assert np.isnan([counted[column] for column in whole.keys() - told.keys()]).all()
    assert np.isnan(scores_of_counts(np.array([[2, 2, 4]]), 4, metric=METRICS_BY_NAME["surface_dice"])["surface_dice"])
