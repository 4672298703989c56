"""What an ensemble does with a map, and which numbers it refuses."""

import numpy as np
import pytest

from maskfold.ensembling.recipe import Pass, Recipe, Repair, to_mask
from maskfold.errors import MaskfoldError

MEMBERS = [{"experiment": "a"}]


def test_at_the_threshold_is_object():
    probability = np.array([[0, 127, 128, 255]], np.uint8)

    assert to_mask(probability, 128).tolist() == [[0, 0, 1, 1]]
    assert to_mask(probability, 255).tolist() == [[0, 0, 0, 1]]
    assert to_mask(probability, 1).dtype == np.uint8


def test_steps_run_in_order_with_the_map():
    probability = np.array([[10, 200]], np.uint8)
    seen = []

    def invert(given, mask):
        seen.append((given is probability, mask.tolist()))
        return 1 - mask

    def first_only(given, mask):
        seen.append((given is probability, mask.tolist()))
        return mask * np.array([1, 0], np.uint8)

    assert to_mask(probability, 128, (invert, first_only)).tolist() == [[1, 0]]
    assert seen == [(True, [[0, 1]]), (True, [[1, 0]])]


def test_classes_have_thresholds_of_their_own_and_may_overlap():
    probability = np.array([[[127, 128, 200]], [[99, 100, 101]]], np.uint8)

    assert to_mask(probability, (128, 100)).tolist() == [[[0, 1, 1]], [[0, 1, 1]]]


def test_of_classes_that_never_overlap_the_likeliest_above_its_threshold_has_the_pixel():
    probability = np.array([[[150, 140, 120, 0]], [[160, 135, 120, 10]]], np.uint8)

    # The second class; the first; both alike, so the first; neither.
    assert to_mask(probability, (100, 100), exclusive=True).tolist() == [[[0, 1, 1, 0]], [[1, 0, 0, 0]]]
    # Only the second class is above its threshold, likelier or not.
    assert to_mask(probability, (151, 100), exclusive=True).tolist() == [[[0, 0, 0, 0]], [[1, 1, 1, 0]]]


def test_what_steps_add_to_classes_that_never_overlap_is_the_likeliers_too():
    probability = np.array([[[200, 0, 30]], [[10, 150, 20]]], np.uint8)

    def everything(probability, mask):
        return np.ones_like(mask)

    assert to_mask(probability, (128, 128), (everything,), exclusive=True).tolist() == [[[1, 0, 1]], [[0, 1, 0]]]
    assert to_mask(probability, (128, 128), (everything,)).tolist() == [[[1, 1, 1]], [[1, 1, 1]]]


@pytest.mark.parametrize("threshold", [0, 0.5, 256, -1])
def test_other_numbers_are_refused(threshold):
    with pytest.raises(MaskfoldError, match=f"threshold={threshold}: give a whole number from 1 to 255; half is 128"):
        Recipe(name="e", members=MEMBERS, threshold=threshold)
    with pytest.raises(MaskfoldError, match=f"threshold={threshold}"):
        Repair(worst=1, threshold=threshold)


@pytest.mark.parametrize(
    ("worst", "images", "count"), [(0, 100, 0), (7, 100, 7), (7, 3, 3), (0.1, 100, 10), (0.125, 20, 2), (1, 50, 1)]
)
def test_the_worst_are_a_number_or_a_share(worst, images, count):
    assert Repair(worst=worst).count(images) == count


@pytest.mark.parametrize("worst", [-1, 1.5, -0.1])
def test_other_numbers_of_images_are_refused(worst):
    with pytest.raises(MaskfoldError, match=f"worst={worst}: give a whole number of images, or a share below 1"):
        Repair(worst=worst)


def test_what_has_lost_its_target_is_refused():
    with pytest.raises(MaskfoldError, match=r"step \{'max_area': 5\}: begin it with _target_"):
        Recipe(name="e", members=MEMBERS, postprocess=[{"max_area": 5}])
    with pytest.raises(MaskfoldError, match="step fill: begin it with _target_"):
        Repair(worst=1, steps=["fill"])
    with pytest.raises(MaskfoldError, match="repair: begin it with _target_"):
        Recipe(name="e", members=MEMBERS, repair={"worst": 3})


def test_a_repair_replaces_the_threshold_and_adds_its_steps_in_front():
    def own(probability, mask):
        return mask

    def usual(probability, mask):
        return mask

    recipe = Recipe(name="e", members=MEMBERS, postprocess=[usual], repair=Repair(worst=3, threshold=55, steps=[own]))

    assert recipe.passes.usual == Pass(MEMBERS, 128, (usual,))
    assert recipe.passes.repair == Pass(MEMBERS, 55, (own, usual))


def test_a_repair_may_average_other_members():
    others = [{"experiment": "better"}]
    recipe = Recipe(name="e", members=MEMBERS, repair=Repair(worst=3, members=others))
    assert recipe.passes == (Pass(MEMBERS, 128, ()), Pass(others, 128, ()))


def test_without_a_repair_both_passes_are_one():
    plain = Recipe(name="e", members=MEMBERS, threshold=100)
    assert plain.repair.worst == 0
    assert plain.passes.repair == plain.passes.usual == Pass(MEMBERS, 100, ())


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("name", ["../x", "/tmp/x", ""])
def test_an_ensembles_folder_stays_in_its_own(name):
    with pytest.raises(MaskfoldError, match=rf"^ensemble\.name={name}: give the name of something inside"):
        Recipe(name=name, members=[{"experiment": "a"}])


def test_one_class_overlaps_with_nothing():
    probability = np.zeros((20, 20), np.uint8)
    probability[5:15, 5:15] = 200
    assert to_mask(probability, 128, [lambda _, mask: mask], exclusive=True).sum() == 100
