"""What lies in the folder of shards of one month, and when it is whole.

`chunk-<number>-<content>.bin` hold the photos' own bytes; `index.json` is LitData's; `table.parquet` has the image
table's rows, each with the place of its photo; `manifest.json`, written last, says what all of it should be. A month
without one is not finished.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.files import check_inside
from maskfold.storage import FolderStorage, Storage

INDEX, TABLE, MANIFEST = "index.json", "table.parquet", "manifest.json"
UNDATED = "undated"  # the month of photos without one
CHUNK, NUMBER = "chunk", "number"  # columns of the table: where in the folder a photo is
CHUNKS = (".bin",)


@dataclass(frozen=True)
class ChunkFacts:
    """What a chunk should be: its photos, its bytes, and their SHA-256."""

    photos: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class MonthManifest:
    """What a month's folder should be.

    Attributes:
        content: What tells its photos from others.
        table: The SHA-256 of `table.parquet`.
        chunks: By name, in the order of their numbers.
    """

    content: str
    table: str
    chunks: Mapping[str, ChunkFacts]

    @property
    def photos(self) -> int:
        """How many there are."""
        return sum(chunk.photos for chunk in self.chunks.values())

    @property
    def bytes(self) -> int:
        """Of all chunks."""
        return sum(chunk.bytes for chunk in self.chunks.values())


def month_folder(month: str) -> str:
    """Return the name of a month's folder.

    Raises:
        MaskfoldError: If no folder can be called so.
    """
    if "/" in check_inside(month, what="month") or month.startswith("."):
        raise MaskfoldError(f"month={month}: becomes the name of a folder. Give months such as 2026-03.")
    return month


def read_manifest(storage: Storage) -> MonthManifest | None:
    """Return the manifest of a month, whose folder is given; None where it is not finished.

    Raises:
        MaskfoldError: If it is damaged, or cannot be read.
    """
    if not storage.exists(MANIFEST):
        return None
    try:
        content = json.loads(storage.read(MANIFEST))
        chunks = {
            check_inside(str(chunk), what=MANIFEST): ChunkFacts(
                int(facts["photos"]), int(facts["bytes"]), facts["sha256"]
            )
            for chunk, facts in content["chunks"].items()
        }
        return MonthManifest(str(content["content"]), str(content["table"]), chunks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MaskfoldError(
            f"{storage.text}/{MANIFEST}: damaged ({error}). Remove it, then run the same make shards again."
        ) from error


def write_manifest(storage: Storage, manifest: MonthManifest) -> None:
    """Write the manifest of a month, all of whose other files are there."""
    write_json(storage, MANIFEST, asdict(manifest))


def write_json(storage: Storage, name: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file."""
    storage.write(name, (json.dumps(content, indent=1) + "\n").encode())


def table_bytes(rows: pd.DataFrame) -> bytes:
    """Return a month's table as a file."""
    content = io.BytesIO()
    rows.to_parquet(content, index=False)
    return content.getvalue()


def read_table(storage: Storage, manifest: MonthManifest) -> pd.DataFrame:
    """Return a month's table.

    Raises:
        MaskfoldError: If it is not the one that the manifest names, or its photos are not in the chunks of that.
    """
    name = f"{storage.text}/{TABLE}"
    content = storage.read(TABLE)
    if hashlib.sha256(content).hexdigest() != manifest.table:
        raise MaskfoldError(f"{name}: not the table that {MANIFEST} names. Run the same make shards again.")
    rows = pd.read_parquet(io.BytesIO(content))
    counts = rows[CHUNK].value_counts().to_dict()
    if counts != {chunk: facts.photos for chunk, facts in manifest.chunks.items()}:
        raise MaskfoldError(f"{name}: its rows are not the photos of {MANIFEST}. Run the same make shards again.")
    return rows


def sizes(storage: Storage) -> dict[str, int]:
    """Return the bytes of each file below; none where there is no such folder yet.

    Raises:
        MaskfoldError: If it may not be read, or there is nothing at an address.
    """
    if isinstance(storage, FolderStorage) and not storage.folder.exists():
        return {}
    return {stored.name: stored.size for stored in storage.items()}


def sizes_so_far(storage: Storage) -> dict[str, int]:
    """Return the same of what is about to be written; of an address at which there is nothing, none."""
    try:
        return sizes(storage)
    except MaskfoldError as error:
        if isinstance(error.__cause__, FileNotFoundError):  # also of a bucket that is missing: writing will say so
            return {}
        raise


def faults(present: Mapping[str, int], manifest: MonthManifest) -> list[str]:
    """Return which of a month's chunks are missing, or cut short.

    Args:
        present: The bytes of each file in its folder.
        manifest: What should be there.
    """
    wrong = []
    for chunk, facts in manifest.chunks.items():
        size = present.get(chunk)
        if size is None:
            wrong.append(f"{chunk}: missing")
        elif size != facts.bytes:
            wrong.append(f"{chunk}: {size:,} bytes instead of {facts.bytes:,}")
    return wrong
