"""Writing photos as shards, a folder a month: what is finished stays as it is, what a killed run has left is used."""

import hashlib
import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.data.ledger import below
from maskfold.data.table import CLASS_INDEX, MONTH
from maskfold.errors import MaskfoldError, listing
from maskfold.parallel import map_unordered
from maskfold.shards.layout import (
    CHUNK,
    CHUNKS,
    INDEX,
    NUMBER,
    TABLE,
    UNDATED,
    ChunkFacts,
    MonthManifest,
    faults,
    month_folder,
    read_manifest,
    sizes,
    sizes_so_far,
    table_bytes,
    write_json,
    write_manifest,
)
from maskfold.storage import FolderStorage, Storage, chunks, open_storage
from maskfold.terminal import counted, readable

log = logging.getLogger(__name__)

_LEFT_OUT = ["image", "mask", "mask_hash", "mask_area", CLASS_INDEX]  # paths, masks, and what belongs to the classes
_FORM = "1"  # of what is written: another one is other content


@dataclass(frozen=True)
class Written:
    """What has become of a month.

    Attributes:
        month: Which one.
        photos: How many it has.
        bytes: Of its chunks.
        chunks: How many it has.
        state: `kept`, where nothing was to be done; `written`; or `table`, where the photos were as before.
    """

    month: str
    photos: int
    bytes: int
    chunks: int
    state: str


@dataclass(frozen=True)
class PlannedChunk:
    """A chunk that is to be written: the path, the hash and the id of each photo."""

    name: str
    photos: list[tuple[str, str, str]]


def write_shards(
    table: pd.DataFrame, root: str, *, chunk_bytes: int, months: Iterable[str] = (), jobs: int = -1
) -> list[Written]:
    """Write the photos of an image table, month by month.

    Args:
        table: Checked, with `image_hash`; photos without a month become those of the month `undated`.
        root: The folder or address of the months' folders.
        chunk_bytes: The most bytes of a chunk, unless a single photo has more.
        months: Those to write; none for all.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If there is no photo of a month, a photo is not the one that was checked, what is written does
            not arrive, or a process is killed.
    """
    named = table[MONTH] if MONTH in table else pd.Series(pd.NA, index=table.index)
    of_month = named.fillna(UNDATED).astype("str")
    there, wanted = sorted({*of_month}), [*months]
    if not there:
        raise MaskfoldError(f"{root}: there are no photos to write. Name other data: data=... data.root=...")
    if missing := sorted({*wanted} - {*there}):
        raise MaskfoldError(f"months: no photos of {', '.join(missing)}; there are {', '.join(there)}.")
    how = {"chunk_bytes": chunk_bytes, "jobs": jobs}
    return [
        _write_month(table[of_month == month], month, open_storage(below(root, month_folder(month))), **how)
        for month in wanted or there
    ]


def _write_month(rows: pd.DataFrame, month: str, storage: Storage, *, chunk_bytes: int, jobs: int) -> Written:
    rows = rows.sort_values(["image_hash", "image_id"])  # as good as shuffled, and for ever the same
    plan = plan_chunks(rows, chunk_bytes)
    content = hashlib.sha256("\n".join([_FORM, *(chunk.name for chunk in plan)]).encode()).hexdigest()
    table = table_bytes(_placed(rows, plan))
    digest = hashlib.sha256(table).hexdigest()
    before, present = read_manifest(storage), sizes_so_far(storage)
    result = partial(Written, month, len(rows), chunks=len(plan))
    if before is not None and before.content == content and not faults(present, before):
        if before.table == digest:
            return result(before.bytes, state="kept")
        manifest, state = MonthManifest(content, digest, before.chunks), "table"
    else:
        manifest, state = MonthManifest(content, digest, _write_chunks(plan, storage, present, jobs=jobs)), "written"
        refuse_short(storage, manifest, photos=len(rows))
        listed = [
            {"filename": name, "chunk_size": facts.photos, "chunk_bytes": facts.bytes}
            for name, facts in manifest.chunks.items()
        ]
        write_json(storage, INDEX, chunks.index(listed, chunk_bytes=chunk_bytes))
    storage.write(TABLE, table)
    write_manifest(storage, manifest)
    _say_others(storage, manifest, present)
    return result(manifest.bytes, state=state)


def plan_chunks(rows: pd.DataFrame, chunk_bytes: int) -> list[PlannedChunk]:
    """Lay out chunks, each named by its number and by what is in it.

    Args:
        rows: Of the image table, in their order.
        chunk_bytes: The most bytes of one, unless a single photo has more.

    Raises:
        MaskfoldError: If a photo is not there.
    """
    photos = list(zip(rows["image"], rows["image_hash"], rows["image_id"], strict=True))
    taken = [chunks.size_in_chunk(_bytes_of(path), image_id) for path, _, image_id in photos]
    starts, filled = [0], 0
    for number, size in enumerate(taken):
        if number > starts[-1] and filled + size > chunk_bytes:
            starts.append(number)
            filled = 0
        filled += size
    return [_chunk(number, photos[start:end]) for number, (start, end) in enumerate(pairwise([*starts, len(photos)]))]


def _chunk(number: int, photos: list[tuple[str, str, str]]) -> PlannedChunk:
    inside = "\n".join(f"{content} {image_id}" for _, content, image_id in photos)
    return PlannedChunk(f"chunk-{number:05d}-{hashlib.sha256(inside.encode()).hexdigest()[:12]}.bin", photos)


def _bytes_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError as error:
        raise MaskfoldError(f"{path}: cannot be read: {error.strerror}. Put the photo back.") from error


def _placed(rows: pd.DataFrame, plan: list[PlannedChunk]) -> pd.DataFrame:
    """Return rows as the table has them: with the place of each photo, without its path."""
    counts = [len(chunk.photos) for chunk in plan]
    places = {
        CHUNK: np.repeat([chunk.name for chunk in plan], counts),
        NUMBER: np.concatenate([np.arange(count) for count in counts]),
    }
    return rows.drop(columns=_LEFT_OUT, errors="ignore").reset_index(drop=True).assign(**places)


def _write_chunks(
    plan: list[PlannedChunk], storage: Storage, present: dict[str, int], *, jobs: int
) -> dict[str, ChunkFacts]:
    """Write the chunks that are not there, and return what each is."""
    act = partial(write_chunk, storage=storage, present=present)
    done = dict(map_unordered(act, plan, f"shards {storage.text.rpartition('/')[2]}", unit="chunks", jobs=jobs))
    return {chunk.name: done[chunk.name] for chunk in plan if chunk.name in done}


def write_chunk(chunk: PlannedChunk, *, storage: Storage, present: dict[str, int]) -> tuple[str, ChunkFacts]:
    """Write a chunk that is not there yet, and look whether it has arrived; return its name and what it is.

    Raises:
        MaskfoldError: If a photo is not the one that was checked, or the chunk does not arrive.
    """
    content = chunks.pack([(_photo(path, expected), image_id) for path, expected, image_id in chunk.photos])
    facts = ChunkFacts(len(chunk.photos), len(content), hashlib.sha256(content).hexdigest())
    if present.get(chunk.name) != len(content):  # its name stands for what is in it, and it was whole when it came
        storage.write(chunk.name, content)
        if isinstance(storage, FolderStorage) and files.sha256(storage.local(chunk.name)) != facts.sha256:
            raise MaskfoldError(
                f"{storage.text}/{chunk.name}: is not what was written: the disk changes bytes. Take another one."
            )
    return chunk.name, facts


def _photo(path: str, expected: str) -> bytes:
    """Return a photo's bytes."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise MaskfoldError(f"{path}: cannot be read: {error.strerror}. Put the photo back.") from error
    if hashlib.sha256(content).hexdigest()[: len(expected)] != expected:
        raise MaskfoldError(f"{path}: has changed since the data were checked. Run the same command again.")
    return content


def refuse_short(storage: Storage, manifest: MonthManifest, *, photos: int) -> None:
    """Count what has arrived of a month.

    Raises:
        MaskfoldError: If a chunk is missing or cut short, or there are not so many photos.
    """
    wrong = faults(sizes(storage), manifest)
    if manifest.photos != photos:
        wrong.append(f"{manifest.photos} photos in the chunks instead of {photos}")
    if wrong or not photos:
        raise MaskfoldError(
            f"{storage.text}: what was written is not all there:\n{listing(wrong)}\n"
            "It is not marked as finished. Run the same command again."
        )


def _say_others(storage: Storage, manifest: MonthManifest, present: dict[str, int]) -> None:
    """Say which chunks of an earlier version of a month nothing names any more; a training may still read them."""
    others = [name for name in present if name.endswith(CHUNKS) and name not in manifest.chunks]
    if others:
        log.warning(
            "%s: %s of an earlier version, %s, which its table does not name any more:\n%s\nRemove them when no "
            "training reads them.",
            storage.text,
            counted(len(others), "chunk"),
            readable(sum(present[name] for name in others)),
            listing(others),
        )
