"""Tables of scores against numbers worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from maskfold.analysis.tables import (
    area_classes,
    bootstrap_interval,
    class_table,
    level_table,
    member_table,
    precision_at,
    rank_correlation,
    ranked,
    recall_at,
    risk_coverage,
    shared_folds,
    telling_columns,
)
from maskfold.masks.scoring import Judged

SCORES = pd.DataFrame(
    {
        "image_id": ["a1", "a2", "b1", "b2"],
        "group": ["a", "a", "b", "b"],
        "fold": [0, 0, 1, 1],
        "dice": [0.9, 1.0, 0.5, 0.6],
        "iou": [0.96, 1.0, 0.98, 0.4],
    }
)


def test_the_interval_of_a_constant_is_that_constant():
    groups = pd.Series(["a", "a", "b", "c", "c", "c"])

    assert bootstrap_interval(pd.Series([0.25] * 6), groups) == (0.25, 0.25)


def test_of_two_groups_the_interval_ends_at_their_means():
    # Both draws are of one group with probability 1/4 each, far more than the 2.5 % that are cut off.
    values, groups = pd.Series([0.9, 1.0, 0.5, 0.6]), pd.Series(["a", "a", "b", "b"])

    assert bootstrap_interval(values, groups) == pytest.approx((0.55, 0.95))


def test_images_that_are_wrong_together_widen_the_interval():
    rng = np.random.default_rng(0)
    values = pd.Series(rng.normal(size=40).repeat(16))
    together, alone = pd.Series(np.arange(40).repeat(16)), pd.Series(np.arange(640))

    widths = [np.subtract(*reversed(bootstrap_interval(values, groups))) for groups in (together, alone)]

    # 16 copies of 40 values tell as much as 40 values: the interval is sqrt(16) times as wide.
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.1)
    assert widths[0] == pytest.approx(2 * 1.96 * values.std() / math.sqrt(40), rel=0.1)


def test_a_large_group_counts_as_often_as_it_has_images():
    values, groups = pd.Series([1.0, 1.0, 1.0, 0.0]), pd.Series(["a", "a", "a", "b"])

    low, high = bootstrap_interval(values, groups, level=0.4)  # cuts off 30 %, so that what is left is one draw of each

    assert (low, high) == (0.75, 0.75)


def test_the_member_table_by_hand():
    unfolded = SCORES.drop(columns="fold").assign(dice=1.0)

    table = member_table({"one": SCORES, "two": unfolded})

    assert table.columns.tolist() == ["name", "images", "groups", "fold 0", "fold 1", "pooled", "low", "high"]
    one, two = table.to_dict("records")
    assert one == pytest.approx(
        {"name": "one", "images": 4, "groups": 2, "fold 0": 0.95, "fold 1": 0.55, "pooled": 0.75, "low": 0.55}
        | {"high": 0.95}
    )
    assert (two["pooled"], two["low"], two["high"]) == (1, 1, 1)
    assert math.isnan(two["fold 0"])


def test_the_member_table_of_another_metric():
    (one,) = member_table({"one": SCORES}, Judged("iou")).to_dict("records")

    assert (one["fold 0"], one["fold 1"], one["pooled"]) == pytest.approx((0.98, 0.69, 0.835))


def test_folds_are_in_the_order_of_their_numbers():
    scores = pd.DataFrame({"group": range(12), "fold": range(12), "dice": 1.0})

    assert member_table({"a": scores}).columns.tolist()[3:15] == [f"fold {fold}" for fold in range(12)]


def test_the_level_table_by_hand():
    scored = SCORES.assign(boundary_iou=[0.5, 0.7, 0.2, 0.2], trimap_dice=0.25)

    old, new = level_table({"old": SCORES, "new": scored}).to_dict("records")

    assert new == pytest.approx(
        {"name": "new", "boundary_iou": 0.4, "trimap_dice": 0.25, "above 0.95": 0.75, "above 0.97": 0.5}
        | {"above 0.99": 0.25}
    )
    assert math.isnan(old["boundary_iou"])


def test_classes_are_scored_with_the_worst_first():
    scores = SCORES.assign(view=["1", "2", "1", "2"], colour=["red", "red", "blue", "red"])

    table = class_table(scores, {"group": "car", "view": "view", "colour": "colour"})

    found = list(zip(table["by"], table["value"], table["images"], table["score"].round(6), strict=True))
    assert found == [
        ("colour", "blue", 1, 0.5),
        ("car", "b", 2, 0.55),
        ("view", "1", 2, 0.7),
        ("view", "2", 2, 0.8),
        ("colour", "red", 3, 0.833333),
        ("car", "a", 2, 0.95),
    ]
    assert table.loc[2, ["low", "high", "iou"]].tolist() == pytest.approx([0.5, 0.9, 0.97])
    assert table.loc[[0, 1, 5], ["low", "high"]].isna().all(axis=None)  # one group cannot tell how groups differ


def test_areas_fall_into_classes_of_as_many_images():
    area = pd.Series([0.5, 0.1, 0.2, 0.4], index=[7, 8, 9, 10])

    classes = area_classes(area, 2)

    assert classes.to_dict() == {7: "30.0 to 50.0 %", 8: "10.0 to 30.0 %", 9: "10.0 to 30.0 %", 10: "30.0 to 50.0 %"}
    assert classes.cat.categories.tolist() == ["10.0 to 30.0 %", "30.0 to 50.0 %"]


def test_areas_that_are_all_or_mostly_the_same():
    assert area_classes(pd.Series([0.1, 0.1])).tolist() == ["10.0 to 10.0 %"] * 2
    assert area_classes(pd.Series([0.0] * 8 + [0.5])).nunique() == 1


def test_folds_are_shared_only_if_every_image_has_the_same_one():
    other = SCORES.assign(fold=[0, 0, 1, 0])

    assert shared_folds([SCORES, SCORES[::-1]]).to_dict() == {"a1": 0, "a2": 0, "b1": 1, "b2": 1}
    assert shared_folds([SCORES, other]) is None
    assert shared_folds([]) is None


def test_ties_are_ranked_by_id_whatever_the_order_of_the_rows():
    scores = pd.DataFrame({"image_id": ["c", "b", "a", "d"], "unconfidence": [1.0, 1.0, 0.5, math.inf]})

    assert ranked(scores, "unconfidence", descending=True)["image_id"].tolist() == ["d", "b", "c", "a"]
    assert ranked(scores, "unconfidence", descending=False)["image_id"].tolist() == ["a", "b", "c", "d"]


def test_precision_and_recall_by_hand():
    ranking = ["x", "a", "y", "b", "c"]

    assert precision_at(ranking, {"x", "y", "z"}, 4) == 0.5
    assert precision_at(ranking, {"x"}, 100) == 0.2
    assert recall_at(ranking, {"x", "y", "c", "z"}, 3) == 0.5


def test_the_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 50), rng.integers(0, 9, 50)

    assert rank_correlation(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert rank_correlation([1, 2, math.inf], [0.1, 0.2, 0.3]) == pytest.approx(1)
    assert math.isnan(rank_correlation([1, 1], [1, 2]))


def test_risk_falls_as_the_doubtful_are_dropped():
    curve = risk_coverage(pd.Series([0.4, 0.0, 0.2]), pd.Series([9.0, 1.0, 2.0]))

    assert curve["coverage"].tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve["risk"].tolist() == pytest.approx([0, 0.1, 0.2])


def test_columns_that_tell_nothing_or_nothing_new_are_left_out():
    table = pd.DataFrame(
        {"view": ["1", "2", "1"], "same": ["x", "y", "x"], "one": ["a"] * 3, "many": [1, 2, 3], "none": [None] * 3}
    )

    assert telling_columns(table, table.columns, most=2) == ["view"]
    assert telling_columns(table, table.columns) == ["view", "many"]
