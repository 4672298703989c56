"""The names of classes as they are written down."""

import pytest

from maskfold.data.classes import classes_of, spoken


@pytest.mark.parametrize(
    ("node", "names", "said"),
    [
        ({}, (), "one class"),
        ({"classes": None}, (), "one class"),
        ({"classes": ["a", "b"]}, ("a", "b"), "the classes a, b"),
        ({"classes": [1, 2.5]}, ("1", "2.5"), "the classes 1, 2.5"),
    ],
)
def test_names_are_text(node, names, said):
    assert classes_of(node) == names
    assert spoken(names) == said
