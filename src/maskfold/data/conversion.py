"""Masks of every kind made into arrays, once: what each was made of is kept, and it is made anew when that changes."""

import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow

from maskfold import arrays
from maskfold.data.checks import stamps
from maskfold.data.folders import Stray
from maskfold.data.mask_kinds import Index, Item, MaskKind, digest
from maskfold.data.verdict_cache import STAMP
from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, is_held, locked, write_bytes
from maskfold.masks.planes import joined
from maskfold.parallel import map_unordered

MASKS = "masks"  # folder of a data set's own folder
RECORD = "masks.parquet"  # beside it: what each mask was made of

_COLUMNS = ["image_id", "seen", "origin", *STAMP]
_VERSION = "1"  # of how masks are made: those of another are made anew
_CLEAN = "clean"  # in the record's attrs: the photos and files with which nothing was wrong
_KEEP_EVERY_S = 30  # seconds of work that a kill may lose
_WAIT_S = 24 * 3600  # for another run that makes the same masks

_log = logging.getLogger(__name__)


class Faults(NamedTuple):
    """What is wrong with labels; see `maskfold.data.mask_kinds.Index`."""

    by_image: dict[str, str]
    orphans: list[str]
    strays: list[Stray]


class _Done(NamedTuple):
    """A mask that has been looked at: what it was made of, and why there is none."""

    image_id: str
    seen: str
    origin: str
    stamp: tuple[int, int, int]
    fault: str


def mask_path(folder: Path, image_id: str) -> Path:
    """Return where the mask of a photo is kept in a data set's own folder."""
    return folder / MASKS / f"{image_id}{arrays.SUFFIX}"


def convert(photos: pd.DataFrame, kind: MaskKind, *, folder: Path, jobs: int = -1) -> Faults:
    """Make the masks of photos that are not there yet, or whose labels have changed.

    As long as the labels' and photos' files have the sizes and times they had, nothing is read of them. Otherwise a
    mask is drawn again where its labels' content, their rules, or the size of the photo that they need, differ.

    Args:
        photos: `image_id`, `image` and `mask`, see `MaskKind.index`.
        kind: What the labels are.
        folder: The data set's own.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If the labels cannot be read at all, or masks cannot be written.
    """
    index = None if kind.shared else kind.index(photos)
    seen = _seen(photos, kind, index)
    record = _read_record(folder)
    if index is None and record.attrs.get(_CLEAN) == digest(seen) and not _to_do(seen, record, folder):
        return Faults({}, [], [])
    index = kind.index(photos) if index is None else index
    faults = Faults(dict(index.faults), index.orphans, index.strays)
    wanted = {image_id: mark for image_id, mark in seen.items() if image_id not in index.faults}
    images = dict(zip(photos["image_id"].tolist(), photos["image"].tolist(), strict=True))
    if _to_do(wanted, record, folder) or index.faults:
        if is_held(folder / MASKS):
            _log.info("%s: another run makes these masks; waiting for it.", folder / MASKS)
        with locked(folder / MASKS, wait=_WAIT_S):
            for image_id in index.faults:
                mask_path(folder, image_id).unlink(missing_ok=True)
            _convert_all(images, wanted, kind, index, folder, faults, jobs)
    _remember_clean(folder, seen, faults)
    return faults


def _convert_all(
    images: dict[str, str],
    wanted: dict[str, str],
    kind: MaskKind,
    index: Index,
    folder: Path,
    faults: Faults,
    jobs: int,
) -> None:
    """Make masks; what is made is remembered now and then, and when the run is stopped."""
    record = _read_record(folder)  # another run may have made some
    to_do = _to_do(wanted, record, folder)
    rows = {row[0]: row for row in record.itertuples(index=False, name=None)}
    items = (
        (Item(image_id, images[image_id], index.parts[image_id]), wanted[image_id], known)
        for image_id, known in to_do.items()
    )
    make, due = partial(_convert_one, kind=kind, folder=folder), time.monotonic() + _KEEP_EVERY_S
    try:
        for done in map_unordered(make, items, "convert masks", total=len(to_do), unit="masks", jobs=jobs):
            rows.pop(done.image_id, None)
            if done.fault:
                faults.by_image[done.image_id] = done.fault
            else:
                rows[done.image_id] = (done.image_id, done.seen, done.origin, *done.stamp)
            if time.monotonic() >= due:
                _write_record(folder, rows.values())
                due = time.monotonic() + _KEEP_EVERY_S
    finally:
        with suppress(MaskfoldError):  # without it they are made once more
            _write_record(folder, rows.values())


def _convert_one(job: tuple[Item, str, str], *, kind: MaskKind, folder: Path) -> _Done:
    """Make one mask, unless it is known to be made of the same."""
    item, seen, origin_before = job
    path = mask_path(folder, item.image_id)
    try:
        origin = kind.origin(item)
        if origin != origin_before:
            content = arrays.encode(joined(kind.draw(item)))
    except MaskfoldError as error:
        path.unlink(missing_ok=True)
        return _Done(item.image_id, seen, "", (0, 0, 0), str(error))
    if origin != origin_before:
        write_bytes(path, content)
    return _Done(item.image_id, seen, origin, _stamp(path), "")


def _seen(photos: pd.DataFrame, kind: MaskKind, index: Index | None) -> dict[str, str]:
    """Return a mark of every photo that is another when a file of its mask, or how it is read, is another."""
    paths = _stamps_of(str(path) for path in kind.shared)
    common = digest([_VERSION, repr(kind), paths])
    images = stamps(photos["image"]).tolist()
    ids = photos["image_id"].tolist()
    if index is None:
        return {image_id: digest([common, image]) for image_id, image in zip(ids, images, strict=True)}
    files = {image_id: [path for path in index.parts.get(image_id, ()) if path] for image_id in ids}
    known = iter(stamps(pd.Series([path for paths in files.values() for path in paths], dtype="str")).tolist())
    own = {image_id: [(path, next(known)) for path in paths] for image_id, paths in files.items()}
    return {image_id: digest([common, image, own[image_id]]) for image_id, image in zip(ids, images, strict=True)}


def _stamps_of(paths: Iterable[str]) -> list:
    return stamps(pd.Series(list(paths), dtype="str")).tolist()


def _to_do(seen: dict[str, str], record: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Return which masks have to be looked at, with what they were made of where they are as they were left."""
    known = {row[0]: row[1:] for row in record.itertuples(index=False, name=None)}
    there = stamps(pd.Series([str(mask_path(folder, image_id)) for image_id in seen], dtype="str")).tolist()
    to_do = {}
    for (image_id, mark), stamp in zip(seen.items(), there, strict=True):
        mark_before, origin, *stamp_before = known.get(image_id, ("", ""))
        if stamp != stamp_before:
            origin = ""
        if not origin or mark != mark_before:
            to_do[image_id] = origin
    return to_do


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = os.stat(path)
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _read_record(folder: Path) -> pd.DataFrame:
    """Return what each mask was made of; nothing where that is unknown."""
    nothing = pd.DataFrame({column: [] for column in _COLUMNS}).astype(dict.fromkeys(STAMP, np.int64))
    try:
        record = pd.read_parquet(folder / RECORD)
    except FileNotFoundError:
        return nothing
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        _log.warning("%s is damaged and will be written anew (%s).", folder / RECORD, error)
        return nothing
    return record if list(record.columns) == _COLUMNS else nothing


def _write_record(folder: Path, rows: Iterable[tuple], *, clean: str = "") -> None:
    table = pd.DataFrame(list(rows), columns=_COLUMNS)
    table.attrs = {_CLEAN: clean}
    with atomic_path(folder / RECORD) as part:
        table.to_parquet(part, index=False)


def _remember_clean(folder: Path, seen: dict[str, str], faults: Faults) -> None:
    """Remember that nothing was wrong, so that the next start need not read the labels to know."""
    clean = "" if any(faults) else digest(seen)
    with suppress(MaskfoldError):  # a folder that cannot be written to costs time alone
        record = _read_record(folder)
        if record.attrs.get(_CLEAN) != clean:
            with locked(folder / MASKS):
                _write_record(folder, _read_record(folder).itertuples(index=False, name=None), clean=clean)
