"""Shards as data to train on: `data=shards data.root=shards/products`, a folder or an address."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd

from maskfold.data.labelled import LabelledSource
from maskfold.data.ledger import below
from maskfold.data.table import STRAYS, validate
from maskfold.errors import MaskfoldError, listing
from maskfold.shards.layout import (
    CHUNK,
    MANIFEST,
    NUMBER,
    UNDATED,
    faults,
    read_manifest,
    read_table,
    sizes,
)
from maskfold.storage import chunks, is_address, open_storage


class ShardedPhotos(LabelledSource):
    """Photos in shards, as `make shards` has written them: the image table is read, and no photo is opened.

    Photos were checked when they were written; a photo's path is its place in a chunk.
    """

    takes_addresses = True

    def __init__(self, *, root: str, months: Sequence[str] = (), **common: Any) -> None:
        """Look at nothing yet.

        Args:
            root: The folder or address of the months' folders.
            months: Those to read; none for all, up to `until`.
            common: The others of `LabelledSource`.
        """
        super().__init__(root=root, **common)
        self.address = root.rstrip("/") if is_address(root) else str(self.root)
        self.months = [str(month) for month in months]

    def photos(self) -> pd.DataFrame:
        """See `LabelledSource`; in the order in which they lie in the shards.

        Raises:
            MaskfoldError: If there are no shards, or none until `until`; a month is not finished, or something of it is
                missing or cut short.
        """
        present = self._present()
        there = sorted({name.split("/")[0] for name in present if "/" in name})
        if not there:
            raise MaskfoldError(
                f"{self.address}: no shards here. `make shards DATA=... TO={self.address}` writes them; data.root=... "
                "names the folder of the months' folders."
            )
        if absent := sorted({*self.months} - {*there}):
            raise MaskfoldError(f"data.months: no {', '.join(absent)} in {self.address}; there are {', '.join(there)}.")
        wanted = [month for month in self.months or there if self._is_due(month)]
        if not wanted:
            named = f" of data.months={self.months}" if self.months else ""
            raise MaskfoldError(
                f"data.until={self.until}: no month{named} in {self.address} is as early; there are "
                f"{', '.join(there)}. Give a later month."
            )
        return pd.concat([self._month(month, present) for month in wanted], ignore_index=True)

    def table(self) -> pd.DataFrame:
        """See `LabelledSource`; of months that are not due, what is whole is named as left out."""
        table = super().table()
        months = {name.split("/")[0] for name in self._present() if "/" in name} - {*self.months}
        for month in sorted(month for month in months if not self._is_due(month)):
            storage = open_storage(below(self.address, month))
            manifest = read_manifest(storage)
            self.left_out |= frozenset() if manifest is None else {*read_table(storage, manifest)["image_id"]}
        return table

    def _present(self) -> dict[str, int]:
        return sizes(open_storage(self.address))

    def _is_due(self, month: str) -> bool:
        return self.until is None or month == UNDATED or month <= self.until

    def _month(self, month: str, present: dict[str, int]) -> pd.DataFrame:
        """Return the rows of a month, whose chunks are all there."""
        folder = below(self.address, month)
        storage = open_storage(folder)
        manifest = read_manifest(storage)
        if manifest is None:
            raise MaskfoldError(
                f"{folder}: not written to its end ({MANIFEST} is missing). Run the same make shards again, or name "
                "the months to read: data.months=[...]."
            )
        own = {name.partition("/")[2]: size for name, size in present.items() if name.startswith(f"{month}/")}
        if wrong := faults(own, manifest):
            raise MaskfoldError(
                f"{folder}: {len(wrong)} of its {len(manifest.chunks)} chunks are not as they were written:\n"
                f"{listing(wrong)}\nRun the same make shards again."
            )
        rows = read_table(storage, manifest)
        where = zip(rows[CHUNK], rows[NUMBER], strict=True)
        places = [chunks.place(folder, chunk, number) for chunk, number in where]
        return rows.drop(columns=[CHUNK, NUMBER]).assign(image=places)

    def examined(self, *, jobs: int = -1) -> pd.DataFrame:
        """See `Source`: whatever is in shards was found good when it was written."""
        rows = self._checked(jobs=jobs)
        fine = {"image_error": "", "mask_error": "", "mask_height": 0, "mask_width": 0}
        rows = rows.assign(**fine, problem=pd.Categorical([""] * len(rows)))
        rows.attrs[STRAYS] = []
        return rows

    def _checked(self, *, jobs: int = -1) -> pd.DataFrame:
        """See `LabelledSource`: as the tables have it."""
        table = self.table()
        table.attrs = {}
        return validate(table.assign(mask=pd.Series(pd.NA, index=table.index, dtype="str")))


def in_chunks(rows: pd.DataFrame) -> tuple[list[int], Callable[[int], object] | None] | None:
    """Return which chunk each row's photo lies in, by number, and what brings a chunk to this machine.

    Args:
        rows: Of the image table.

    Returns:
        None where photos are files of their own. In place of the function None where the chunks lie on this machine.
    """
    places = rows["image"]
    if not all(map(chunks.is_place, places)):
        return None
    numbers, names = pd.factorize(places.str.rpartition("#")[0])
    if not any(map(is_address, names)):
        return numbers.tolist(), None
    return numbers.tolist(), partial(_fetch, [*names])


def _fetch(names: Sequence[str], number: int) -> None:
    chunks.fetch(names[number])
