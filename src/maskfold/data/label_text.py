"""Labels, kinds and months as people write them: brought to one form, and refused where they cannot be meant."""

import re
import unicodedata
from collections.abc import Iterable

import pandas as pd

from maskfold.data.table import COARSE, LABEL, MONTH
from maskfold.errors import MaskfoldError, listing
from maskfold.files import CONTROL

_MONTH = r"\d{4}-(0[1-9]|1[0-2])"


def check_month(month: str, *, key: str) -> str:
    """Return a month such as `2026-03`.

    Raises:
        MaskfoldError: If it is none.
    """
    if re.fullmatch(_MONTH, month) is None:
        raise MaskfoldError(f"{key}={month}: give a month such as 2026-03.")
    return month


def tidied(texts: pd.Series) -> pd.Series:
    """Return labels in one form of Unicode (NFC) and without space around them; nothing but space is missing.

    A name of a folder on a Mac and the same name in a table are different characters otherwise.
    """
    known = texts.dropna().unique()
    form = {text: unicodedata.normalize("NFC", text).strip() or None for text in known}
    return texts.map(form).astype("str") if any(text != tidy for text, tidy in form.items()) else texts.astype("str")


def checked_labels(rows: pd.DataFrame, *, name: str) -> pd.DataFrame:
    """Return rows with labels and kinds in one form.

    Args:
        rows: `image` and `label`; `coarse` and `month` where they are known.
        name: What messages call the data.

    Raises:
        MaskfoldError: If a label or a kind has characters that no line can hold, a month is none, or photos of one
            label are of several kinds.
    """
    texts = [column for column in (LABEL, COARSE) if column in rows]
    rows = rows.assign(**{column: tidied(rows[column]) for column in texts})
    for column in texts:
        unfit = [text for text in rows[column].dropna().unique() if re.search(CONTROL, text)]
        if unfit:
            raise MaskfoldError(
                f"{name}: {len(unfit)} names in {column} have a line break or the like in them:\n"
                f"{listing([ascii(text) for text in sorted(unfit)], 5)}\nCorrect them where they are written."
            )
    if MONTH in rows:
        _refuse_other_months(rows, name)
    if COARSE in rows:
        _refuse_several_kinds(rows, name)
    return rows


def _refuse_other_months(rows: pd.DataFrame, name: str) -> None:
    months = rows[MONTH].dropna().drop_duplicates()
    wrong = months[~months.astype("str").str.fullmatch(_MONTH)]
    if len(wrong):
        lines = [f"{rows.at[row, 'image']}: {month!r}" for row, month in wrong.items()]
        raise MaskfoldError(
            f"{name}: {len(wrong)} months are none, such as those of\n{listing(lines, 5)}\nWrite a month as 2026-03."
        )


def _refuse_several_kinds(rows: pd.DataFrame, name: str) -> None:
    kinds = rows[[LABEL, COARSE]].dropna().drop_duplicates()
    several = kinds[kinds[LABEL].duplicated(keep=False)].groupby(LABEL)[COARSE].agg(lambda names: sorted(names))
    if len(several):
        lines = [f"{label}: {', '.join(names)}" for label, names in several.items()]
        raise MaskfoldError(
            f"{name}: {len(several)} labels are of several coarse classes:\n{listing(lines, 5)}\nA label is of one "
            "kind: correct the rows, or give two products two labels."
        )


def look_alikes(labels: Iterable[str]) -> list[list[str]]:
    """Return labels that differ in nothing but case, spaces, width or invisible characters, two or more in a list."""
    alike: dict[str, list[str]] = {}
    for label in sorted({*labels}):
        alike.setdefault(_looks(label), []).append(label)
    return [names for names in alike.values() if len(names) > 1]


def _looks(label: str) -> str:
    text = unicodedata.normalize("NFKC", label).casefold()
    return " ".join("".join(sign for sign in text if unicodedata.category(sign) != "Cf").split())
