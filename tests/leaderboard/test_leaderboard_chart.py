"""The chart of cross-validation against leaderboard, with one and many submissions."""

import numpy as np
import pandas as pd
import pytest

from maskfold.analysis.charts import as_png
from maskfold.leaderboard.chart import comparable, leaderboard_chart


def rows(count: int) -> pd.DataFrame:
    cv = 0.9960 + 0.0001 * np.arange(count)
    table = pd.DataFrame({"ensemble": "both", "cv": cv, "public": cv - 0.0003, "private": cv - 0.0004})
    unknown = pd.DataFrame({"ensemble": "both", "cv": [np.nan, 0.5], "public": [0.5, np.nan], "private": np.nan})
    return pd.concat([table, unknown], ignore_index=True)


@pytest.mark.parametrize(
    ("count", "about"),
    [(1, "1 submission"), (2, "2 submissions"), (12, "12 submissions, Spearman 1.00")],
)
def test_what_is_known_of_both_is_drawn(count, about):
    figure = leaderboard_chart(comparable(rows(count)))

    (axes,) = figure.axes
    assert axes.get_xlabel() == f"out-of-fold Dice ({about})"
    public, private = (points.get_offsets() for points in axes.collections[1:])
    assert len(public) == len(private) == count
    assert as_png(figure).startswith(b"\x89PNG")


def test_a_few_are_named_where_there_is_room():
    near = rows(2).assign(public=[0.9960, 0.99601, 0.5, np.nan])

    assert [len(leaderboard_chart(comparable(few)).axes[0].texts) for few in (rows(1), rows(2), near)] == [1, 2, 1]
    assert len(leaderboard_chart(comparable(rows(12))).axes[0].texts) == 0


def test_the_axes_show_the_points_and_little_else():
    (axes,) = leaderboard_chart(comparable(rows(1))).axes

    assert axes.get_xlim() == pytest.approx((0.99538, 0.99662))
    low, high = axes.get_ylim()
    assert low < 0.9956 < 0.9957 < high
    assert high - low < 0.002


def test_a_private_score_that_is_not_known_yet_is_not_drawn():
    (axes,) = leaderboard_chart(comparable(rows(3)).assign(private=np.nan)).axes

    assert np.isfinite(axes.get_ylim()).all()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["public", "equal"]
