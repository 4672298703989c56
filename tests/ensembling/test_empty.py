"""When a mask is taken away, and how a recipe says so."""

import numpy as np
import pytest

from maskfold.ensembling.by_class import ByClass, on_planes
from maskfold.ensembling.empty import EmptyRule, empty_steps, presence_of, rules_of
from maskfold.ensembling.recipe import Recipe
from maskfold.errors import MaskfoldError

MEMBERS = [{"experiment": "a"}]


def test_one_bright_pixel_is_no_presence_and_a_patch_is():
    probability = np.zeros((20, 20), np.uint8)
    probability[10, 10] = 250
    assert presence_of(probability) == 10  # a twenty-fifth

    probability[8:13, 8:13] = 200
    assert presence_of(probability) == 200


def test_a_mask_stays_from_its_least_area_and_presence_on():
    probability, mask = np.full((10, 10), 90, np.uint8), np.zeros((10, 10), np.uint8)
    mask[0, :5] = 1

    assert EmptyRule(presence=90, least_area=0.05)(probability, mask).sum() == 5
    assert EmptyRule(presence=91)(probability, mask).sum() == 0
    assert EmptyRule(least_area=0.051)(probability, mask).sum() == 0
    assert EmptyRule()(probability, mask) is mask


def test_a_recipe_has_one_rule_or_one_for_each_class():
    recipe = Recipe(name="a", members=MEMBERS, empty={"presence": 100})
    assert recipe.passes.usual.steps == recipe.passes.repair.steps == (EmptyRule(presence=100),)

    empty = {"cat": {"presence": 100}, "dog": {"least_area": 0.01}}
    assert empty_steps(empty) == (
        ByClass(classes=("cat",), step=EmptyRule(presence=100)),
        ByClass(classes=("dog",), step=EmptyRule(least_area=0.01)),
    )
    of_dog, of_cat = EmptyRule(least_area=0.01), EmptyRule(presence=100)
    assert rules_of(empty, ["dog", "bird", "cat"]) == [of_dog, EmptyRule(), of_cat]
    assert rules_of(None, []) == [EmptyRule()]
    assert rules_of({"presence": 3}, ["dog", "cat"]) == [EmptyRule(presence=3)] * 2


@pytest.mark.hostile("wrong input")
def test_a_rule_for_a_class_that_there_is_not_is_refused_by_its_key():
    empty = {"cat": {"presence": 100}, "dgo": {"presence": 9}}
    message = r"^ensemble\.empty is for the class dgo, and the classes are cat, dog"
    with pytest.raises(MaskfoldError, match=message):
        rules_of(empty, ["cat", "dog"])
    with pytest.raises(MaskfoldError, match=message):
        on_planes(empty_steps(empty)[1], ["cat", "dog"])


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("empty", "message"),
    [
        ({"presense": 100}, "no such key: presense; give presence and least_area"),
        ({"presence": 300}, "presence=300: give a whole number from 0 to 255"),
        ({"presence": 0.5}, r"presence=0\.5: give a whole number"),
        ({"least_area": 400}, "least_area=400: give a share of the photo below 1"),
        ([100], r"ensemble\.empty=\[100\]: give presence"),
        ({"cat": {"area": 1}}, "no such key: area"),
    ],
)
def test_rules_that_make_no_sense_are_refused(empty, message):
    with pytest.raises(MaskfoldError, match=message):
        Recipe(name="a", members=MEMBERS, empty=empty)
