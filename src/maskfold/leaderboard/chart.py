"""Does cross-validation predict the leaderboard? Each submission's out-of-fold score against those there."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, drawing
from maskfold.analysis.tables import rank_correlation

_NAMED = 8  # submissions up to which each has its ensemble's name beside it, if there is room
_NARROWEST = 1e-3  # of an axis, in Dice: what is nearly equal shall look so
_MARGIN = 0.12  # of an axis, on either side
_LINE = 0.06  # of an axis: the height of a name
_CORRELATED = 3  # submissions from which a rank correlation says something


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have both an out-of-fold and a public score."""
    return table.dropna(subset=["cv", "public"])


def leaderboard_chart(table: pd.DataFrame, score: str = "Dice") -> Figure:
    """Draw the public and the private score over that out of fold.

    Args:
        table: Rows of one competition, at least one, as `comparable` returns them.
        score: What the score is called.
    """
    with drawing(height=4.2) as axes:
        axes.vlines(table["cv"], table["public"], table["private"], color=PALE, zorder=1)
        axes.scatter(table["cv"], table["public"], s=34, color=BLUE, label="public", zorder=2)
        if table["private"].notna().any():
            axes.scatter(table["cv"], table["private"], s=34, color=ORANGE, marker="D", label="private", zorder=2)
        for row in _named(table).itertuples():
            axes.annotate(row.ensemble, (row.cv, row.public), (7, -3), textcoords="offset points", color=GREY)
        axes.axline((1, 1), slope=1, color=GREY, lw=1, ls=":", label="equal", zorder=0)
        axes.set_xlim(*_limits(table["cv"]))
        axes.set_ylim(*_limits(pd.concat([table["public"], table["private"]])))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter("{x:.6g}")
        axes.set_xlabel(f"out-of-fold {score} ({_about(table)})")
        axes.set_ylabel("leaderboard")
        axes.legend(loc="lower right", fontsize=9)
        axes.set_title("CV and leaderboard")
    return axes.figure


def _about(table: pd.DataFrame) -> str:
    count = f"{len(table)} submission{'s' * (len(table) != 1)}"
    if len(table) < _CORRELATED:
        return count
    return f"{count}, Spearman {rank_correlation(table['cv'], table['public']):.2f}"


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with room for a name beside them, the highest first."""
    bottom, top = _limits(pd.concat([table["public"], table["private"]]))
    ranked = table.sort_values("public", ascending=False) if len(table) <= _NAMED else table[:0]
    return ranked[~(ranked["public"].diff() > -_LINE * (top - bottom))]


def _limits(values: pd.Series) -> tuple[float, float]:
    middle, span = (values.min() + values.max()) / 2, max(values.max() - values.min(), _NARROWEST)
    return middle - span * (0.5 + _MARGIN), middle + span * (0.5 + _MARGIN)
