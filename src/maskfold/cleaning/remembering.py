"""Work on photos and masks whose results are kept by the files' content, so that a killed run goes on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TypeVar

import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, locked
from maskfold.parallel import map_unordered

_SAVE_S = 30  # seconds of work that a kill may lose
_LOCK_S = 10  # seconds to wait for another run that writes to the same folder

Key = tuple[str, ...]
Item = TypeVar("Item")

_log = logging.getLogger(__name__)


def remembered(
    work: Callable[[Item], list[tuple]],
    items: Mapping[Key, Item],
    *,
    keys: Sequence[str],
    columns: Sequence[str],
    cache: Path | None,
    version: str,
    description: str,
    jobs: int = -1,
) -> pd.DataFrame:
    """Return what `work` says of every item, working on those alone of which it is not known yet.

    Args:
        work: A picklable function of one item; returns rows of `columns`.
        items: By the hashes of the contents that alone its rows depend on.
        keys: What the hashes are called.
        columns: Of the rows.
        cache: The Parquet file of what is known. One that is missing, damaged or of another version is written anew.
        version: Another one whenever `work` would say something else of the same content.
        description: The progress bar's label.
        jobs: Processes; -1 is one per core.

    Returns:
        `keys` and `columns`, in no order.
    """
    known = _read(cache, [*keys, *columns], version)
    known = known[pd.MultiIndex.from_frame(known[[*keys]]).isin([*items])] if len(known) else known
    have = {*known[[*keys]].itertuples(index=False, name=None)}
    missing = [(key, item) for key, item in items.items() if key not in have]
    fresh: list[tuple] = []

    def table() -> pd.DataFrame:
        rows = pd.DataFrame(fresh, columns=[*keys, *columns])
        return pd.concat([known, rows], ignore_index=True) if len(known) else rows

    due = monotonic() + _SAVE_S
    try:
        for rows in map_unordered(partial(_keyed, work), missing, description, jobs=jobs):
            fresh += rows
            if monotonic() >= due:
                with suppress(MaskfoldError):  # tried again with the next; only the last is worth a word
                    _write(cache, table(), version)
                due = monotonic() + _SAVE_S
    finally:  # what was done before Ctrl-C is kept too
        if fresh:
            try:
                _write(cache, table(), version)
            except MaskfoldError as error:
                _log.warning("What was measured is not remembered for the next run: %s", error)
    return table()


def _keyed(work: Callable[[Item], list[tuple]], keyed: tuple[Key, Item]) -> list[tuple]:
    key, item = keyed
    return [(*key, *row) for row in work(item)]


def _read(path: Path | None, columns: list[str], version: str) -> pd.DataFrame:
    """Return what is known; nothing where the file is missing, of another version, or damaged, which is logged."""
    nothing = pd.DataFrame(columns=columns)
    if path is None or not path.exists():
        return nothing
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        _log.warning("%s is damaged and will be written anew (%s).", path, error)
        return nothing
    return table if [*table.columns] == columns and table.attrs == {"version": version} else nothing


def _write(path: Path | None, table: pd.DataFrame, version: str) -> None:
    if path is None:
        return
    table.attrs = {"version": version}
    with locked(path.parent, wait=_LOCK_S), atomic_path(path) as part:
        table.to_parquet(part, index=False)
