"""The charts of a comparison."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, drawing
from maskfold.runs.monitor import Monitor

_SMALLEST = 1e-4  # errors below this are drawn here: the axes are logarithmic


def change_chart(images: pd.DataFrame, first: str, second: str, score: str = "Dice") -> Figure:
    """Draw the error of each image by the second against that by the first; below the diagonal is better.

    Args:
        images: With the scores `first` and `second`.
        first: The name of the one.
        second: The name of the other.
        score: What the score is called.
    """
    errors = {side: np.maximum(1 - images[side].to_numpy(), _SMALLEST) for side in ("first", "second")}
    ends = [min(map(np.min, errors.values())) * 0.8, min(1.2, max(map(np.max, errors.values())) * 1.25)]
    better = errors["second"] < errors["first"]
    with drawing(height=4.4) as axes:
        axes.plot(ends, ends, color=GREY, lw=1, ls=":")
        for chosen, colour, name in ((better, BLUE, "better"), (~better, ORANGE, "not better")):
            axes.scatter(
                errors["first"][chosen], errors["second"][chosen], s=14, color=colour, alpha=0.6, lw=0, label=name
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(*ends)
        axes.set_ylim(*ends)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        axes.set_xlabel(f"error by {first}, 1 - {score}")
        axes.set_ylabel(f"error by {second}")
        axes.legend(fontsize=9)
        axes.set_title("Each photo, by the one and by the other")
    return axes.figure


def learning_curves(sides: Mapping[str, tuple[Mapping[str, pd.DataFrame], Monitor]]) -> Figure:
    """Draw the monitored score of every epoch, a line a run, and where the best one is.

    Args:
        sides: By name the rows of `metrics.csv` of its runs, and what chose the best epoch.
    """
    with drawing(height=4.4) as axes:
        for (name, (runs, monitor)), colour in zip(sides.items(), (BLUE, ORANGE), strict=True):
            for number, rows in enumerate(runs.values()):
                values = rows[monitor.name]
                best = values.idxmax() if monitor.mode == "max" else values.idxmin()
                label = f"{name}: {monitor.label}" if number == 0 else None
                axes.plot(rows["epoch"] + 1, values, color=colour, lw=1.8, label=label)
                axes.plot(rows["epoch"][best] + 1, values[best], "o", color=colour, ms=6)
        axes.grid(axis="y", color=PALE)
        axes.set_axisbelow(True)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.legend(fontsize=9)
        axes.set_title("Learning curves")
    return axes.figure
