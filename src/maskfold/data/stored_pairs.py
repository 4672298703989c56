"""A store of corrected pairs as data to train on: `data=store data.root=store`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.data.ledger import AUTO, IMAGES, VERSIONS, Ledger, below, training_pairs
from maskfold.data.snapshots import read_snapshot
from maskfold.data.source import Source
from maskfold.data.table import AUTOMATIC
from maskfold.errors import MaskfoldError, listing
from maskfold.storage import Storage, is_address, open_storage

_COPIES = "copies"  # in the data's own folder
_DIGITS = 32  # of a hash in the image table


class StoredPairs(Source):
    """Photos with the masks that a store's ledger says, see `maskfold.data.ledger`; or as a snapshot has them.

    A photo is called by its hash. Masks that no person has seen are of the split `automatic`: folds learn from them,
    for at most half of an epoch, and nothing is validated on them or scored by them.
    """

    takes_addresses = True

    def __init__(self, *, root: str, name: str | None = None, snapshot: str | None = None, **common: Any):
        """Look at nothing yet.

        Args:
            root: The store: a folder, or an address, whose files are copied into the data's own folder, once.
            name: What the data is called; the store's name, with that of the snapshot, unless given.
            snapshot: `2026-11`: what had been added by then; None for what counts now.
            common: The others of `Source`.
        """
        super().__init__(root=root, name=name, **common)
        self._store = root
        self._snapshot = snapshot
        self._hash_of_mask: dict[str, str] = {}
        if name is None and snapshot is not None:
            self.name = f"{self.name}-{snapshot}"

    def table(self) -> pd.DataFrame:
        """Return the image table, in the order of the names.

        Raises:
            MaskfoldError: If there is no store or snapshot, it is empty, or a file of it is missing.
        """
        if self._snapshot is None:
            rows = training_pairs(Ledger(self._store).read())
        else:
            rows = read_snapshot(self._store, self._snapshot)
        if rows.empty:
            raise MaskfoldError(
                f"{self._store}: no pairs in this store. `make store ROUTES=<routes.parquet>` adds some."
            )
        ids, masks = (rows[column].str.partition(".")[0] for column in ("photo", "mask"))
        self._hash_of_mask = dict(zip(ids, masks, strict=True))
        table = pd.DataFrame(
            {
                "image_id": ids,
                "image": self._files(IMAGES, rows["photo"]),
                "mask": self._files(VERSIONS, rows["mask"]),
                "split": np.where(rows["source"] == AUTO, AUTOMATIC, "train"),
                "group": rows["group"].fillna(ids),
                "view": "",
                "cluster": rows["cluster"],
            },
            dtype="str",
        )
        return table.assign(weight=rows["weight"].astype(np.float64))

    def as_found(self, *, needs_masks: bool = True, jobs: int = -1) -> pd.DataFrame:
        """See `Source`; files whose bytes are not those of their names are refused."""
        table = super().as_found(needs_masks=needs_masks, jobs=jobs)
        wrong = []
        for kind, names in (("image", table["image_id"]), ("mask", table["image_id"].map(self._hash_of_mask))):
            wrong += table.loc[names.str[:_DIGITS] != table[f"{kind}_hash"], kind].tolist()
        if wrong:
            raise MaskfoldError(
                f"{self._store}: {len(wrong)} files are not those that were stored, whose SHA-256 they are called by:\n"
                f"{listing(wrong)}\nPut the stored ones back; remove those below {self.folder}/{_COPIES}, which are "
                "copied again."
            )
        return table

    def _files(self, folder: str, names: Iterable[str]) -> list[str]:
        """Return where files of the store lie on this machine."""
        storage = open_storage(below(self._store, folder))
        paths, missing = [], []
        for name in names:
            try:
                paths.append(str(self._local(storage, folder, name)))
            except MaskfoldError as error:
                missing.append(error)
        if missing:
            raise MaskfoldError(
                f"{self._store}: {len(missing)} files that its ledger names cannot be had:\n{listing(missing)}\n"
                "Put them back: each is called by the SHA-256 of its bytes."
            )
        return paths

    def _local(self, storage: Storage, folder: str, name: str) -> Path:
        """Return a file on this machine; of an address a copy that stays, since every epoch reads it."""
        if not is_address(self._store):
            return storage.local(name)
        path = self.folder / _COPIES / folder / name
        if not path.is_file():
            files.write_bytes(path, storage.read(name))
        return path
