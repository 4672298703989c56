"""Masks as arrays beside the data, so that a GIF or a large PNG is decoded once and not in every epoch.

A copy is called by the hash of its mask's bytes, which the check of the data knows (`maskfold.data.checks`): a mask
that has changed has another one. A copy of a mask of 1918x1280 takes some 12 KB, and a twentieth of the time that its
GIF takes. Any of them may be missing or damaged, and all may be removed: the mask itself is read then.
"""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold import arrays
from maskfold.data.headers import naming
from maskfold.data.loading import decode_mask, hash_of_bytes, read_mask, resized_mask
from maskfold.errors import MaskfoldError

FOLDER = "decoded_masks"  # of a data set's own folder
COPY = "mask_copy"  # column of rows to train on: where the copy of a mask is, or will be

_VERSION = 1  # another whenever `read_mask` would say something else of the same bytes
_END = f"-{_VERSION}{arrays.SUFFIX}"
_LEAST = 2**15  # pixels; of a smaller mask a copy saves less than half a millisecond
_LEFT_S = 3600  # seconds after which a half-written copy is no running process's
_HASH = "mask_hash"

_log = logging.getLogger(__name__)
_unwritable: set[Path] = set()  # folders that this process has warned of


def with_copies(tables: Sequence[pd.DataFrame], folder: Path) -> list[pd.DataFrame]:
    """Return tables with the column `COPY`, and remove the copies of masks that none of them has.

    Args:
        tables: Rows of the image table; missing where a mask's hash is not known, or its mask is soft.
        folder: The data set's own folder. One that cannot be written to is warned of, and nothing is added.
    """
    copies = folder / FOLDER
    known = [table.get(_HASH, pd.Series(index=table.index, dtype="str")) for table in tables]
    if not any(hashes.notna().any() for hashes in known):
        return [*tables]
    try:
        copies.mkdir(parents=True, exist_ok=True)
        if not os.access(copies, os.W_OK | os.X_OK):
            raise PermissionError(0, "no right to write there")
        _prune(copies, {f"{name}{_END}" for hashes in known for name in hashes.dropna()})
    except OSError as error:
        _warn(copies, error)
        return [*tables]
    paths = [hashes.map(lambda name: str(copies / f"{name}{_END}"), na_action="ignore") for hashes in known]
    return [table.assign(**{COPY: column}) for table, column in zip(tables, paths, strict=True)]


def copies_of(table: pd.DataFrame) -> list[str | None]:
    """Return where the copy of each row's mask is, None where it has no place."""
    return [copy if isinstance(copy, str) else None for copy in table.get(COPY, pd.Series(index=table.index))]


def read_copied(path: Path | str, copy: str | None, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask as `maskfold.data.loading.read_mask` does, from its copy where there is one; else leave one.

    Args:
        path: The mask's file.
        copy: Its place in `COPY`; None where it has none.
        size: (height, width) to bring a mask of another size to.

    Raises:
        MaskfoldError: As `read_mask`.
    """
    if not copy or Path(path).suffix == arrays.SUFFIX:
        return read_mask(path, size=size)
    if os.path.exists(copy):
        try:
            return read_mask(copy, size=size)
        except MaskfoldError as error:
            _log.warning("%s It is made anew.", str(error).partition(" Replace")[0])
    with naming(path):
        content = Path(path).read_bytes()
    mask = decode_mask(content, name=path)
    # A file that was replaced while the training runs is not the one that the copy is called by.
    if mask.size >= _LEAST and hash_of_bytes(content) == Path(copy).name.removesuffix(_END):
        _leave(mask, Path(copy))
    return resized_mask(mask, size)


def _leave(mask: np.ndarray, copy: Path) -> None:
    """Write a copy; several processes may be at the same one. Where it cannot be written, training goes on."""
    part = copy.with_name(f".{copy.name}.{os.getpid()}")
    try:
        part.write_bytes(arrays.encode(mask))
        part.replace(copy)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        _warn(copy.parent, error)


def _warn(folder: Path, error: OSError) -> None:
    if folder not in _unwritable:
        _unwritable.add(folder)
        _log.warning("%s: cannot be written to (%s), so masks are decoded in every epoch.", folder, error.strerror)


def _prune(folder: Path, names: set[str]) -> None:
    """Remove copies of other names, and what killed processes have left of any."""
    for entry in _others(folder, names):
        with suppress(FileNotFoundError):  # another run is at it
            if not entry.name.startswith(".") or time.time() - entry.stat().st_mtime > _LEFT_S:
                os.unlink(entry)


def _others(folder: Path, names: set[str]) -> Iterator[os.DirEntry]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.name not in names and arrays.SUFFIX in entry.name)
