"""A member's learning curve, legible on light and on dark pages."""

from collections.abc import Mapping

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from maskfold.analysis.charts import STYLE
from maskfold.runs.monitor import Monitor

# Of middle lightness, since the page behind may be white or nearly black.
FOLDS = ("#3d8bd4", "#e07b39", "#2ea980", "#c267b5", "#b39420", "#8a7ae6", "#d9605f")
INK, GRID = "#7d8894", "#80808040"
_STYLE = STYLE | {"text.color": INK, "axes.titlecolor": INK, "axes.labelcolor": INK, "axes.edgecolor": INK}
_TRAINING = {"ls": (0, (2, 1.5)), "lw": 1.3}
_SMALLEST = 1e-5  # errors below this are drawn here: the axis is logarithmic
_DIGITS = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), range(1, 10))  # of the errors that ticks stand at, rising in number
_FEWEST = 4  # ticks


def learning_curve(metrics: Mapping[int, pd.DataFrame], monitor: Monitor) -> Figure:
    """Draw what is monitored and both losses over the epochs, a colour each fold; the best epoch is marked.

    Args:
        metrics: By fold its `metrics.csv`.
        monitor: What chose the best epoch. A score to be maximised is drawn by what it lacks of 1, logarithmically.
    """
    score = monitor.mode == "max"
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        monitored, loss = figure.subplots(1, 2)
        for number, (fold, log) in enumerate(sorted(metrics.items())):
            colour, epoch = FOLDS[number % len(FOLDS)], log["epoch"] + 1
            values = (1 - log[monitor.name]).clip(lower=_SMALLEST) if score else log[monitor.name]
            best = values.idxmin()
            monitored.plot(epoch, values, color=colour, lw=1.8, label=f"fold {fold}")
            monitored.plot(epoch[best], values[best], "o", color=colour, ms=6)
            loss.plot(epoch, log["val/loss"], color=colour, lw=1.8)
            loss.plot(epoch, log["train/loss"], color=colour, **_TRAINING)
        if score:
            _score_axis(monitored)
        monitored.legend(loc="lower right" if score else "upper right", fontsize=9, ncols=1 + (len(metrics) > 4))
        loss.plot([], [], color=INK, lw=1.8, label="validation")
        loss.plot([], [], color=INK, label="training", **_TRAINING)
        loss.legend(loc="upper right", fontsize=9)
        title = monitor.label[:1].upper() + monitor.label[1:]
        for axes, name in ((monitored, title), (loss, "Loss")):
            _finish(axes, name)
    return figure


def _score_axis(axes: Axes) -> None:
    """Make the axis logarithmic in the error, the best above, and label it with the scores."""
    axes.set_yscale("log")
    axes.invert_yaxis()
    worst, best = axes.get_ylim()
    for digits in _DIGITS:
        ticks = [tick for power in range(-5, 1) for digit in digits if best <= (tick := digit * 10.0**power) <= worst]
        if len(ticks) >= _FEWEST:
            break
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{1 - error:.6g}"))


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.tick_params(colors=INK)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
