"""Scores and costs of members as Markdown tables, from the `results.csv` that the `evaluate` stage writes."""

from collections.abc import Callable, Mapping

import pandas as pd

from maskfold.analysis import formats
from maskfold.cards import markdown

POOLED = "all"  # the row of `results.csv` in which every image counts once


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


COLUMNS: dict[str, tuple[str, Callable[..., str]]] = {
    "fold": ("fold", str),
    "images": ("images", whole),
    "dice": ("Dice", formats.score),
    "iou": ("IoU", formats.score),
    "boundary_iou": ("boundary IoU", formats.score),
    "trimap_dice": ("trimap Dice", formats.score),
    "best_threshold": ("best threshold", whole),
    "best_dice": ("Dice there", formats.score),
    "epochs": ("epochs", whole),
    "seconds": ("time", duration),
    "images_per_second": ("images/s", markdown.number),
    "peak_memory_mb": ("memory", memory),
    "device": ("device", str),
}


def score_table(results: pd.DataFrame) -> str:
    """Return a row for each fold and one for all images.

    Args:
        results: A `results.csv`; a cell may be missing, and so may a column.
    """
    known = {column: about for column, about in COLUMNS.items() if column in results}
    cells = {title: [_cell(value, write) for value in results[column]] for column, (title, write) in known.items()}
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
    rows = [_member(table) for table in results.values()]
    about = {
        "member": [f"[{name}]({links[name]})" for name in results],
        "parameters": [f"{parameters[name]:,}" if name in parameters else "" for name in results],
    }
    cells = about | {title: [row.get(title, "") for row in rows] for title in _MEMBER}
    return markdown.table(cells, right=[title for title in cells if title not in ("member", "device")])


_MEMBER = ("out-of-fold Dice", "IoU", "images", "folds", "training time", "images/s", "memory", "device")


def _member(results: pd.DataFrame | None) -> dict[str, str]:
    """Return the cells of one member: pooled scores, and what its folds cost together."""
    if results is None:
        return {"out-of-fold Dice": "not measured"}
    last = results["fold"].astype(str) == POOLED
    pooled, folds = results[last].iloc[0], results[~last]
    cells = [
        formats.score(pooled["dice"]),
        formats.score(pooled["iou"]),
        whole(pooled["images"]),
        str(len(folds)),
        duration(folds["seconds"].sum()),
        markdown.number(folds["images_per_second"].median()),
        memory(folds["peak_memory_mb"].max()),
        ", ".join(sorted(set(folds["device"]))),
    ]
    return dict(zip(_MEMBER, cells, strict=True))
