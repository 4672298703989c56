"""The sentences that stages end with."""

import numpy as np
import pandas as pd
import pytest

from maskfold.analysis.tables import gain_over, gain_over_best
from maskfold.analysis.verdicts import class_table, costs_sentence, gained, heading, results_table, worth
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import Judged


def scores(dice: list[float], groups: str = "aabb") -> pd.DataFrame:
    return pd.DataFrame({"image_id": list("1234")[: len(dice)], "group": list(groups)[: len(dice)], "dice": dice})


def test_worth_is_the_mean_with_the_interval_that_whole_groups_give():
    # Two groups of two: a draw has one of them twice or both, so 0.6, 0.7 and 0.8 are all the means there are.
    assert worth(scores([0.5, 0.7, 0.7, 0.9])) == "Dice 0.70000, 95 % interval 0.60000 to 0.80000 over 2 groups"


def test_worth_by_a_weighted_metric_is_a_ratio_and_photos_that_do_not_count_are_left_out():
    table = pd.DataFrame(
        {"group": list("aabb"), "pooled_dice": [0.5, np.nan, 1.0, 1.0], "pooled_dice.weight": [30.0, 0.0, 5.0, 5.0]}
    )

    # (0.5 x 30 + 1 x 10) / 40; a draw has group a alone, b alone, or both.
    assert worth(table, Judged("pooled_dice")) == (
        "pooled Dice 0.62500, 95 % interval 0.50000 to 1.00000 over 2 groups"
    )


def test_where_no_photo_counts_there_is_no_number():
    assert worth(scores([np.nan] * 4)) == "no photo counts for Dice"


def test_scores_of_another_metric_are_refused_by_name():
    with pytest.raises(MaskfoldError, match=r"no column iou: they were made for another metric.*make evaluate"):
        worth(scores([0.5, 0.7]), Judged("iou"))


def test_columns_of_results_are_called_as_people_do():
    columns = ["mean_precision", "dice.cat", "best_threshold", "best_dice", "best_threshold.cat", "best_dice.cat"]
    titles = [heading(column, ["cat"]) for column in columns]

    assert titles == [
        "mean precision over IoU 0.5 to 0.95", "Dice of cat", "best cut", "Dice there", "best cut, cat",
        "Dice of cat there",
    ]  # fmt: skip
    assert heading("own.covered") == "covered"


def test_one_group_has_no_interval_and_says_so():
    assert worth(scores([0.5, 0.7], "aa")) == "Dice 0.60000, no interval, it is 1 group"


def test_gain_is_paired_and_over_the_best_member():
    ensemble = scores([0.8, 0.8, 0.9, 0.9])
    # Shuffled, since images are matched by their ids.
    strong = scores([0.7, 0.7, 0.8, 0.8]).iloc[[2, 0, 3, 1]]
    over = gain_over_best(ensemble, {"weak": scores([0.1] * 4), "strong": strong})

    assert over.member == "strong"
    assert gained(over) == "+0.10000 (+0.10000 to +0.10000) over its best member, strong"
    assert gain_over(ensemble, scores([0.9] * 4), "other").mean == pytest.approx(-0.05)


def test_a_table_of_results_has_human_names_and_no_costs():
    results = pd.DataFrame(
        [["0", 2, 1, 0.5, 128, 1, 60, 2.0, 0, "cpu"], ["all", 2, 1, 0.5, 128, None, None, None, None, None]],
        columns=[
            "fold", "images", "groups", "boundary_iou", "best_threshold",
            "epochs", "seconds", "images_per_second", "peak_memory_mb", "device",
        ],
    )  # fmt: skip
    headings, rows = results_table(results)

    assert headings == ["fold", "photos", "groups", "boundary IoU", "best cut"]
    assert rows[1] == ["all", "2", "1", "0.50000", "128"]
    assert costs_sentence(results) == ": trained in 60 s, 2 photos/s on cpu"
    results.loc[0, "peak_memory_mb"] = 1229
    assert costs_sentence(results).endswith("on cpu, device memory 1.2 GiB")


def test_classes_have_a_table_of_their_own():
    results = pd.DataFrame(
        [["0", 0.5, 0.25, 0.75, 99, 120], ["all", 0.6, 0.35, 0.85, 98, 119]],
        columns=["fold", "dice", "dice.1", "dice.a b", "best_threshold.1", "best_threshold.a b"],
    )

    assert results_table(results, ["1", "a b"]) == (["fold", "Dice"], [["0", "0.50000"], ["all", "0.60000"]])
    assert class_table(results, ["1", "a b"]) == (
        ["class", "Dice", "best cut"],
        [["1", "0.35000", "98"], ["a b", "0.85000", "119"]],
    )
