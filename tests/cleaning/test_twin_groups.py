"""Groups are joined through twins, as far as the user has not said otherwise."""

import pandas as pd
import pytest

from maskfold.cleaning.twin_groups import binding_pairs, joined_groups
from maskfold.cleaning.twins import COLUMNS


def pairs(*rows: tuple[str, str, int, bool]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS)


def test_groups_are_joined_through_as_many_twins_as_it_takes():
    train = pd.DataFrame({"image_id": [*"abcdefg"], "group": ["g3", "g1", "g2", "g2", "g5", "g6", "g6"]})

    joined = joined_groups(train, pairs(("a", "b", 3, False), ("b", "d", 9, False), ("f", "g", 0, True)))

    assert joined.to_dict() == {"a": "g1", "b": "g1", "c": "g1", "d": "g1"}


def test_long_chains_in_any_order_are_one_group():
    names = [f"{number:03}" for number in range(200)]
    train = pd.DataFrame({"image_id": names, "group": names})
    order = [(i * 77) % 199 for i in range(199)]

    joined = joined_groups(train, pairs(*((names[i], names[i + 1], 1, False) for i in order)))

    assert len(joined) == 200
    assert {*joined} == {"000"}


def test_test_photos_join_nothing():
    train = pd.DataFrame({"image_id": ["a", "b"], "group": ["a", "b"]})

    assert joined_groups(train, pairs(("a", "t", 0, True), ("b", "t", 3, False))).empty
    assert joined_groups(train, pairs()).empty


@pytest.mark.hostile("leaks")
def test_near_copies_are_parted_where_both_are_kept_and_never_the_same_bytes():
    table = pd.DataFrame({"image_id": [*"abcd"], "image_hash": ["1", "2", "2", "3"]})
    found = pairs(("b", "c", 0, True), ("a", "b", 10, False), ("a", "d", 20, False))

    both = binding_pairs(found, table, pd.Series({"a": "keep", "c": "keep", "d": "drop"}))
    one = binding_pairs(found, table, pd.Series({"a": "keep"}))  # its mask is right, which is all that was said

    assert both[["image_id", "partner"]].to_numpy().tolist() == [["b", "c"], ["a", "d"]]
    assert len(one) == 3
