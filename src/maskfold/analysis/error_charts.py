"""Charts of where errors lie and of what members have in common; see `maskfold.analysis.charts`."""

from collections.abc import Mapping

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, STYLE, drawing
from maskfold.analysis.location import GRID, SIDES
from maskfold.masks import pictures

_COLUMNS = 4  # pictures of an object in a row


def distance_chart(table: pd.DataFrame) -> Figure:
    """Draw the share of all wrong pixels that lies in each band along the boundary.

    Args:
        table: As `maskfold.analysis.location.distance_table` returns it.
    """
    with drawing() as axes:
        for side, colour in zip(SIDES, (BLUE, ORANGE), strict=True):
            part = table[table["side"] == side]
            axes.bar(part.index, part["share"], width=0.86, color=colour, label=side)
        middle = (table["side"] == SIDES[0]).sum() - 0.5
        axes.axvline(middle, color=GREY, lw=1, ls=":")
        axes.set_xticks(table.index, table["distance"], rotation=45, ha="right", rotation_mode="anchor")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.grid(axis="y", color=PALE)
        axes.set_axisbelow(True)
        axes.set_xlabel("inside \N{LEFTWARDS ARROW} pixels from the true boundary \N{RIGHTWARDS ARROW} outside")
        axes.set_ylabel("of all wrong pixels")
        axes.legend(fontsize=9)
        axes.set_title("How far from the boundary errors lie")
    return axes.figure


def object_chart(objects: Mapping[str, np.ndarray]) -> Figure:
    """Draw the object with what is missed on it and what is too much around it, a picture a view.

    Args:
        objects: By view, the mean of `maskfold.analysis.location.object_errors`, `(3, *GRID)`.
    """
    columns = min(_COLUMNS, len(objects))
    rows = -(-len(objects) // columns)
    # Not the maximum: a single cell should not make the others pale.
    strongest = max(float(np.quantile(layers[1:], 0.995)) for layers in objects.values())
    height = 0.4 + rows * (5.6 / columns * GRID[0] / GRID[1] + 0.25)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.6, height), layout="constrained", dpi=120)
        for number, (view, layers) in enumerate(objects.items(), start=1):
            axes = figure.add_subplot(rows, columns, number)
            axes.imshow(_coloured(layers, strongest), interpolation="nearest")
            if layers[0].min() < 0.5 < layers[0].max():
                axes.contour(layers[0], levels=[0.5], colors=[GREY], linewidths=0.8)
            axes.set_axis_off()
            if view:
                axes.set_title(f"view {view}", fontsize=9, fontweight="normal", pad=2)
        figure.suptitle(
            f"Where on the object: full colour is wrong in {100 * strongest:.0f} %",
            x=0.01, ha="left", fontsize=11.5, fontweight="bold",
        )  # fmt: skip
    return figure


def _coloured(layers: np.ndarray, strongest: float) -> np.ndarray:
    """Return white with missed in blue and too much in orange, `(*GRID, 3) float64`, `strongest` in full."""
    shares = np.minimum(layers[1:] / strongest, 1) if strongest else layers[1:]
    colours = np.array([pictures.BLUE, pictures.ORANGE]) / 255
    # Where both occur, in different images, the colours are laid over one another as inks are.
    return np.prod(1 - shares[..., None] * (1 - colours[:, None, None]), axis=0)


def matrix_chart(matrix: pd.DataFrame, *, title: str) -> Figure:
    """Draw what two members each have in common, 0..1, with the numbers.

    Args:
        matrix: `(M, M)`, named both ways.
        title: Over the chart.
    """
    count = len(matrix)
    with drawing(height=0.9 + 0.36 * count) as axes:
        axes.imshow(matrix.to_numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(matrix.to_numpy()):
            colour = "white" if value > 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
        axes.set_yticks(range(count), [f"{name}  {number}" for number, name in enumerate(matrix.index, start=1)])
        axes.set_xticks(range(count), range(1, count + 1))
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_title(title)
    return axes.figure
