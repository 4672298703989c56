"""Scores and costs of members as Markdown tables, from the `results.csv` that the `evaluate` stage writes."""

from collections.abc import Callable, Mapping

import pandas as pd

from maskfold.analysis import formats
from maskfold.analysis.verdicts import heading
from maskfold.cards import markdown
from maskfold.masks.scores import ACCURACY, TITLES
from maskfold.runs.results import of_folds, pooled, score_columns


def duration(seconds: float) -> str:
    """Write a time in the unit in which it is easily said."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"


def memory(megabytes: float) -> str:
    """Write a device's memory; a CPU has none of its own, which is measured as 0."""
    return f"{megabytes / 1024:.1f} GiB" if megabytes else "-"


def whole(count: float) -> str:
    """Write a number of things; in a column with gaps it comes as a float."""
    return f"{count:,.0f}"


KNOWN: dict[str, tuple[str, Callable[..., str]]] = {
    "fold": ("fold", str),
    "images": ("images", whole),
    **{metric: (title, formats.score) for metric, title in TITLES.items() if metric != ACCURACY},
    "supported": ("classes with support", whole),
    "classes": ("of", whole),
    "best_threshold": ("best threshold", whole),
    "best_dice": ("Dice there", formats.score),
    "epochs": ("epochs", whole),
    "seconds": ("time", duration),
    "images_per_second": ("images/s", markdown.number),
    "peak_memory_mb": ("memory", memory),
    "device": ("device", str),
}
_UNSAID = ("groups",)  # of a `results.csv`, what cards leave out
_SIDE_BY_SIDE = 2  # scores of a member beside others


def _about(column: str) -> tuple[str, Callable[..., str]]:
    """Return a column's title and how its cells are written; what is not known is a score of another task."""
    if column.startswith("best_threshold."):
        return f"best threshold of {column.partition('.')[2]}", whole
    return KNOWN.get(column, (heading(column), formats.score))


def score_table(results: pd.DataFrame) -> str:
    """Return a row for each fold and one for all images.

    Args:
        results: A `results.csv`; a cell may be missing, and so may a column.
    """
    shown = {column: _about(column) for column in results if column not in _UNSAID}
    cells = {title: [_cell(value, write) for value in results[column]] for column, (title, write) in shown.items()}
    return markdown.table(cells, right=[title for title in cells if title not in ("fold", "device")])


def _cell(value: object, write: Callable[..., str]) -> str:
    return "" if pd.isna(value) else write(value)


def member_table(
    results: Mapping[str, pd.DataFrame | None], *, parameters: Mapping[str, int], links: Mapping[str, str]
) -> str:
    """Put members side by side, a row each, in the order given.

    Args:
        results: By member its `results.csv`, or None if it has none.
        parameters: How many a member's network has, where that is known.
        links: By member where its card is.
    """
    rows = [{} if table is None else _member(table) for table in results.values()]
    heads = list(dict.fromkeys(title for row in rows for title in row))
    ordered = sorted(heads, key=lambda title: title in _COSTS)  # scores of all tasks before what they cost
    unmeasured = {ordered[0] if ordered else "scores": "not measured"}
    about = {
        "member": [f"[{name}]({links[name]})" for name in results],
        "parameters": [f"{parameters[name]:,}" if name in parameters else "" for name in results],
    }
    cells = about | {title: [(row or unmeasured).get(title, "") for row in rows] for title in ordered or unmeasured}
    return markdown.table(cells, right=[title for title in cells if title not in ("member", "device")])


_COSTS = ("images", "folds", "training time", "images/s", "memory", "device")


def _member(results: pd.DataFrame) -> dict[str, str]:
    """Return the cells of one member: its first pooled scores, and what its folds cost together."""
    total, folds = pooled(results), of_folds(results)
    first, *others = [_about(column)[0] for column in score_columns(results)[:_SIDE_BY_SIDE]]
    scores = [formats.score(total[column]) for column in score_columns(results)[:_SIDE_BY_SIDE]]
    costs = [
        whole(total["images"]),
        str(len(folds)),
        duration(folds["seconds"].sum()),
        markdown.number(folds["images_per_second"].median()),
        memory(folds["peak_memory_mb"].max()),
        ", ".join(sorted(set(folds["device"]))),
    ]
    return dict(zip([f"out-of-fold {first}", *others, *_COSTS], [*scores, *costs], strict=True))
