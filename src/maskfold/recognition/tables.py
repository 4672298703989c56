"""A recogniser's scores in the words of people: what the stages print."""

from collections.abc import Sequence

import pandas as pd

TITLES = {
    "images": "photos",
    "top5": "top-5",
    "macro_recall": "macro recall",
    "coarse_accuracy": "coarse accuracy",
    "log_loss": "log loss",
    "ece": "calibration error",
}
_LEFT_OUT = ("groups", "supported", "classes")


def results_table(results: pd.DataFrame, columns: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of a member's scores, a row a fold and one of all.

    Args:
        results: As `results.csv` has them.
        columns: Those that are costs and left out.
    """
    shown = [name for name in results if name not in (*_LEFT_OUT, *columns)]
    rows = [[_cell(name, row[name]) for name in shown] for row in results.to_dict("records")]
    return [TITLES.get(name, name.replace("_", " ")) for name in shown], rows


def _cell(name: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return "-" if pd.isna(value) else f"{value:.3f}" if name == "temperature" else f"{value:.5f}"


def support(results: pd.DataFrame) -> str:
    """Return the sentence that says over which classes macro recall is.

    Args:
        results: As `results.csv` has them.
    """
    pooled = results.iloc[-1]
    supported, classes = int(pooled["supported"]), int(pooled["classes"])
    return f"macro recall is over {supported:,} of {classes:,} classes with support"
