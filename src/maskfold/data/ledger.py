"""A store of photos with their masks, and its ledger: who said of which photo what its mask is, and when.

A store is a folder or an address:

- `images/<photo>` and `versions/<mask>`: photos and masks, named by the SHA-256 of their bytes; none is ever changed;
- `masks/<photo's name>.png`: the mask of each photo that counts now, so that the folder is one of `pairs` as well;
- `ledger/<time>-<hash>.parquet`: what was added at that time. A file that nothing is appended to can be added to an
  object store, and by two writers at once; `pandas.read_parquet("store/ledger")` reads all of them as one table;
- `snapshots/<month>.parquet`: see `maskfold.data.snapshots`.
"""

import hashlib
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.storage import is_address, open_storage

IMAGES, VERSIONS, MASKS, LEDGER, SNAPSHOTS = "images", "versions", "masks", "ledger", "snapshots"

AUTO, ACCEPTED, CORRECTED, MANUAL, REJECTED = "auto", "accepted", "corrected", "manual", "rejected"
WEIGHTS = {AUTO: 0.5, ACCEPTED: 1.0, CORRECTED: 1.0, MANUAL: 1.0, REJECTED: 0.0}  # in the loss, by source
RANKS = {AUTO: 0, MANUAL: 1, ACCEPTED: 2, CORRECTED: 2, REJECTED: 2}  # who is believed; of one rank the newest

_TYPES = {
    "photo": "str",
    "mask": "str",
    "source": "str",
    "model": "str",
    "score": "float64",
    "cluster": "str",
    "group": "str",
    "reviewer": "str",
    "seconds": "float64",
    "pixels_changed": "float64",
    "weight": "float64",
    "made": "datetime64[us, UTC]",
    "audit": "bool",
    "image_id": "str",
}
COLUMNS = list(_TYPES)

_BEGUN = "00000000T000000Z-begun.parquet"  # no rows: there is a store here
_TIME = "%Y%m%dT%H%M%SZ"


class Ledger:
    """The ledger of a store.

    A row: `photo` and `mask`, names of files (no mask where it is rejected); `source`, one of `WEIGHTS`; `model`, whose
    mask it was; `score`, its quality by that; `cluster` and `group`, missing where nobody knows them; `reviewer`, the
    `seconds` that it took and the `pixels_changed`; `weight` in the loss; `made`, when it was decided; `audit`, whether
    the photo was drawn to be looked at; `image_id`, what it was called.
    """

    def __init__(self, store: str) -> None:
        """Open a ledger, in which nothing need be yet.

        Args:
            store: The folder or address.
        """
        self.store = store
        self._parts = open_storage(below(store, LEDGER))

    def read(self, *, until: datetime | None = None) -> pd.DataFrame:
        """Return all rows in the order they were added.

        Args:
            until: Leave out what was added at this time or later.

        Raises:
            MaskfoldError: If there is no store, or a part cannot be read.
        """
        if not self._parts.exists(_BEGUN):
            raise MaskfoldError(f"{self.store}: no store here. `make store ROUTES=<routes.parquet>` begins one.")
        end = "99991231" if until is None else until.astimezone(UTC).strftime(_TIME)
        names = [part.name for part in self._parts.items((".parquet",)) if part.name[:16] < end]
        parts = [_parsed(self._parts.read(name), f"{self._parts.text}/{name}") for name in names if name != _BEGUN]
        # Two writers at once may have added the same.
        return typed(pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True) if parts else [])

    def begin(self) -> pd.DataFrame:
        """Return all rows; none of a store that is begun now."""
        if not self._parts.exists(_BEGUN):
            self._parts.write(_BEGUN, _bytes_of(typed([])))
        return self.read()

    def add(self, rows: pd.DataFrame) -> None:
        """Add rows, all or none; the files they name are there already.

        Raises:
            MaskfoldError: If they cannot be written.
        """
        content = _bytes_of(typed(rows))
        digest = hashlib.sha256(content).hexdigest()[:12]
        self._parts.write(f"{datetime.now(UTC).strftime(_TIME)}-{digest}.parquet", content)


def current(rows: pd.DataFrame) -> pd.DataFrame:
    """Return of a ledger's rows the one of each photo that counts, in the order of the photos.

    Reviews stand above masks that came labelled, and these above automatic ones; of several the newest counts.

    Args:
        rows: Of the ledger, as they were added.
    """
    ranked = rows.assign(rank=rows["source"].map(RANKS)).sort_values(["rank", "made"], kind="stable")
    newest = ranked.drop_duplicates("photo", keep="last")
    return newest.drop(columns="rank").sort_values("photo", ignore_index=True)


def training_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return of a ledger's rows those that are learned from: one of each photo, without the rejected ones."""
    newest = current(rows)
    return newest[newest["source"] != REJECTED].reset_index(drop=True)


def counts_of(rows: pd.DataFrame) -> dict[str, int]:
    """Return how many rows there are of each source, those that there are none of too."""
    counts = rows["source"].value_counts()
    return {source: int(counts.get(source, 0)) for source in WEIGHTS}


def ledger_counts(store: str) -> dict[str, int]:
    """Return how many photos of a store have their mask from which source: what a provenance card says.

    Returns:
        `auto, accepted, corrected, manual`, and `rejected`, of which nothing is learned.

    Raises:
        MaskfoldError: If there is no store, or it cannot be read.
    """
    return counts_of(current(Ledger(store).read()))


def typed(rows: list[Mapping[str, object]] | pd.DataFrame) -> pd.DataFrame:
    """Return rows with the columns and types of the ledger."""
    return pd.DataFrame(rows, columns=COLUMNS).astype(_TYPES)


def below(store: str, name: str) -> str:
    """Return the folder or address of what lies in a store."""
    return f"{store.rstrip('/')}/{name}" if is_address(store) else str(Path(store) / name)


def _bytes_of(rows: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.to_parquet(content, index=False)
    return content.getvalue()


def _parsed(content: bytes, name: str) -> pd.DataFrame:
    """Read a part, which may come from another machine.

    Raises:
        MaskfoldError: If it is none.
    """
    try:
        rows = pd.read_parquet(io.BytesIO(content))
        missing = [column for column in COLUMNS if column not in rows]
        if missing:
            raise ValueError(f"no column {', '.join(missing)}")
        rows = rows[COLUMNS].astype({"photo": "str", "mask": "str"})
    except (OSError, ValueError, TypeError) as error:  # pyarrow's errors are of these kinds
        reason = " ".join(f"{error}".split())
        raise MaskfoldError(f"{name}: damaged, or no part of a ledger ({reason}). Put back a copy.") from error
    names = pd.concat([rows["photo"], rows.loc[rows["source"] != REJECTED, "mask"]])
    wrong = [*rows.loc[~rows["source"].isin(WEIGHTS), "source"], *names[~names.str.fullmatch(FILE_NAME)]]
    if wrong:
        raise MaskfoldError(f"{name}: {wrong[0]!r} is no source, or no name of a photo or mask. Put back a copy.")
    return rows


FILE_NAME = r"[0-9a-f]{64}\.[a-z]{3,4}"  # of a photo or mask: the SHA-256 of its bytes, and what kind of file it is
