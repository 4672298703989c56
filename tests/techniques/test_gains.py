"""Gains that are paired by photo and seed, and drawn by groups; their rows in the table."""

import numpy as np
import pandas as pd
import pytest

from maskfold.masks.scoring import Marks
from maskfold.techniques.gains import paired_gain
from maskfold.techniques.table import Costs, technique_table
from maskfold.techniques.technique import Technique


def marks(*values: float) -> Marks:
    return Marks(np.array(values), np.ones(len(values)))


def test_the_interval_is_that_of_groups_drawn_whole():
    # Two groups of two photos; over two seeds the first gains 0.02 and the second 0.04. A draw is AA, AB, BA or BB, so
    # 0.02, 0.03 or 0.04: these ends hold the middle 95 %. By photos, whose gains go from -0.1 to 0.2, it would be wide.
    old = [marks(0.5, 0.5, 0.5, 0.5), marks(0.6, 0.6, 0.6, 0.6)]
    new = [marks(0.4, 0.6, 0.7, 0.4), marks(0.6, 0.68, 0.6, 0.66)]

    gain = paired_gain(new, old, pd.Series(["a", "a", "b", "b"]))

    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.03, 0.02, 0.04))
    assert gain.by_seed == pytest.approx((0.025, 0.035))
    assert gain.spread == pytest.approx(0.01 / 2**0.5)
    assert gain.verdict == "not seen"  # of two groups


@pytest.mark.parametrize(("second_seed", "verdict"), [(0.01, "helps"), (0.002, "not seen"), (-0.002, "not seen")])
def test_a_gain_is_believed_where_every_seed_has_it_and_they_vary_less(second_seed, verdict):
    old = marks(*[0.5] * 5)
    new = [marks(*[0.52] * 5), marks(*[0.5 + second_seed] * 5)]

    gain = paired_gain(new, [old, old], pd.Series([*"abcde"]))

    assert gain.low > 0
    assert gain.verdict == verdict


def test_one_ensemble_stands_for_every_seed():
    gain = paired_gain([marks(0.7)], [marks(0.6), marks(0.5)], pd.Series(["a"]))

    assert gain.by_seed == pytest.approx((0.1, 0.2))


def test_a_row_has_what_its_gain_costs():
    groups = pd.Series([*"abcdef"])
    scores = {"base": [marks(*[0.9] * 6)], "views": [marks(*[0.902] * 6)], "bad": [marks(*[0.8] * 6)]}
    costs = {"base": Costs(100, 0.5), "views": Costs(100, 2.5), "bad": Costs(7200, 0.5, "NVIDIA H100")}
    wanted = [Technique("bad"), Technique("views", "predict"), Technique("gone", over="missing")]

    table = technique_table(wanted, scores, costs, groups, metric="dice").set_index("technique")

    assert table.index.tolist() == ["base", "views", "bad"]
    assert table["verdict"].tolist()[1:] == ["helps", "hurts"]
    assert table.loc["views", "seconds_per_0.0001"] == pytest.approx(6 * 2 / 20)  # 12 s more for 20 times 0.0001
    assert pd.isna(table.loc["bad", "seconds_per_0.0001"])
    assert table["gpu_hours"].tolist() == [0, 0, 2]
