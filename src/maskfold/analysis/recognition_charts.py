"""Charts of a recogniser's answers; see `maskfold.analysis.charts`."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, drawing

_POINTS = 400  # of a curve: each photo of many would make the page large


def reliability_chart(table: pd.DataFrame) -> Figure:
    """Draw how often answers of like probability are right, and how many there are.

    Args:
        table: As `maskfold.recognition.calibration.reliability` returns it.
    """
    with drawing(height=3.4) as axes:
        width, centre = table["high"] - table["low"], (table["low"] + table["high"]) / 2
        axes.bar(centre, table["accuracy"].fillna(0), width * 0.92, color=BLUE, alpha=0.75, label="right")
        axes.plot(table["probability"], table["accuracy"], "o", color=ORANGE, ms=5, label="mean probability")
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":", label="taken at their word")
        share = table["photos"] / max(table["photos"].sum(), 1)
        axes.bar(centre, -0.12 * share / max(share.max(), 1e-12), width * 0.92, color=GREY, alpha=0.45, label="photos")
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.14, 1.02)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid(axis="y", color=PALE)
        axes.set_axisbelow(True)
        axes.set_xlabel("probability of the first answer")
        axes.set_ylabel("of them right")
        axes.legend(fontsize=9)  # where nothing is drawn
        axes.set_title("Are probabilities to be taken at their word?")
    return axes.figure


def ask_chart(curve: pd.DataFrame) -> Figure:
    """Draw how many answers are wrong when the least probable ones are asked about instead.

    Args:
        curve: As `maskfold.analysis.tables.risk_coverage` returns it.
    """
    with drawing(height=3.4) as axes:
        curve = curve.iloc[np.unique(np.linspace(0, len(curve) - 1, _POINTS).round().astype(int))]
        axes.axhline(curve["risk"].iloc[-1], color=GREY, lw=1, ls=":", label="nobody is asked")
        axes.plot(1 - curve["coverage"], curve["risk"], color=ORANGE, lw=2.2, label="the unsure are asked about")
        axes.set_ylim(0, 1.2 * max(curve["risk"].iloc[len(curve) // 5 :].max(), 1e-3))
        axes.set_xlim(0, 1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.grid(axis="y", color=PALE)
        axes.set_xlabel("photos that are asked about")
        axes.set_ylabel("of the others wrong")
        axes.legend(fontsize=9)
        axes.set_title("What asking is worth")
    return axes.figure
