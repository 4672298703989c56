"""Forms in which cells name photos, worked out by hand."""

import pytest

from maskfold.joining.naming import Photos, naming_of

PHOTOS = Photos(["a_1.jpg", "a_2.jpg", "b.jpg"])


@pytest.mark.parametrize(
    ("cells", "template", "said"),
    [
        (["a_1.jpg", "b.jpg"], "{file}", [("a_1", ""), ("b", "")]),
        (["a_1", "b"], "{image_id}", [("a_1", ""), ("b", "")]),
        (["a_1.png", "b.png"], "{image_id}.png", [("a_1", ""), ("b", "")]),
        (["test/a_1.jpg", "test/b.jpg"], "test/{file}", [("a_1", ""), ("b", "")]),
        (["a_1.jpg_1", "a_1.jpg_2", "b.jpg_1"], "{file}_{class}", [("a_1", "1"), ("a_1", "2"), ("b", "1")]),
        (["a_1_1", "a_1_2", "b_1"], "{image_id}_{class}", [("a_1", "1"), ("a_1", "2"), ("b", "1")]),
        (["a_1_left_lung", "b_heart"], "{image_id}_{class}", [("a_1", "left_lung"), ("b", "heart")]),
        (["1-a_1", "2-a_1", "1-b"], "{class}-{image_id}", [("a_1", "1"), ("a_1", "2"), ("b", "1")]),
        (["a_1", "elsewhere", "b"], "{image_id}", [("a_1", ""), (None, ""), ("b", "")]),
    ],
)
def test_forms(cells, template, said):
    naming = naming_of(cells, PHOTOS, lambda naming: True)

    assert naming.form.template == template
    assert naming.cells == said


def test_what_names_no_photos():
    assert naming_of(["0.5", "0.7"], PHOTOS, lambda naming: True) is None


def test_a_name_that_is_another_ones_beginning_is_the_longer_one():
    """`a_1` is a photo, and also photo `a` with the class 1: the whole names win, where all of them are."""
    photos = Photos(["a.png", "a_1.png", "a_2.png"])

    assert naming_of(["a_1", "a_2"], photos, lambda naming: True).form.template == "{image_id}"
    assert naming_of(["a_1_x", "a_y"], photos, lambda naming: True).cells == [("a_1", "x"), ("a", "y")]
