"""What each file of a data set is, found out once and remembered: readable or not, how large, how much is mask."""

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.compute

from maskfold.data.headers import MOST_PIXELS, ends_properly, image_size
from maskfold.data.loading import content_hash, read_image, read_mask
from maskfold.data.verdict_cache import KINDS, STAMP, VerdictCache
from maskfold.data.windows import is_large, look_through
from maskfold.errors import MaskfoldError
from maskfold.parallel import map_unordered

ANSWERS = ["hash", "height", "width", "area", "error"]
COLUMNS = ["path", "kind", *STAMP, *ANSWERS]
_PIECE_S = 30  # seconds of looking that a kill may lose
_STAT_THREADS = 8  # on a network's disk a file's time of change takes a millisecond, all of it waiting
_STAT_CHUNK = 4096  # paths

_log = logging.getLogger(__name__)


def verdicts(
    files: pd.DataFrame,
    *,
    max_pixels: int = MOST_PIXELS,
    channels: int | None = None,
    cache: Path | None = None,
    jobs: int = -1,
) -> pd.DataFrame:
    """Look at every file, or remember what was seen if its size and its times are the same.

    A file is read again when its size in bytes, its time of modification or its time of change (ctime) is another.
    The last cannot be set back by a program, so a file that was replaced by one of the same size and of the old
    time of modification is seen too. What hides it is a clock that was set back, or a disk without a ctime of its own.
    A data set that was copied, or whose owner was changed, is read again once; a file whose bytes are the same by
    their hash is not decoded again.

    Failures are not remembered: the file is about to be mended, or the disk was only away. What was seen in a long
    look is kept every half minute, so a look that is killed goes on where it was.

    Args:
        files: Columns `path` and `kind`: `photo` (decoded wholly), `header` (a photo of which only the header and the
            end are looked at), `mask`, or `file` (of which only the hash is taken; its size is 0).
        max_pixels: The most that a file may have; a larger one fails by its header, and is not decoded.
        channels: How many the photos have, see `read_image`. Each number has a cache of its own.
        cache: The Parquet file of what is known. One that is missing, damaged or of an older version is written anew.
        jobs: Processes; -1 is one per core.

    Returns:
        One row per distinct (path, kind), in the order of `files`, with `COLUMNS`: `bytes`, `mtime_ns` and `ctime_ns`
        are -1 where there is no such file; `hash` is `content_hash`, missing for a failure; `height` and `width` in
        pixels, 0 for a failure; `area`, the share of a mask's pixels that is object, NaN for a photo; `error`, the
        message, or "" where all is well.
    """
    store = VerdictCache(cache and _of_channels(cache, channels))
    files = files[["path", "kind"]].astype({"path": "str", "kind": KINDS}).drop_duplicates(ignore_index=True)
    files[STAMP] = stamps(files["path"])
    is_known, answers = _recall(files, store.read())
    is_large = (answers["height"] * answers["width"] > max_pixels).to_numpy()
    is_known &= ~is_large
    answers.loc[is_large, "hash"] = None  # or its content would be known by it
    if not is_known.all():
        look = partial(_verdict, max_pixels=max_pixels, channels=channels)
        fresh = _look(look, files[~is_known], answers[~is_known], store, jobs)
        answers = pd.concat([answers[is_known], fresh]).sort_index()
    seen = pd.concat([files, answers], axis=1).astype({"height": np.int64, "width": np.int64})
    sound = seen["error"] == ""
    if (sound & ~is_known).any() or store.is_in_pieces:
        _remember(lambda: store.write(seen[sound]))
    return seen


def positions(wanted: pd.Series, among: pd.Series) -> np.ndarray:
    """Return where each text of `wanted` stands in `among` for the first time, -1 where it does not or is missing."""
    values, value_set = (pyarrow.array(texts.astype("str"), pyarrow.large_string()) for texts in (wanted, among))
    places = pyarrow.compute.index_in(values, value_set=value_set, skip_nulls=True)
    return places.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _recall(files: pd.DataFrame, cached: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Return which files are as they were when they were looked at, and of all files the last `ANSWERS` there were."""
    rows = _rows_of(files, cached)
    # Where nothing is known the stamp is -2, which no file has.
    is_known = (cached[STAMP].reindex(rows, fill_value=-2).to_numpy() == files[STAMP].to_numpy()).all(axis=1)
    return is_known, cached[ANSWERS[:-1]].assign(error="").reindex(rows).set_axis(files.index)


def _rows_of(files: pd.DataFrame, cached: pd.DataFrame) -> np.ndarray:
    """Return the row of `cached` that is about each file as the same kind, -1 where there is none."""
    rows = np.full(len(files), -1)
    for kind in KINDS.categories:
        of_kind, candidates = (files["kind"] == kind).to_numpy(), np.flatnonzero(cached["kind"] == kind)
        at = positions(files.loc[of_kind, "path"], cached["path"].iloc[candidates])
        rows[of_kind] = np.append(candidates, -1)[at]
    return rows


def stamps(paths: pd.Series) -> np.ndarray:
    """Return each file's size and times as `STAMP` names them, `(N, 3) int64`, -1 where there is no such file."""
    chunks = (paths.iloc[start : start + _STAT_CHUNK] for start in range(0, len(paths), _STAT_CHUNK))
    with ThreadPoolExecutor(_STAT_THREADS) as threads:
        return np.concatenate([np.empty((0, len(STAMP)), np.int64), *threads.map(_stamps_of, chunks)])


def _stamps_of(paths: pd.Series) -> np.ndarray:
    stamps = np.full((len(paths), len(STAMP)), -1, np.int64)
    for row, path in enumerate(paths.tolist()):  # Python's own text of this chunk alone
        with suppress(OSError):
            stat = os.stat(path)  # a Path for each of millions of files takes longer than the question itself
            stamps[row] = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
    return stamps


def _look(
    look: Callable[[tuple], tuple], files: pd.DataFrame, before: pd.DataFrame, store: VerdictCache, jobs: int
) -> pd.DataFrame:
    """Look at files, given what was seen in them before; return `ANSWERS` with the index of `files`, in any order."""
    looks = pd.concat([files[["path", "kind"]], before], axis=1).drop(columns="error")
    answers = _Answers(files, store)
    try:
        for answer in map_unordered(look, looks.itertuples(name=None), "check files", total=len(looks), jobs=jobs):
            answers.add(answer)
    except BaseException:  # what was looked at before Ctrl-C is kept too
        _remember(answers.keep)
        raise
    return answers.table()


class _Answers:
    """The answers of a look as they come, which are kept on disk now and then."""

    def __init__(self, files: pd.DataFrame, store: VerdictCache):
        self._files = files
        self._store = store
        self._tables: list[pd.DataFrame] = []
        self._kept = 0  # tables that are on disk
        self._rows: list[tuple] = []
        self._due = time.monotonic() + _PIECE_S

    def add(self, answer: tuple) -> None:
        """Take the answer to one file: its index, then `ANSWERS`."""
        self._rows.append(answer)
        if time.monotonic() >= self._due:
            with suppress(MaskfoldError):  # tried again with the next; only the last is worth a word
                self.keep()
            self._due = time.monotonic() + _PIECE_S

    def keep(self) -> None:
        """Write what is not on disk yet.

        Raises:
            MaskfoldError: If it cannot be written now.
        """
        self._gather()
        answers = pd.concat(self._tables[self._kept :])
        sound = answers[answers["error"] == ""]
        self._store.append(self._files.join(sound, how="inner"))
        self._kept = len(self._tables)

    def table(self) -> pd.DataFrame:
        """Return all answers so far."""
        self._gather()
        return pd.concat(self._tables)

    def _gather(self) -> None:
        table = pd.DataFrame(self._rows, columns=["index", *ANSWERS]).set_index("index")
        self._tables.append(table.astype({"hash": "str", "error": "str", "area": np.float64}))
        self._rows = []


def _of_channels(cache: Path, channels: int | None) -> Path:
    """Return where is kept what was seen of photos of a number of channels: one that is sound as RGB may lack some."""
    return cache if channels is None else cache.with_name(f"{cache.stem}_{channels}_channels{cache.suffix}")


def _verdict(file: tuple, *, max_pixels: int, channels: int | None) -> tuple:
    """Look at one file: its index, path, kind and what was seen in it before; return its index and `ANSWERS`."""
    index, path, kind, hash_before, *answer_before = file
    try:
        content = content_hash(path)
        if content == hash_before:
            return index, content, *answer_before, ""
        if kind == "file":
            return index, content, 0, 0, np.nan, ""
        of_photo = None if kind == "mask" else channels
        size = image_size(path, max_pixels=max_pixels, channels=of_photo)  # before anything is decoded
        if is_large(*size):
            return index, content, *size, look_through(path, kind, size, channels=of_photo), ""
        if kind == "mask":
            mask = read_mask(path)
            return index, content, *mask.shape[-2:], float(mask.mean()), ""
        if kind == "header" and ends_properly(path):
            return index, content, *size, np.nan, ""
        return index, content, *read_image(path, channels=channels).shape[:2], np.nan, ""
    except MaskfoldError as error:
        return index, None, 0, 0, np.nan, str(error)


def _remember(write: Callable[[], None]) -> None:
    """Remember what is known; a run that cannot, because the folder is read-only or held by another, goes on."""
    try:
        write()
    except MaskfoldError as error:
        _log.warning("The check of the files is not remembered for the next stage: %s", error)
