"""Thresholds and steps of several classes, and of one."""

import numpy as np
import pytest

from maskfold.ensembling.by_class import ByClass, check_threshold, check_thresholds, on_planes, threshold_of
from maskfold.errors import MaskfoldError

CLASSES = ("cat", "dog")


@pytest.mark.parametrize(("threshold", "accepted"), [(1, 1), (128, 128), (55.0, 55), (255, 255)])
def test_whole_numbers_of_255_are_thresholds(threshold, accepted):
    assert check_threshold(threshold) == accepted


def test_each_threshold_of_several_is_looked_at():
    assert check_thresholds([1, 2.0]) == (1, 2)
    assert check_thresholds({"cat": 1.0}) == {"cat": 1}
    for wrong in ([1, 0.5], {"cat": 0.5}):
        with pytest.raises(MaskfoldError, match=r"threshold=0\.5: give a whole number from 1 to 255"):
            check_thresholds(wrong)


def test_one_threshold_is_that_of_all_classes():
    assert threshold_of(99, ()) == 99
    assert threshold_of(99, CLASSES) == (99, 99)
    assert threshold_of((1, 2), CLASSES) == (1, 2)
    assert threshold_of({"dog": 2, "cat": 1}, CLASSES) == (1, 2)


@pytest.mark.parametrize(
    "threshold", [(1,), (1, 2, 3), {"cat": 1}, {"cat": 1, "cow": 2}, {"cat": 1, "dog": 2, "cow": 3}]
)
def test_thresholds_of_other_classes_are_refused(threshold):
    with pytest.raises(MaskfoldError, match="give one for all classes, or one for each: cat, dog"):
        threshold_of(threshold, CLASSES)


def test_one_class_has_one_threshold():
    with pytest.raises(MaskfoldError, match="the data has one class; give one whole number"):
        threshold_of((1, 2), ())


def invert(probability, mask):
    assert probability.shape == mask.shape == (1, 3)
    return 1 - mask


def test_a_step_runs_on_each_plane_or_on_those_it_is_for():
    mask = np.array([[[0, 0, 1]], [[1, 0, 1]]], np.uint8)
    before = mask.copy()

    assert on_planes(invert, CLASSES)(mask, mask).tolist() == [[[1, 1, 0]], [[0, 1, 0]]]
    assert on_planes(ByClass(classes=["dog"], step=invert), CLASSES)(mask, mask).tolist() == [[[0, 0, 1]], [[0, 1, 0]]]
    numbered = on_planes(ByClass(classes=[2], step=invert), ("1", "2"))  # names that YAML reads as numbers
    assert numbered(mask, mask).tolist() == [[[0, 0, 1]], [[0, 1, 0]]]
    np.testing.assert_array_equal(mask, before)
    assert on_planes(invert, ()) is invert


def test_a_step_for_a_class_that_there_is_not_is_refused():
    for classes, known in ((CLASSES, "the classes are cat, dog"), ((), "the data has one class, without a name")):
        with pytest.raises(MaskfoldError, match=f"a step is for the class cow, and {known}"):
            on_planes(ByClass(classes=["cow"], step=invert), classes)
    with pytest.raises(MaskfoldError, match="step 5: begin it with _target_"):
        ByClass(classes=["cow"], step=5)
