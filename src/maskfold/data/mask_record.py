"""What each mask of a competition was made of, on disk: which of them have to be made again."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow

from maskfold import arrays
from maskfold.data.checks import stamps
from maskfold.data.verdict_cache import STAMP
from maskfold.files import atomic_path

MASKS = "masks"  # folder of a data set's own folder
RECORD = "masks.parquet"  # beside it

_CLEAN = "clean"  # in the file's attrs: the photos and files with which nothing was wrong
_COLUMNS = ["image_id", "seen", "origin", "present", *STAMP]

_log = logging.getLogger(__name__)


class Made(NamedTuple):
    """A mask that was made.

    Attributes:
        seen: A mark of its labels' files, and of how they are read.
        origin: The digest of what it was made of.
        present: The classes that it has pixels of, as text.
        stamp: Of its file: bytes, times of modification and of change, as `STAMP`.
    """

    seen: str
    origin: str
    present: str
    stamp: tuple[int, ...]


def mask_path(folder: Path, image_id: str) -> Path:
    """Return where the mask of a photo is kept in a data set's own folder."""
    return folder / MASKS / f"{image_id}{arrays.SUFFIX}"


class MaskRecord:
    """What each mask was made of; nothing is known where the file is missing, damaged or of an older version."""

    def __init__(self, folder: Path):
        """Read the record of a data set's own folder."""
        self.folder = folder
        self.clean = ""
        self.made: dict[str, Made] = {}
        table = self._read()
        if table is not None:
            self.clean = table.attrs.get(_CLEAN, "")
            rows = table.itertuples(index=False, name=None)
            self.made = {
                name: Made(seen, origin, present, tuple(stamp)) for name, seen, origin, present, *stamp in rows
            }

    def to_do(self, seen: Mapping[str, str]) -> dict[str, Made | None]:
        """Return which masks have to be looked at, with how they were made if they are still as they were left.

        Args:
            seen: By image_id the mark of what its mask is to be made of.
        """
        there = stamps(pd.Series([str(mask_path(self.folder, image_id)) for image_id in seen], dtype="str")).tolist()
        to_do = {}
        for (image_id, mark), stamp in zip(seen.items(), there, strict=True):
            made = self.made.get(image_id)
            made = made if made and made.stamp == tuple(stamp) else None
            if made is None or made.seen != mark:
                to_do[image_id] = made
        return to_do

    def present(self, image_ids: Iterable[str]) -> dict[str, str]:
        """Return which classes photos have, by image_id."""
        return {image_id: self.made[image_id].present for image_id in image_ids if image_id in self.made}

    def write(self, *, clean: str = "") -> None:
        """Write the record.

        Args:
            clean: Of the photos and files with which nothing was wrong.

        Raises:
            MaskfoldError: If it cannot be written.
        """
        rows = [(image_id, *made[:3], *made.stamp) for image_id, made in self.made.items()]
        table = pd.DataFrame(rows, columns=_COLUMNS)
        table.attrs = {_CLEAN: clean}
        with atomic_path(self.folder / RECORD) as part:
            table.to_parquet(part, index=False)

    def _read(self) -> pd.DataFrame | None:
        try:
            table = pd.read_parquet(self.folder / RECORD)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            _log.warning("%s is damaged and will be written anew (%s).", self.folder / RECORD, error)
            return None
        return table if list(table.columns) == _COLUMNS else None
