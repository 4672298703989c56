"""Scores by cluster, by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from maskfold.analysis.by_cluster import (
    cluster_rows,
    cluster_table,
    has_clusters,
    narrow_rows,
    wilson_interval,
)
from maskfold.analysis.cluster_section import cluster_section
from maskfold.masks.scoring import Judged

FOUR = pd.DataFrame({"group": list("aabc"), "iou": [0.94, 0.96, 0.98, 0.995], "dice": [0.97, 0.98, 0.99, 1.0]})
CLUSTERED = FOUR.assign(cluster=["shorts", "light", "shorts", None], accuracy=[0.99, 0.98, 1.0, 0.95])


@pytest.mark.parametrize(
    ("part", "whole", "ends"),
    [(3, 4, (0.3006, 0.9544)), (0, 10, (0, 0.2775)), (10, 10, (0.7225, 1)), (81, 263, (0.2553, 0.3662))],
)
def test_wilson_by_other_hands(part, whole, ends):
    # 81 of 263: Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I.
    assert wilson_interval(part, whole) == pytest.approx(ends, abs=1e-4)


def test_nothing_of_nothing_has_no_interval():
    assert all(math.isnan(end) for end in wilson_interval(0, 0))


def test_without_clusters_there_is_one_row_of_all():
    (row,) = cluster_table(FOUR).to_dict("records")

    assert (row["cluster"], row["images"], row["groups"]) == ("all", 4, 3)
    assert (row["iou"], row["dice"]) == pytest.approx((0.96875, 0.985))
    assert [row[f"above_{level}"] for level in (0.95, 0.97, 0.99)] == [0.75, 0.5, 0.25]
    assert (row["above_0.95_low"], row["above_0.95_high"]) == pytest.approx((0.301, 0.954), abs=5e-4)
    assert 0.94 <= row["iou_low"] < 0.96875 < row["iou_high"] <= 0.995
    assert math.isnan(row["accuracy"])  # scores of an older version
    assert not has_clusters(FOUR)
    assert not has_clusters(CLUSTERED.assign(cluster=None))


def test_clusters_by_name_then_those_without_then_all():
    table = cluster_table(CLUSTERED)

    assert table["cluster"].tolist() == ["light", "shorts", "without a cluster", "all"]
    assert table["images"].tolist() == [1, 2, 1, 4]
    assert table["iou"].tolist() == pytest.approx([0.96, 0.96, 0.995, 0.96875])
    assert table["accuracy"].tolist() == pytest.approx([0.98, 0.995, 0.95, 0.98])
    assert table["above_0.97"].tolist() == [0, 0.5, 1, 0.5]
    assert table["iou_low"].isna().tolist() == [True, False, True, False]  # one group has no interval


def test_the_level_itself_is_reached_and_two_empty_masks_are_flawless():
    table = cluster_table(pd.DataFrame({"group": ["a", "b"], "iou": [0.95, 1.0], "dice": 1.0}))

    assert table.loc[0, ["above_0.95", "above_0.97", "above_0.99"]].tolist() == [1, 0.5, 0.5]


def test_photos_that_do_not_count_by_the_metric_count_by_their_iou():
    scores = CLUSTERED.assign(dice_of_present=[0.9, 0.8, np.nan, np.nan]).drop(columns="dice")

    table = cluster_table(scores, Judged("dice_of_present"))

    assert table["dice_of_present"].tolist()[:2] == pytest.approx([0.8, 0.9])
    assert math.isnan(table["dice_of_present"][2])
    assert table["above_0.99"].iloc[-1] == 0.25


def test_the_table_says_what_is_iou_and_what_is_accuracy():
    rows = cluster_rows(cluster_table(CLUSTERED))
    narrow = narrow_rows(cluster_table(CLUSTERED, Judged("iou")), Judged("iou"))

    assert [*rows] == [
        *("cluster", "photos", "groups", "IoU", "95 % interval", "Dice"),
        *("IoU ≥ 0.95", "IoU ≥ 0.97", "IoU ≥ 0.99", "pixel accuracy"),
    ]
    assert rows.iloc[-1, [0, 3, 5, 6, 9]].tolist() == ["all", "0.96875", "0.98500", "75.0 % (30.1 to 95.4)", "0.98000"]
    assert not {"Dice", "groups"} & {*narrow}
    assert narrow["IoU\n≥ 0.95"].tolist() == ["100.0 %", "50.0 %", "100.0 %", "75.0 %"]


def test_the_section_has_each_cluster_and_says_what_accuracy_is():
    section = str(cluster_section(CLUSTERED))

    assert "By cluster" in section
    assert section.count("<td>light</td>") == 2
    assert "Pixel accuracy counts the background as well" in section
