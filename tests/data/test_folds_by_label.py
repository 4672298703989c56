"""Folds by label: each label's share, and photos that stay where they are when others come."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskfold.data.folds import GroupFolds, KnownFolds
from maskfold.data.folds_by_label import LabelStratified, deal, still_there
from maskfold.errors import MaskfoldError


def make_table(counts: dict[str, int], *, start: int = 0) -> pd.DataFrame:
    """Photos of each label, each a group of its own, and one test photo of none."""
    names = [f"{label}{number}" for label, count in counts.items() for number in range(start, start + count)]
    rows = pd.DataFrame({"image_id": [*names, "t"], "label": [*(name[0] for name in names), None]}, dtype="str")
    return rows.assign(group=rows["image_id"], split=["train"] * len(names) + ["test"])


def spread(folds: pd.DataFrame) -> pd.DataFrame:
    """Return how many photos of each label each fold has."""
    return folds.groupby([folds["image_id"].str[0], "fold"]).size().unstack(fill_value=0)


def test_dealt_by_hand():
    assert deal(np.array([0, 0, 0]), 4, first=1).tolist() == [1, 2, 0, 1]
    assert deal(np.array([3, 1, 1]), 5, first=2).tolist() == [2, 1, 2, 1, 2]
    assert deal(np.array([1, 1]), 0, first=0).tolist() == []


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 9), min_size=3, max_size=3), st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_photos_keep_their_folds_and_every_label_its_share(first, then):
    dealer = LabelStratified(k=2)
    before = dealer(make_table({"a": 5, **dict(zip("bcd", first, strict=True))}))
    more = make_table({"a": 7, **{label: one + two for label, one, two in zip("bcd", first, then, strict=True)}})
    after = dealer.more(more, before)
    both = before.merge(after, on=["image_id", "group"], suffixes=("", "_after"))
    assert len(both) == len(before)
    assert (both["fold"] == both["fold_after"]).all()
    assert {*after["image_id"]} == {*more["image_id"]} - {"t"}
    assert after["image_id"].is_monotonic_increasing
    shares = spread(after)
    assert (shares.max(axis=1) - shares.min(axis=1) <= 1).all()


def test_other_labels_change_nothing_and_the_seed_does():
    alone, beside = (LabelStratified(k=3)(make_table(counts)) for counts in ({"a": 30}, {"a": 30, "b": 9}))
    pd.testing.assert_frame_equal(alone, beside[beside["image_id"].str[0] == "a"])
    assert (LabelStratified(k=3, seed=1)(make_table({"a": 30}))["fold"] != alone["fold"]).any()


def test_a_new_photo_of_a_known_group_is_in_its_fold():
    before = LabelStratified(k=2)(make_table({"a": 4}))
    table = make_table({"a": 8})
    table.loc[4:7, "group"] = "a1"
    after = LabelStratified().more(table, before).set_index("image_id")["fold"]
    assert after[["a1", "a4", "a5", "a6", "a7"]].nunique() == 1


def test_a_group_of_several_labels_goes_with_most_of_its_photos():
    table = make_table({"a": 6, "b": 5})
    table.loc[[5, 6, 7], "group"] = "mixed"  # a5, b0, b1
    folds = LabelStratified(k=2)(table)
    assert folds[folds["group"] == "mixed"]["fold"].nunique() == 1
    alone = folds.drop_duplicates("group")
    counts = alone.assign(label=alone["image_id"].str[0]).groupby(["label", "fold"]).size()
    assert counts["a"].sum() + counts["b"].sum() == 9


@pytest.mark.hostile("wrong input")
def test_refusals():
    with pytest.raises(MaskfoldError, match=r"folds.k=1: at least two"):
        LabelStratified(k=1)
    with pytest.raises(MaskfoldError, match=r"folds.k=5: a fold would have no photos; there are 3 groups"):
        LabelStratified()(make_table({"a": 3}))
    with pytest.raises(MaskfoldError, match="this data has masks"):
        LabelStratified(k=2)(make_table({"a": 4}).drop(columns="label"))
    before = LabelStratified(k=2)(make_table({"a": 4}))
    with pytest.raises(MaskfoldError, match=r"folds.k=3: the split that is there has 2 folds"):
        LabelStratified(k=3).more(make_table({"a": 5}), before)
    known = KnownFolds(files={}, name="shop", labelled=LabelStratified(k=2))
    assert len(known.more(make_table({"a": 5}), before)) == 5
    assert not hasattr(GroupFolds(k=2), "more")


def test_photos_that_are_gone():
    known = LabelStratified(k=2)(make_table({"a": 6}))
    known.attrs["path"] = "data/shop/folds.csv"
    now = make_table({"a": 3})  # a3 is dropped, a4 of a later month, a5 lost
    ways = {"dropped": ["a3"], "left_out": ["a4"]}
    with pytest.raises(MaskfoldError, match=r"folds.csv: 1 of its photos .*any more:\n  a5\n.*forget=true"):
        still_there(known, now, forget=False, **ways)
    assert still_there(known, now, forget=True, **ways)["image_id"].tolist() == ["a0", "a1", "a2", "a4"]
