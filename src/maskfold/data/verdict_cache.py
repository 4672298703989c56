"""What is known of a data set's files, on disk: one Parquet file, and pieces beside it while a long look lasts."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow

from maskfold.files import atomic_path, locked

STAMP = ["bytes", "mtime_ns", "ctime_ns"]
KINDS = pd.CategoricalDtype(["photo", "header", "mask", "file"])
_TYPES = {
    "path": "str",
    "kind": KINDS,
    **dict.fromkeys(STAMP, np.int64),
    "hash": "str",
    **dict.fromkeys(["height", "width"], np.int64),
    "area": np.float64,
}
COLUMNS = list(_TYPES)
_VERSION = {
    "looked_for": "several frames"
}  # in the file's attrs: what was seen by an older look is looked at once more

_log = logging.getLogger(__name__)


class VerdictCache:
    """The file of what is known, which is written when a look is over, and its pieces, written while it lasts.

    A piece is `.<name>.<number>.parquet` beside the file `<name>.parquet`. What a killed run has left of them is read
    with the file at the next start, and goes when the file is written anew. Without a path nothing is kept.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self._read: list[Path] = []

    @property
    def is_in_pieces(self) -> bool:
        """Whether something was read from, or written to, pieces that are not in the file yet."""
        return bool(self._read)

    def read(self) -> pd.DataFrame:
        """Return a row of `COLUMNS` for each (path, kind) that is known.

        A file of other columns, or of an older look, says nothing; one that is damaged says so in the log.
        """
        nothing = pd.DataFrame({column: [] for column in COLUMNS}).astype(_TYPES)
        if self.path is None:
            return nothing
        self._read = self._pieces()
        tables = [self._read_one(path) for path in (self.path, *self._read) if path.exists()]
        tables = [table for table in tables if table is not None]
        if not self._read:
            return tables[0] if tables else nothing
        return pd.concat([nothing, *tables]).drop_duplicates(["path", "kind"], keep="last", ignore_index=True)

    def append(self, rows: pd.DataFrame) -> None:
        """Write rows of `COLUMNS` as a piece.

        Raises:
            MaskfoldError: If the folder is held by another run or cannot be written to.
        """
        if self.path is None or rows.empty:
            return
        with locked(self.path.parent):
            last = max((int(path.suffixes[-2][1:]) for path in self._pieces()), default=0)
            piece = self.path.with_name(f".{self.path.stem}.{last + 1:06}{self.path.suffix}")
            _write(rows, piece)
        self._read.append(piece)

    def write(self, rows: pd.DataFrame) -> None:
        """Write rows of `COLUMNS` as the file, in place of all that was read from it and of its pieces.

        Raises:
            MaskfoldError: If the folder is held by another run or cannot be written to.
        """
        if self.path is None:
            return
        with locked(self.path.parent):
            _write(rows, self.path)
            for piece in self._read:
                piece.unlink(missing_ok=True)
        self._read = []

    def _pieces(self) -> list[Path]:
        """Return the pieces, oldest first."""
        return sorted(self.path.parent.glob(f".{self.path.stem}.[0-9]*{self.path.suffix}"))

    def _read_one(self, path: Path) -> pd.DataFrame | None:
        try:
            table = pd.read_parquet(path)
            return table.astype(_TYPES) if list(table.columns) == COLUMNS and table.attrs == _VERSION else None
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            _log.warning("%s is damaged and will be written anew (%s).", path, error)
            return None


def _write(rows: pd.DataFrame, path: Path) -> None:
    table = rows[COLUMNS]
    table.attrs = _VERSION
    with atomic_path(path) as part:
        table.to_parquet(part, index=False)
