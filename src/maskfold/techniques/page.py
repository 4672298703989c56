"""The table as a chart and as a page."""

from collections.abc import Mapping

import pandas as pd

from maskfold.cards.markdown import csv_table
from maskfold.techniques.gains import LEAST_GROUPS
from maskfold.techniques.layout import TechniquesFolder
from maskfold.techniques.technique import BASE

_SHOWN = {
    "gain": "{:+.5f}",
    "low": "{:+.5f}",
    "high": "{:+.5f}",
    "seeds_sd": "{:.5f}",
    "seeds_low": "{:+.5f}",
    "seeds_high": "{:+.5f}",
    "seconds_per_0.0001": "{:.3g}",
}


def gains_chart(table: pd.DataFrame, metric: str) -> str:
    """Return a chart of the gains with their intervals as SVG, the best on top; a dot is a seed's least and most."""
    from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, as_svg, drawing

    rows = table[table["technique"] != BASE]
    colours = {"helps": BLUE, "hurts": ORANGE}
    with drawing(height=0.9 + 0.32 * max(len(rows), 1)) as axes:
        axes.axvline(0, color=GREY, lw=1)
        for place, row in enumerate(rows.to_dict("records")):
            colour = colours.get(row["verdict"], GREY)
            axes.plot([row["low"], row["high"]], [place, place], color=colour, lw=2.5, solid_capstyle="round")
            axes.plot(row["gain"], place, "o", color=colour, ms=7)
            axes.plot([row["seeds_low"], row["seeds_high"]], [place, place], "|", color=colour, ms=9)
        names = [name if over == BASE else f"{name} (over {over})" for name, over in rows[["technique", "over"]].values]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="x", color=PALE)
        axes.set_axisbelow(True)
        axes.set_title(f"Gain in {metric}, 95 % interval; bars: seeds")
    return as_svg(axes.figure)


def page(
    folder: TechniquesFolder,
    table: pd.DataFrame,
    smaller: pd.DataFrame | None,
    *,
    about: str,
    left_out: Mapping[str, str],
) -> str:
    """Return the page in Markdown.

    Args:
        folder: With the chart and the pictures beside it.
        table: As `technique_table` returns it.
        smaller: As `smaller_ensembles` returns it; None where there is nothing to leave out.
        about: A sentence on what was measured.
        left_out: Techniques that are not in the table, and why.
    """
    parts = [f"# What each technique gains: {folder.path.name}", about, csv_table(_written(table)), _HOW]
    parts.append(f"![Gains]({folder.chart.name})")
    if left_out:
        parts.append("\n".join(f"- {name} is left out: {why}" for name, why in left_out.items()))
    if smaller is not None:
        parts += ["## The smallest ensemble within the noise of the whole", smallest(smaller)]
        parts += [csv_table(_written(smaller)), _SMALLER]
    if folder.samples.exists():
        parts += ["## What the network is shown", _SAMPLES, f"![Training samples]({folder.samples.name})"]
    return "\n\n".join(parts) + "\n"


def smallest(smaller: pd.DataFrame) -> str:
    """Return a sentence that names the smallest ensemble within the noise."""
    row = smaller[smaller["within"]].iloc[-1]
    gain = f"{row['gain']:+.5f} ({row['low']:+.5f} to {row['high']:+.5f}, 95 %)"
    return f"{row['members']} of {len(smaller)} members are within the noise of all, {gain}: {row['which']}."


def _written(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose small differences keep their signs and digits."""
    formats = {column: form for column, form in _SHOWN.items() if column in table}
    written = {
        column: table[column].map(lambda value, form=form: "" if pd.isna(value) else form.format(value))
        for column, form in formats.items()
    }
    return table.assign(**written)


_HOW = f"""A gain is the mean over photos and seeds, out of fold, of what the technique comes to more than what stands
under `over`. Its interval of 95 % is paired: the same photos by the same seeds, drawn by groups 2,000 times. `helps`
and `hurts` need an interval of at least {LEAST_GROUPS} groups that leaves 0 out, every seed on the same side of it, and
a gain larger than the seeds' standard deviation. The chart's bars are the worst and the best seed.

The interval knows nothing of seeds that were not tried: with one seed it says little of a training. Of twenty
techniques that do nothing one interval leaves 0 out by luck. `training seconds` and `gpu hours` are of one seed, all
folds; `seconds a photo` of a prediction, from its first map to its last. `seconds per 0.0001` are those that a
technique takes more, in training and in prediction of these photos, for each 0.0001 of its gain."""
_SMALLER = """Members are the first seed's runs, averaged by equal weights; the one that is missed least goes first.
A row is `within` the noise while its interval against the whole does not lie below 0. Members were chosen on these
photos. `score` is the data's own metric, or Dice where that does not follow from counts of pixels."""
_SAMPLES = """Training samples of the first epoch, those of the base on top; techniques that change none are not here.
Orange is the outline of the mask, blue that of the second mask, of what mixup has laid over a photo."""
