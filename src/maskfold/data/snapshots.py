"""Snapshots of a store: which photos were learned from with which masks at the end of a month, for good.

A snapshot is a table of hashes. It stands for itself: what is added later, or said of the same photos, does not
change it. One that is lost is made again from the ledger, whose parts say when they were added.
"""

import io
import re
from datetime import UTC, datetime

import pandas as pd

from maskfold.data.ledger import FILE_NAME, SNAPSHOTS, Ledger, below, training_pairs
from maskfold.errors import MaskfoldError
from maskfold.storage import open_storage

COLUMNS = ["photo", "mask", "source", "weight", "group", "cluster"]


def write_snapshot(store: str, name: str) -> tuple[pd.DataFrame, bool]:
    """Write a snapshot of what was added until the end of a month or day; one that is there stands as it is.

    Args:
        store: The folder or address.
        name: `2026-11`, or `2026-11-22`.

    Returns:
        Its rows, and whether it was made now.

    Raises:
        MaskfoldError: If the name is no month or day, or one to come; or there is no store, or nothing in it.
    """
    begin, end = _period(name)
    storage = open_storage(below(store, SNAPSHOTS))
    if storage.exists(f"{name}.parquet"):
        return read_snapshot(store, name), False
    if begin > datetime.now(UTC):
        raise MaskfoldError(f"snapshot={name}: has not begun yet. Name this month, or one that is over.")
    rows = training_pairs(Ledger(store).read(until=end))[COLUMNS]
    if rows.empty:
        raise MaskfoldError(f"snapshot={name}: nothing had been added to {store} by then. Name a later month.")
    content = io.BytesIO()
    rows.to_parquet(content, index=False)
    storage.write(f"{name}.parquet", content.getvalue())
    return rows, True


def has_snapshot(store: str, name: str) -> bool:
    """Return whether a store has a snapshot of this name."""
    return open_storage(below(store, SNAPSHOTS)).exists(f"{name}.parquet")


def read_snapshot(store: str, name: str) -> pd.DataFrame:
    """Return a snapshot: `photo, mask, source, weight, group, cluster`, in the order of the photos.

    Raises:
        MaskfoldError: If there is none of this name, or it is damaged.
    """
    _period(name)
    storage, file = open_storage(below(store, SNAPSHOTS)), f"{name}.parquet"
    again = f"`make store STORE={store} SNAPSHOT={name}`"
    if not storage.exists(file):
        raise MaskfoldError(f"{storage.text}/{file}: no such snapshot. Make it: {again}.")
    try:
        rows = pd.read_parquet(io.BytesIO(storage.read(file)))[COLUMNS]
        if not pd.concat([rows["photo"], rows["mask"]]).str.fullmatch(FILE_NAME).all():
            raise ValueError("a name that no photo or mask has")
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(f"{error}".split())
        raise MaskfoldError(
            f"{storage.text}/{file}: damaged ({reason}). Remove it, and make it again: {again}."
        ) from error
    return rows


def _period(name: str) -> tuple[datetime, datetime]:
    """Return when a month or day begins, and when it is over.

    Raises:
        MaskfoldError: If the name is none.
    """
    try:
        if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", name):
            raise ValueError(name)
        period = pd.Period(name)
    except ValueError as error:
        raise MaskfoldError(f"snapshot={name}: give a month, such as 2026-11, or a day, 2026-11-22.") from error
    return tuple(time.to_timestamp().to_pydatetime().replace(tzinfo=UTC) for time in (period, period + 1))
