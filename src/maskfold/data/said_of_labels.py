"""What is said of labels beside the photos' files, in the data's own folder, `data/<name>/`.

- `retired.csv`, the user's alone: `label,month` of products that are no longer sold;
- `decisions.csv`, the user's alone: besides what `maskfold.data.annotations` says, `label=<name>` for a photo that
  shows something else;
- `test.csv`, written with the split: `image_id` of the photos that were kept for testing.
"""

from collections.abc import Collection, Iterable
from pathlib import Path

import pandas as pd

from maskfold import files
from maskfold.data.annotations import DECISIONS, named_labels, read_decisions
from maskfold.data.class_table import ClassTable
from maskfold.data.label_text import check_month, tidied
from maskfold.data.table import COARSE, LABEL
from maskfold.errors import MaskfoldError, listing

RETIRED, FROZEN = "retired.csv", "test.csv"
_WAIT_S = 60.0  # for another run that writes the file


def read_retired(folder: Path, classes: ClassTable) -> pd.Series | None:
    """Return the month in which each retired product left, by label; None where the user says nothing of it.

    Args:
        folder: The data's own.
        classes: All that it has.

    Raises:
        MaskfoldError: If the file is damaged, names a product twice or one that is unknown, or a month is none.
    """
    path = folder / RETIRED
    if not path.exists():
        return None
    try:
        rows = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
        months = rows.assign(**{LABEL: tidied(rows[LABEL])}).set_index(LABEL)["month"].str.strip()
    except (OSError, ValueError, KeyError) as error:
        raise MaskfoldError(f"{path}: not a CSV file with columns label,month ({error}). Mend or remove it.") from error
    for label, month in months.items():
        check_month(month, key=f"{path}: {label}")
    if months.index.has_duplicates:
        twice = sorted({*months.index[months.index.duplicated()]})
        raise MaskfoldError(f"{path}: {len(twice)} labels have several rows:\n{listing(twice)}\nKeep one of each.")
    unknown = sorted({*months.index} - {*classes.labels})
    if unknown:
        raise MaskfoldError(
            f"{path}: the data has no class called so of {len(unknown)} of its labels:\n{listing(unknown)}\nCorrect or "
            "remove them."
        )
    return months


def correct_labels(table: pd.DataFrame, folder: Path, *, left_out: Collection[str] = ()) -> pd.DataFrame:
    """Return a checked image table with the labels that decisions give photos, and the kinds of these.

    Args:
        table: The image table as the files are.
        folder: The data's own.
        left_out: Ids of photos that the table leaves out, whose decisions do not matter here.

    Raises:
        MaskfoldError: If a label is given that no photo of the data has, which is mostly a misspelt one.
    """
    labels = named_labels(read_decisions(folder, table, left_out=left_out))
    labels = labels[labels.index.isin(table["image_id"])]
    if labels.empty:
        return table
    labels = tidied(labels)
    unknown = labels[~labels.isin(table[LABEL])]
    if len(unknown):
        lines = [f"{image_id}: {label}" for image_id, label in unknown.items()]
        raise MaskfoldError(
            f"{folder / DECISIONS}: {len(unknown)} photos are to have a label that no photo of the data has:\n"
            f"{listing(lines)}\nCorrect them."
        )
    given = table["image_id"].map(labels)
    corrected = table.assign(**{LABEL: given.fillna(table[LABEL])})
    if COARSE in table:
        kinds = table.dropna(subset=[LABEL, COARSE]).drop_duplicates(LABEL).set_index(LABEL)[COARSE]
        corrected[COARSE] = table[COARSE].mask(given.notna(), given.map(kinds))
    return corrected


def read_frozen(folder: Path) -> pd.Index:
    """Return the ids of photos that were kept for testing, whatever is drawn now.

    Raises:
        MaskfoldError: If the file is damaged.
    """
    path = folder / FROZEN
    if not path.exists():
        return pd.Index([], dtype="str")
    try:
        return pd.Index(pd.read_csv(path, dtype="str", keep_default_na=False)["image_id"])
    except (OSError, ValueError, KeyError) as error:
        raise MaskfoldError(
            f"{path}: not a CSV file with a column image_id ({error}). Put back a whole copy: it says which photos "
            "nothing has learned from."
        ) from error


def write_frozen(folder: Path, ids: Iterable[str]) -> None:
    """Keep which photos are for testing, beside those of before.

    Raises:
        MaskfoldError: If the file is damaged or cannot be written, or another process holds the folder for a minute.
    """
    with files.locked(folder, wait=_WAIT_S):
        before = read_frozen(folder)
        later = {*before, *ids}
        if len(later) > len(before):
            text = pd.DataFrame({"image_id": sorted(later)}).to_csv(index=False, lineterminator="\n")
            files.write_text(folder / FROZEN, text)
