"""`experiments/leaderboard.csv`: what was submitted, what it was worth out of fold, and what the leaderboard said."""

from pathlib import Path
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.leaderboard.kaggle import find

COLUMNS = ["date", "competition", "submission", "ensemble", "members", "cv", "public", "private", "message"]
_NUMBERS = ["cv", "public", "private"]
_TEXTS = [column for column in COLUMNS if column not in _NUMBERS]


def read_table(path: Path) -> pd.DataFrame:
    """Read the table; it has no rows where there is no file yet.

    Returns:
        A row a submission with `COLUMNS`: `date` of the upload (UTC), `competition`, `submission` (the first digits of
        the file's SHA-256), `ensemble` and its `members`, `cv` (its out-of-fold Dice), the `public` and `private`
        score, and the `message`. Text that is missing is empty, a number NaN.

    Raises:
        MaskfoldError: If the file has other columns, or no number where there must be one.
    """
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS).astype(dict.fromkeys(_TEXTS, str) | dict.fromkeys(_NUMBERS, float))
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if list(table) != COLUMNS:
            raise ValueError(f"the columns are {','.join(table)}, not {','.join(COLUMNS)}")
        return table.assign(**{column: pd.to_numeric(table[column]) for column in _NUMBERS})
    except ValueError as error:  # the parser's error is one, too
        raise MaskfoldError(f"{path}: not the table of submissions: {error}. Mend it by hand.") from error


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the table atomically."""
    files.write_text(path, table.to_csv(index=False))


def recorded(table: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """Return the table with a submission: as a new last row, or its old row with what is known by now.

    Args:
        table: As `read_table` returns it.
        row: A value for each of `COLUMNS`; what is empty or NaN leaves an old row's value as it is.
    """
    same = _rows(table, row["competition"], row["submission"])
    if not same.any():
        return pd.DataFrame([*table.to_dict("records"), row], columns=COLUMNS)
    values = {column: value for column, value in row.items() if value != "" and not pd.isna(value)}
    table = table.copy()
    table.loc[same, list(values)] = list(values.values())
    return table


def without(table: pd.DataFrame, competition: str, submission: str) -> pd.DataFrame:
    """Return the table without a submission."""
    return table[~_rows(table, competition, submission)]


def with_scores(table: pd.DataFrame, competition: str, listed: pd.DataFrame) -> pd.DataFrame:
    """Return the table with the scores that Kaggle lists by now, whichever of its rows they are of.

    Args:
        table: As `read_table` returns it.
        competition: Whose list it is.
        listed: As `maskfold.leaderboard.kaggle.submissions` returns it.
    """
    for row in table[table["competition"] == competition].to_dict("records"):
        newest = find(listed, row["submission"])
        if newest is not None:
            table = recorded(table, row | newest[["date", "public", "private"]].to_dict())
    return table


def _rows(table: pd.DataFrame, competition: str, submission: str) -> pd.Series:
    return (table["competition"] == competition) & (table["submission"] == submission)
