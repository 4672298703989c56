"""Which photos show one object, where names or a column say so plainly."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from maskfold.joining.guesses import ASSUMED, LIKELY, Guess
from maskfold.joining.naming import Photos, naming_of

_CALLED = re.compile(
    r"(?:patient|case|subject|study|slide|series|scene|group|object|animal|well)(?:_?id|_?name)?", re.I
)
_VIEWS = re.compile(r"(.+)_\d{1,3}")
_FEW = 3  # objects, below which nothing is plain


def group_of(photos: Photos, table: pd.DataFrame | None, *, file: Path | None) -> Guess:
    """Return `data.group`: a column of the training table that is called so, a pattern of names, or each photo alone.

    Args:
        photos: The train photos.
        table: The training table, all text.
        file: Where it lies.
    """
    column = None if table is None else _column(photos, table)
    if table is not None and column is not None:
        name, group, count = column
        return Guess(
            {"file": file, "id": name, "column": group}, f"its {count} values hold several photos each", LIKELY
        )
    views = _views([*photos.stems])
    if views:
        return Guess(r"(.*)_\d+", f"{views} names of photos, each with the same numbers behind it", LIKELY)
    return Guess("(.*)", "each photo an object of its own: no name or column says which belong together", ASSUMED)


def _column(photos: Photos, table: pd.DataFrame) -> tuple[str, str, int] | None:
    """Return the column of photos' names without suffix, that of groups, and how many groups there are."""
    for group in (column for column in table if _CALLED.fullmatch(column)):
        for name in (column for column in table if column != group):
            naming = naming_of([*table[name]], photos, lambda naming: not naming.form.label)
            if naming is None or naming.form.template not in ("{image_id}", "{file}"):
                continue
            of_photo = table[group].groupby([cell.photo or "" for cell in naming.cells]).nunique()
            count = table[group].nunique()
            if (
                (of_photo == 1).all()
                and _FEW <= count <= len(of_photo) // 2
                and naming.known == len(table)
                and len(of_photo) == len(photos.stems)
            ):
                return name, group, count
    return None


def _views(stems: Sequence[str]) -> int:
    """Return how many objects names tell, each seen as often and with the same numbers; 0 if they do not."""
    numbers = defaultdict(set)
    for stem in stems:
        match = _VIEWS.fullmatch(stem)
        if match is None:
            return 0
        numbers[match[1]].add(stem[len(match[1]) :])
    views = {frozenset(of_object) for of_object in numbers.values()}
    return len(numbers) if len(numbers) >= _FEW and len(views) == 1 and len(views.pop()) > 1 else 0
