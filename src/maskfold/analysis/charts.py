"""Charts as matplotlib figures, and as SVG or PNG: the same numbers give the same bytes.

No window, file or global state is touched.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from maskfold.masks.scoring import DICE, Judged

BLUE, ORANGE, GREY, PALE = "#0072b2", "#c75f00", "#5b6670", "#dfe3e7"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "maskfold",
    "text.parse_math": False,  # a name may have dollars in it
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
}
_ERRORS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
_DECADES, _TICKS = (0.5, 0.1, 0.01, 0.001, 0.0001), 7
_SMALLEST = 1e-4  # errors and doubts below this are drawn here: the axes are logarithmic
_MANY = 2000  # points from which a cloud is drawn in pixels, not one by one
_WIDTH = 5.6  # inches


def as_svg(figure: Figure) -> str:
    """Return a chart as SVG text."""
    svg = io.StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None})
    return svg.getvalue()


def as_png(figure: Figure, *, dpi: int = 100) -> bytes:
    """Return a chart as a PNG file on white ground, `dpi` pixels an inch."""
    png = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(png, format="png", dpi=dpi, metadata={"Software": None})
    return png.getvalue()


@contextmanager
def drawing(*, height: float = 3.2) -> Iterator[Axes]:
    """Yield the axes of a new figure, in the style of all charts; `height` is in inches."""
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=(_WIDTH, height), layout="constrained", dpi=120).add_subplot()


def interval_chart(table: pd.DataFrame, score: str = "Dice") -> Figure:
    """Draw the pooled score of each member with its interval; the first row, the ensemble, stands out.

    Args:
        table: As `maskfold.analysis.tables.member_table` returns it.
        score: What the score is called.
    """
    with drawing(height=0.9 + 0.36 * len(table)) as axes:
        for row, member in enumerate(table.itertuples()):
            colour = ORANGE if row == 0 else BLUE
            axes.plot([member.low, member.high], [row, row], color=colour, lw=2.5, solid_capstyle="round")
            axes.plot(member.pooled, row, "o", color=colour, ms=7)
        axes.set_yticks(range(len(table)), table["name"])
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.grid(axis="x", color=PALE)
        axes.set_axisbelow(True)
        axes.set_title(f"Out-of-fold {score}, 95 % interval")
    return axes.figure


def dice_histogram(scores: Mapping[str, pd.Series], score: str = "Dice") -> Figure:
    """Draw how the images' scores are spread, on a scale that spreads out the good ones.

    Args:
        scores: By name; the first, the ensemble's, is filled, the others are outlines.
        score: What the score is called.
    """
    with drawing() as axes:
        errors = {name: np.maximum(1 - np.asarray(part.dropna()), _SMALLEST) for name, part in scores.items()}
        ends = min(map(np.min, errors.values())), max(map(np.max, errors.values()))
        bins = np.geomspace(ends[0] * 0.95, ends[1] * 1.05, 36)
        shades = matplotlib.colormaps["Blues"](np.linspace(0.85, 0.4, max(len(errors) - 1, 1)))
        for number, (name, error) in enumerate(errors.items()):
            if number == 0:
                axes.hist(error, bins, color=ORANGE, alpha=0.55, label=name)
            else:
                axes.hist(error, bins, histtype="step", color=shades[number - 1], lw=1.5, label=name)
        _score_axis(axes, ends, score)
        axes.set_ylabel("images")
        axes.legend(fontsize=9)
        axes.set_title(f"Per-image {score} out of fold")
    return axes.figure


def _score_axis(axes: Axes, ends: tuple[float, float], score: str) -> None:
    """Label a logarithmic axis of errors with the scores they stand for, the best to the right."""
    axes.set_xscale("log")
    axes.invert_xaxis()
    ticks = [error for error in _ERRORS if ends[0] * 0.9 <= error <= ends[1] * 1.1]
    if len(ticks) > _TICKS:
        ticks = [error for error in ticks if error in _DECADES]
    axes.set_xticks(ticks, [f"{1 - error:g}" for error in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"{score}, logarithmic in the error")


def doubt_scatter(scores: pd.DataFrame, *, marked: pd.Series, label: str, title: str, judged: Judged = DICE) -> Figure:
    """Draw each image's unconfidence against its error.

    Args:
        scores: With `unconfidence` and what is judged.
        marked: bool, which images are drawn in another colour.
        label: What these are called.
        title: Over the chart.
        judged: By what.
    """
    with drawing() as axes:
        doubt, error = scores["unconfidence"].clip(_SMALLEST, 10), (1 - scores[judged.column]).clip(_SMALLEST, 1)
        pixels = len(scores) > _MANY
        plain = ~marked
        axes.scatter(doubt[plain], error[plain], s=11, color=BLUE, alpha=0.45, lw=0, rasterized=pixels)
        if marked.any():
            axes.scatter(doubt[marked], error[marked], s=46, marker="X", color=ORANGE, lw=0, label=label)
            axes.legend(fontsize=9)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("unconfidence")
        axes.set_ylabel(f"error, 1 - {judged.title}")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")  # the usual powers of ten need the mathematics that is off
            axis.set_minor_formatter("")
        axes.set_title(title)
    return axes.figure


def risk_chart(curve: pd.DataFrame, perfect: pd.DataFrame, score: str = "Dice") -> Figure:
    """Draw what error remains when the least confident images are set aside.

    Args:
        curve: As `maskfold.analysis.tables.risk_coverage` returns it.
        perfect: The same for a ranking by the error itself, which nothing can beat.
        score: What the score is called.
    """
    with drawing() as axes:
        total = curve["risk"].iloc[-1]
        axes.axhline(total, color=GREY, lw=1, ls=":", label="a ranking by chance")
        axes.plot(curve["coverage"], curve["risk"], color=ORANGE, lw=2.2, label="ranked by unconfidence")
        axes.plot(perfect["coverage"], perfect["risk"], color=BLUE, lw=1.4, ls="--", label="ranked by the error itself")
        axes.set_ylim(0, 1.35 * max(total, curve["risk"].iloc[len(curve) // 5 :].max()))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("images kept, the most confident first")
        axes.set_ylabel(f"mean error, 1 - {score}")
        axes.legend(fontsize=9)
        axes.set_title("Error left when doubtful images are dropped")
    return axes.figure


def box_chart(values: Sequence[tuple[str, np.ndarray]], *, title: str, score: str = "Dice") -> Figure:
    """Draw a box a class: the middle half and the median, whiskers to 5 % and 95 %, single images beyond them.

    Args:
        values: Name and scores of each class, from top to bottom.
        title: Over the chart.
        score: What the score is called.
    """
    errors = [np.maximum(1 - scores, _SMALLEST) for _, scores in values]
    with drawing(height=0.9 + 0.27 * len(values)) as axes:
        axes.boxplot(
            errors,
            orientation="horizontal",
            whis=(5, 95),
            widths=0.62,
            patch_artist=True,
            boxprops={"facecolor": "#cfe3f1", "edgecolor": BLUE},
            medianprops={"color": ORANGE, "lw": 2},
            whiskerprops={"color": BLUE},
            capprops={"color": BLUE},
            flierprops={"marker": ".", "markersize": 4, "markerfacecolor": GREY, "markeredgewidth": 0},
        )
        axes.set_yticks(range(1, len(values) + 1), [f"{name} ({len(scores)})" for name, scores in values])
        axes.invert_yaxis()
        axes.grid(axis="x", color=PALE)
        axes.set_axisbelow(True)
        _score_axis(axes, (min(map(np.min, errors)), max(map(np.max, errors))), score)
        axes.set_title(title)
    return axes.figure
