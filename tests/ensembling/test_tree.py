"""The tree's shares worked out by hand, its stores, and what is said of trees and maps that are wrong."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.config import build, compose
from maskfold.ensembling.tree import Leaf, leaf_nodes, leaves, open_members
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore

MAP = np.zeros((2, 3), np.uint8)


def photos(*image_ids: str) -> pd.DataFrame:
    """Return rows of the image table, one a group."""
    return pd.DataFrame({"image_id": image_ids, "group": image_ids})


def store(path: Path, *image_ids: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for image_id in image_ids:
        ProbabilityStore(path).write(image_id, MAP)
    return path


def fold(experiments: Path, member: str, number: int, split: str, *image_ids: str) -> Path:
    return store(experiments / member / f"fold{number}" / "predictions" / split, *image_ids)


def test_nested_groups_share_by_hand(tmp_path):
    for member, folds in (("linknet_a", 5), ("linknet_b", 5), ("ternaus", 5), ("scratch", 7), ("vgg", 7)):
        for number in range(folds):
            fold(tmp_path, member, number, "test")
    tree = [
        {"members": [{"experiment": "linknet_a"}, {"experiment": "linknet_b", "weight": 3}]},
        {"experiment": "ternaus"},
        {"experiment": "scratch", "weight": 0.5},
        {"members": [{"members": [{"experiment": "vgg"}]}, {"maps": "other"}], "weight": "3/2"},
    ]

    found = leaves(tree, split="test", experiments=tmp_path)

    # Weights 1, 1, 1/2, 3/2 of 4; inside the first 1 to 3, inside the last 1 to 1.
    assert {leaf.name: leaf.weight for leaf in found} == {
        "linknet_a": Fraction(1, 16),
        "linknet_b": Fraction(3, 16),
        "ternaus": Fraction(1, 4),
        "scratch": Fraction(1, 8),
        "vgg": Fraction(3, 16),
        "other": Fraction(3, 16),
    }
    assert sum(leaf.weight for leaf in found) == 1
    assert [len(leaf.stores) for leaf in found] == [5, 5, 5, 7, 7, 1]


def test_the_folds_of_a_member_share_its_weight(tmp_path):
    for number in range(5):
        fold(tmp_path, "a", number, "test", "i")
    tree = [{"experiment": "a"}, {"maps": str(store(tmp_path / "b", "i"))}]

    a, b = open_members(leaves(tree, split="test", experiments=tmp_path), photos("i"), split="test")

    assert [share for _, share in a.maps("i")] == [Fraction(1, 10)] * 5
    assert [share for _, share in b.maps("i")] == [Fraction(1, 2)]


def test_folds_are_found_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 0):
        fold(tmp_path, "a", number, "test")
    (tmp_path / "a" / "fold0.bak" / "predictions" / "test").mkdir(parents=True)

    (leaf,) = leaves([{"experiment": "a"}], split="test", experiments=tmp_path)

    assert leaf.stores == tuple(tmp_path / f"a/fold{number}/predictions/test" for number in (0, 9, 10))


def test_some_folds_another_store_and_the_split_in_a_path(tmp_path):
    for number in (0, 1, 2):
        fold(tmp_path, "a", number, "sharp")
    fold(tmp_path, "a", 1, "oof_d4")
    turned = {"experiment": "a", "folds": [1], "store": "{split}_d4"}
    tree = [{"experiment": "a", "folds": [2, 0], "store": "sharp"}, {"maps": "from/{mate}/{split}"}, turned]

    a, b, views = leaves(tree, split="oof", experiments=tmp_path)

    assert a.stores == (tmp_path / "a/fold2/predictions/sharp", tmp_path / "a/fold0/predictions/sharp")
    assert b.stores == (Path("from/{mate}/oof"),)
    assert views.stores == (tmp_path / "a/fold1/predictions/oof_d4",)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({}, "give exactly one of experiment, maps, members"),
        ("linknet34", "member linknet34: give exactly one of"),
        ({"experiment": "a", "maps": "b"}, "give exactly one of"),
        ({"experiment": "a", "wieght": 2}, "'wieght': 2.*nothing beside it but weight"),
        ({"maps": "a", "folds": [0]}, "nothing beside it but weight"),
        ({"experiment": 3}, "experiment must be a text"),
        ({"maps": None}, "maps must be a text"),
        ({"members": "a"}, "members must be a list of members"),
        ({"members": []}, "members is empty"),
        ({"experiment": "a", "weight": 0}, "weight must be above 0; leave the member out"),
        ({"experiment": "a", "weight": -1}, "weight must be above 0"),
        ({"experiment": "a", "weight": "much"}, "weight must be a number such as"),
        ({"experiment": "a", "weight": float("nan")}, "weight must be a number such as"),
        ({"experiment": "a", "weight": None}, "weight must be a number such as"),
        ({"experiment": "a", "folds": 0}, "folds must be a list of different numbers"),
        ({"experiment": "a", "folds": []}, "folds must be a list of different numbers"),
        ({"experiment": "a", "folds": [1, 1]}, "folds must be a list of different numbers"),
        ({"experiment": "a", "folds": [7]}, r"a/fold7/predictions/test: no such folder.*EXP=a FOLD=7 SPLIT=test"),
        ({"experiment": "a"}, r"a: no fold has maps of test.*make predict EXP=a FOLD=all SPLIT=test"),
    ],
)
def test_a_malformed_node_is_shown_with_what_is_expected(tmp_path, node, message):
    with pytest.raises(MaskfoldError, match=message):
        leaves([node], split="test", experiments=tmp_path)


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(MaskfoldError, match="split=valid: there are two"):
        leaves([{"maps": "a"}], split="valid", experiments=tmp_path)


def test_out_of_fold_each_image_has_the_one_map_of_its_fold(tmp_path):
    stores = (fold(tmp_path, "a", 0, "oof", "x", "y"), fold(tmp_path, "a", 1, "oof", "z"))

    (source,) = open_members([Leaf("a", Fraction(1, 3), stores)], photos("z", "x"), split="oof")

    ((of_x, share_of_x),) = source.maps("x")
    ((of_z, share_of_z),) = source.maps("z")
    assert (of_x.folder, of_z.folder) == stores
    assert share_of_x == share_of_z == Fraction(1, 3)


def test_a_missing_test_image_is_listed_with_its_store(tmp_path):
    stores = (store(tmp_path / "s0", "x", "y"), store(tmp_path / "s1", "x"))

    with pytest.raises(MaskfoldError, match=r"s1: 1 of 2 images have no map:\n  y\n.*Run the prediction again"):
        open_members([Leaf("a", Fraction(1), stores)], photos("x", "y"), split="test")


def test_a_missing_out_of_fold_image_is_listed_with_its_member(tmp_path):
    stores = (store(tmp_path / "s0", "x"),)

    with pytest.raises(MaskfoldError, match=r"mate, out of fold: 2 of 3 images have no map:\n  y\n  z"):
        open_members([Leaf("mate", Fraction(1), stores)], photos("x", "y", "z"), split="oof")


def test_an_image_predicted_out_of_fold_twice_is_refused(tmp_path):
    stores = (store(tmp_path / "s0", "x", "y"), store(tmp_path / "s1", "y"))

    with pytest.raises(MaskfoldError, match=r"a: predicted out of fold twice, the second time in .*s1:\n  y"):
        open_members([Leaf("a", Fraction(1), stores)], photos("x", "y"), split="oof")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MaskfoldError, match="gone: no such store"):
        open_members([Leaf("a", Fraction(1), (tmp_path / "gone",))], photos("x"), split="oof")


def test_the_winners_tree_is_four_equal_groups_of_49_networks(tmp_path):
    recipe = build(compose("ensemble", ["ensemble=carvana"]).ensemble)
    linknets = [f"linknet34_{name}" for name in ("seed44", "seed88", "noseed", "area05", "clahe", "clahe_rmsprop")]
    folds = dict.fromkeys([*linknets, "ternausnet11"], 5) | {"unet_scratch": 7, "unet_vgg11": 7}
    for member, count in folds.items():
        for number in range(count):
            fold(tmp_path, member, number, "test", "i")

    sources = open_members(leaves(recipe.members, split="test", experiments=tmp_path), photos("i"), split="test")

    shares = {source.leaf.name: [share for _, share in source.maps("i")] for source in sources}
    assert {name: len(found) for name, found in shares.items()} == folds
    assert sum(folds.values()) == 49
    assert all(shares[name] == [Fraction(1, 120)] * 5 for name in linknets)
    assert shares["ternausnet11"] == [Fraction(1, 20)] * 5
    assert shares["unet_scratch"] == shares["unet_vgg11"] == [Fraction(1, 28)] * 7


def test_the_nodes_of_the_leaves_come_in_their_order_without_weights(tmp_path):
    tree = [
        {"members": [{"maps": "a", "weight": 2}, {"members": [{"maps": "b"}]}], "weight": 3},
        {"experiment": "c", "folds": [0], "store": "s"},
    ]
    fold(tmp_path, "c", 0, "s")

    nodes = leaf_nodes(tree)

    assert nodes == [{"maps": "a"}, {"maps": "b"}, {"experiment": "c", "folds": [0], "store": "s"}]
    assert [leaf.name for leaf in leaves(tree, split="test", experiments=tmp_path)] == ["a", "b", "c"]


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("node", [{"experiment": "../one"}, {"experiment": "one", "store": "../../x"}])
def test_a_member_and_its_store_stay_in_their_folder(tmp_path, node):
    with pytest.raises(MaskfoldError, match=r"\.\./.*: give the name of something inside its folder"):
        leaves([node], split="test", experiments=tmp_path)
