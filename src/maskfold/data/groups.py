"""Groups and metadata from a table beside the photos."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from maskfold.data.mask_kinds import PhotoNames, inside
from maskfold.data.table import METADATA
from maskfold.errors import MaskfoldError, listing


@dataclass(frozen=True, kw_only=True)
class GroupTable:
    """A CSV that says of each photo which group it is of; its other columns are metadata.

    Attributes:
        root: The folder of the data set.
        file: The CSV, in that folder.
        id: The column of the photos' names, with or without suffix; several rows of one photo are of one group.
        column: The column whose values are the groups.
        unread: Columns that are no metadata.
    """

    root: Path
    file: str
    id: str
    column: str
    unread: tuple[str, ...] = ()

    def join(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return an image table with `group` and, as `meta.<name>`, the columns that are the same in a photo's rows.

        A test photo without a row is a group of its own.

        Raises:
            MaskfoldError: If the file cannot be read, lacks a column, or a train photo has no group or several.
        """
        path = inside(self.root, "data.group.file", self.file)
        rows = self._read(path)
        names = PhotoNames(table.dropna(subset="image"))
        rows.index = pd.Index([names.find(name, by_file="." in name) for name in rows.pop(self.id)], name="image_id")
        rows = rows[rows.index.notna()]
        counts = rows.groupby(level=0).nunique(dropna=False)
        several = list(counts.index[counts[self.column] > 1])
        if several:
            wrong = f"{len(several)} photos have several values of {self.column}"
            raise MaskfoldError(f"{path}: {wrong}:\n{listing(several)}\nKeep one for each photo.")
        rows = rows[[column for column in rows if (counts[column] <= 1).all()]]
        rows = rows[~rows.index.duplicated()]
        groups = table["image_id"].map(rows.pop(self.column).astype("str"))
        missing = list(table["image_id"][groups.isna() & (table["split"] == "train") & table["image"].notna()])
        if missing:
            raise MaskfoldError(
                f"{path}: {len(missing)} train photos have no {self.column}:\n{listing(missing)}\n"
                "Add their rows, or give data.group a regular expression."
            )
        table = table.assign(group=groups.fillna(table["image_id"]))
        return table.join(rows.add_prefix(METADATA), on="image_id")

    def _read(self, path: Path) -> pd.DataFrame:
        """Read the CSV; names and groups are text, so that 007 stays 007."""
        own = (self.id, self.column)
        try:
            rows = pd.read_csv(
                path,
                dtype=dict.fromkeys(own, str),
                encoding="utf-8-sig",
                usecols=lambda name: name in own or name not in self.unread,
            )
        except (OSError, ValueError) as error:
            raise MaskfoldError(f"{path}: not a readable CSV file ({error}). Name or mend data.group.file.") from error
        missing = [name for name in own if name not in rows]
        if missing:
            raise MaskfoldError(
                f"{path}: no column {', '.join(map(repr, missing))}, which data.group names; there are "
                f"{', '.join(map(repr, rows.columns[:20]))}."
            )
        return rows.dropna(subset=[self.id])
