"""Tables of photos and labels, row by row: what their columns are called, and what each row says."""

import datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd

from maskfold.data.table import COARSE, LABEL, METADATA, MONTH
from maskfold.errors import MaskfoldError, listing

OWN_COLUMNS = {"image_id": "image_id", "group": "group", "split": "split", LABEL: LABEL, COARSE: COARSE, MONTH: MONTH}
_SPLITS = {"train": "train", "training": "train", "val": "train", "valid": "train", "validation": "train"}
_SPLITS |= {"test": "test", "testing": "test"}


def as_photos(rows: pd.DataFrame, columns: dict[str, str], *, root: Path, name: str) -> pd.DataFrame:
    """Return what `LabelledSource.photos` asks for, from a table whose columns may have other names.

    Args:
        rows: A row a photo; what is no text becomes some.
        columns: The name in `rows` of each of `path` and `OWN_COLUMNS`; `path` and `label` must be there.
        root: What paths are below.
        name: What messages call the table.

    Raises:
        MaskfoldError: If a column is missing, a path is missing, leads out of `root` or stands twice, or a split is
            none.
    """
    refuse_missing([*rows], columns, name=name)
    own = {theirs: ours for ours, theirs in columns.items() if theirs in rows}
    table = rows.rename(columns={theirs: own.get(theirs, f"{METADATA}{theirs}") for theirs in rows})
    table = pd.DataFrame({column: as_text(table[column], month=column == MONTH) for column in table})
    paths = table.pop("path").str.replace(r"^(\./)+", "", regex=True)
    _refuse_paths(paths, table[LABEL], root, name)
    table = table.assign(image=f"{root}/" + paths)
    if "image_id" not in table:
        table["image_id"] = paths.str.replace(r"\.[^./]*$", "", regex=True).str.replace("/", "_")
    said = table["split"].fillna("train").str.lower() if "split" in table else pd.Series("train", index=table.index)
    unknown = sorted({*said.unique()} - {*_SPLITS})
    if unknown:
        raise MaskfoldError(f"{name}: split {unknown[0]!r} in its column {columns['split']}; there are train and test.")
    if "group" in table:
        table["group"] = table["group"].fillna(table["image_id"])
    return table.assign(split=said.map(_SPLITS))


def refuse_missing(there: list[str], columns: dict[str, str], *, name: str) -> None:
    """Refuse a table that has no column for paths, or none for labels.

    Raises:
        MaskfoldError: If it has not, or one that the user names is not there.
    """
    named = {own: theirs for own, theirs in columns.items() if own in ("path", LABEL) or own != theirs}
    absent = [own for own, theirs in named.items() if theirs not in there]
    if absent:
        raise MaskfoldError(
            f"{name}: no column {', '.join(named[own] for own in absent)}; there are {', '.join(there)}. Say what it "
            f"is called: data.columns={{{absent[0]}: <name>}}."
        )


def as_text(cells: pd.Series, *, month: bool = False) -> pd.Series:
    """Return cells as text: whole numbers without a point, dates as ISO 8601; what is missing or "" as missing.

    Args:
        cells: Of any kind.
        month: Whether a date stands for its month.
    """
    if isinstance(cells.dtype, pd.StringDtype):
        return cells.where(cells != "")
    if pd.api.types.is_float_dtype(cells) and (cells.dropna() % 1 == 0).all():
        cells = cells.astype("Int64")  # numbers with gaps, which pandas makes floats
    if pd.api.types.is_datetime64_any_dtype(cells):
        cells = cells.astype(object)
    text = [None if pd.isna(cell) else cell_text(cell, month=month) for cell in cells]
    return pd.Series(text, index=cells.index, dtype="str").where(lambda cells: cells != "")


def cell_text(cell: object, *, month: bool = False) -> str:
    """Return what is not missing as text, see `as_text`."""
    if isinstance(cell, datetime.date):
        return f"{cell:%Y-%m}" if month else cell.isoformat()
    if isinstance(cell, Decimal) and cell == cell.to_integral_value():
        return str(int(cell))
    return str(cell)


def _refuse_paths(paths: pd.Series, labels: pd.Series, root: Path, name: str) -> None:
    """Refuse rows without a path, paths that lead out of the folder, and photos with several rows."""
    bare = paths.index[paths.isna()]
    if len(bare):
        raise MaskfoldError(
            f"{name}: {len(bare)} rows name no photo:\n{listing([f'row {row + 2}' for row in bare], 5)}\nGive each the "
            "path of its photo, or take the row out."
        )
    outside = paths[paths.str.contains(r"^/|(?:^|/)\.\.(?:/|$)")]
    if len(outside):
        raise MaskfoldError(
            f"{name}: {len(outside)} paths lead out of {root}, which they are below:\n{listing(outside.array, 5)}\n"
            "Name the folder of all photos with data.root=, and each photo by its path below it."
        )
    twice = paths.duplicated(keep=False)
    if twice.any():
        rows = (paths[twice] + ": " + labels[twice].fillna("no label")).sort_values(kind="stable")
        raise MaskfoldError(
            f"{name}: {paths[twice].nunique()} photos have several rows:\n{listing(rows.array)}\nKeep one of each; a "
            "photo of several products is none to learn from."
        )


def read_rows(path: Path, *, names: list[str] | None = None) -> pd.DataFrame:
    """Read a CSV or Parquet file; of a CSV all is text, and "" is missing.

    Args:
        path: The file.
        names: Of the columns, of a CSV without a header.

    Raises:
        MaskfoldError: If it is missing or damaged.
    """
    if not path.exists():
        raise MaskfoldError(f"{path}: no such file. data.root=<folder> names the folder it is in.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        given = {"names": names, "header": None} if names else {}
        text = {"dtype": "str", "keep_default_na": False, "na_values": [""], "encoding": "utf-8-sig"}
        return pd.read_csv(path, skipinitialspace=True, **text, **given)
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{path}: cannot be read as a table ({error}). Mend it, or name another.") from error
