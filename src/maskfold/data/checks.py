"""What each file of a data set is, found out once and remembered: readable or not, how large, how much is mask."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow

from maskfold.data.loading import ends_properly, image_size, read_image, read_mask
from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, locked
from maskfold.parallel import map_unordered

KEY = ["path", "kind", "bytes", "mtime_ns"]
COLUMNS = [*KEY, "height", "width", "area", "error"]
_FEW = 256  # files that one process has read before the others have started

_log = logging.getLogger(__name__)


def verdicts(files: pd.DataFrame, *, cache: Path | None = None, jobs: int = -1) -> pd.DataFrame:
    """Look at every file, or remember what was found if neither its size nor its time has changed since.

    Failures are not remembered: the file is about to be mended, or the disk was only away.

    Args:
        files: Columns `path` and `kind`: `photo` (decoded wholly), `header` (a photo of which only the header and the
            end are read) or `mask`.
        cache: The Parquet file of what is known; one that is missing or damaged is written anew.
        jobs: Processes; -1 is one per core.

    Returns:
        One row per distinct (path, kind) with `COLUMNS`: `height` and `width` in pixels, 0 for a failure; `area`, the
        share of a mask's pixels that is object, NaN for a photo; `error`, the message, or "" where all is well.
    """
    files = _stamped(files.drop_duplicates(["path", "kind"]))
    known = files.merge(_read_cache(cache), on=KEY)
    is_known = pd.MultiIndex.from_frame(files[KEY]).isin(pd.MultiIndex.from_frame(known[KEY]))
    stale = list(files.loc[~is_known, KEY].itertuples(index=False, name=None))
    if not stale:
        return known
    fresh: list[tuple] = []
    try:
        fresh.extend(map_unordered(_verdict, stale, "check files", jobs=jobs if len(stale) > _FEW else 1))
    finally:  # what was looked at before Ctrl-C is kept too
        found = pd.DataFrame([*known.itertuples(index=False, name=None), *fresh], columns=COLUMNS)
        _write_cache(cache, found[found["error"] == ""])
    return found


def _stamped(files: pd.DataFrame) -> pd.DataFrame:
    """Add each file's size in bytes and its time of modification, -1 where there is no such file."""
    stamps = []
    for path in files["path"]:
        try:
            stat = Path(path).stat()
            stamps.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            stamps.append((-1, -1))
    sizes, times = np.array(stamps, np.int64).reshape(-1, 2).T
    return files[["path", "kind"]].assign(bytes=sizes, mtime_ns=times)


def _verdict(file: tuple[str, str, int, int]) -> tuple:
    """Look at one file: its key, then height, width, area and error."""
    path, kind, _, _ = file
    try:
        if kind == "mask":
            mask = read_mask(path)
            return *file, *mask.shape, float(mask.mean()), ""
        if kind == "header" and ends_properly(path):
            return *file, *image_size(path), np.nan, ""
        return *file, *read_image(path).shape[:2], np.nan, ""
    except MaskfoldError as error:
        return *file, 0, 0, np.nan, str(error)


def _read_cache(cache: Path | None) -> pd.DataFrame:
    """Return what is known already, nothing if there is no cache or it is not one."""
    nothing = pd.DataFrame({"path": [], "kind": [], "bytes": [], "mtime_ns": []}, columns=COLUMNS).astype(
        {"path": str, "kind": str, "bytes": np.int64, "mtime_ns": np.int64}
    )
    if cache is None or not cache.exists():
        return nothing
    try:
        known = pd.read_parquet(cache)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        _log.warning("%s is damaged and will be written anew (%s).", cache, error)
        return nothing
    return known if list(known.columns) == COLUMNS else nothing


def _write_cache(cache: Path | None, known: pd.DataFrame) -> None:
    """Remember what is known; a run that cannot, because the folder is read-only or held by another, goes on."""
    if cache is None:
        return
    try:
        with locked(cache.parent), atomic_path(cache) as part:
            known.to_parquet(part, index=False)
    except MaskfoldError as error:
        _log.warning("The check of the files is not remembered for the next stage: %s", error)
