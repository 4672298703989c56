"""Tables in Markdown, and any CSV file as one."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import pandas as pd

from maskfold.analysis import formats

DIGITS = 3  # significant ones of a number that is neither whole nor a score
_SCORE = re.compile(r"(.*_)?(dice|iou)")
_GROUPED = 10_000  # whole numbers from here on get their commas; a year has none
_OF_ZERO = 4  # decimals at most


def table(columns: Mapping[str, Sequence[str]], *, right: Collection[str] = ()) -> str:
    """Return a Markdown table.

    Args:
        columns: The cells of each column, by its header, all of one length.
        right: Headers of the columns set to the right.
    """
    rule = ["---:" if header in right else "---" for header in columns]
    cells = zip(*columns.values(), strict=True)
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in [columns, rule, *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def csv_table(frame: pd.DataFrame) -> str:
    """Return a table read from a CSV file as Markdown.

    Columns whose name ends with `dice` or `iou` are written as scores are everywhere, other numbers with three
    significant digits, but never with more decimals than their column has in the file. Underscores in headers become
    spaces, what is missing an empty cell.
    """
    headers = {column: column.replace("_", " ") for column in frame}
    numeric = frame.select_dtypes("number").columns
    return table(
        {headers[column]: _cells(frame[column], numeric=column in numeric) for column in frame},
        right=[headers[column] for column in numeric],
    )


def _cells(column: pd.Series, *, numeric: bool) -> list[str]:
    known = column.dropna()
    if not numeric:
        words = {True: "yes", False: "no"}
        written = known.map(lambda value: words[value] if isinstance(value, bool) else str(value))
    elif _SCORE.fullmatch(column.name):
        written = known.map(formats.score)
    else:
        decimals = max((_decimals(value) for value in known), default=0)
        written = known.map(lambda value: number(value, decimals=decimals))
    return written.astype(object).reindex(column.index, fill_value="").tolist()


def number(value: float, *, decimals: int = DIGITS) -> str:
    """Write a number with three significant digits and at most so many decimals; whole parts are never rounded."""
    if not math.isfinite(value):
        return f"{value}"
    decimals = min(decimals, DIGITS - 1 - math.floor(math.log10(abs(value))) if value else _OF_ZERO)
    grouped = "," if abs(value) >= _GROUPED else ""
    return f"{value:{grouped}.{max(decimals, 0)}f}"


def _decimals(value: float) -> int:
    """Count the decimals that a number is written with."""
    exponent = Decimal(str(value)).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0  # infinity's is a letter
