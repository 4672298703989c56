"""Masks of every kind made into arrays, once: what each was made of is kept, and it is made anew when that changes."""

import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskfold import arrays
from maskfold.data.checks import stamps
from maskfold.data.folders import Stray
from maskfold.data.mask_kinds import Index, Item, MaskKind, digest
from maskfold.data.mask_record import MASKS, Made, MaskRecord, mask_path
from maskfold.data.windows import LARGE, is_large
from maskfold.errors import MaskfoldError
from maskfold.files import is_held, locked, write_bytes
from maskfold.masks.planes import joined
from maskfold.parallel import map_unordered

_KEEP_EVERY_S = 30  # seconds of work that a kill may lose
_WAIT_S = 24 * 3600  # for another run that makes the same masks

_log = logging.getLogger(__name__)


class Converted(NamedTuple):
    """What there is of labels, and what is wrong with them; see `maskfold.data.mask_kinds.Index`.

    Attributes:
        present: The classes that a photo's mask has pixels of, as text, by image_id.
        faults: Why there is no mask, by image_id.
        orphans: As of the index.
        strays: As of the index.
    """

    present: dict[str, str]
    faults: dict[str, str]
    orphans: list[str]
    strays: list[Stray]


class _Done(NamedTuple):
    """A mask that has been looked at: how it was made, or why there is none."""

    image_id: str
    made: Made | None
    fault: str


def convert(photos: pd.DataFrame, kind: MaskKind, *, folder: Path, jobs: int = -1) -> Converted:
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
    record = MaskRecord(folder)
    if index is None and record.clean == digest(seen) and not record.to_do(seen):
        return Converted(record.present(seen), {}, [], [])
    index = kind.index(photos) if index is None else index
    faults = dict(index.faults)
    wanted = {image_id: mark for image_id, mark in seen.items() if image_id not in faults}
    if faults or record.to_do(wanted):
        if is_held(folder / MASKS):
            _log.info("%s: another run makes these masks; waiting for it.", folder / MASKS)
        with locked(folder / MASKS, wait=_WAIT_S):
            for image_id in index.faults:
                mask_path(folder, image_id).unlink(missing_ok=True)
            record = MaskRecord(folder)  # another run may have made some
            images = dict(zip(photos["image_id"].tolist(), photos["image"].tolist(), strict=True))
            faults |= _make(images, wanted, kind, index, record, jobs)
    is_clean = not (faults or index.orphans or index.strays)
    _remember(folder, digest(seen) if is_clean else "")
    return Converted(record.present(wanted), faults, index.orphans, index.strays)


def _make(
    images: Mapping[str, str], wanted: Mapping[str, str], kind: MaskKind, index: Index, record: MaskRecord, jobs: int
) -> dict[str, str]:
    """Make masks and return what is wrong; what is made is remembered now and then, and when the run is stopped."""
    faults, due = {}, time.monotonic() + _KEEP_EVERY_S
    by_size: dict[bool, list[tuple[Item, str, Made | None]]] = {False: [], True: []}
    for image_id, made in record.to_do(wanted).items():
        item = Item(image_id, images[image_id], index.parts[image_id])
        by_size[_is_large(kind, item)].append((item, wanted[image_id], made))
    # Of the very large ones each fills memory by itself: one at a time.
    passes = [("convert masks", by_size[False], jobs), ("convert very large masks", by_size[True], 1)]
    make = partial(map_unordered, partial(_convert_one, kind=kind, folder=record.folder), unit="masks")
    try:
        for done in chain.from_iterable(make(some, name, jobs=count) for name, some, count in passes if some):
            if done.made is None:
                record.made.pop(done.image_id, None)
                faults[done.image_id] = done.fault
            else:
                record.made[done.image_id] = done.made
            if time.monotonic() >= due:
                record.write()
                due = time.monotonic() + _KEEP_EVERY_S
    finally:
        with suppress(MaskfoldError):  # without it they are made once more
            record.write()
    return faults


def _is_large(kind: MaskKind, item: Item) -> bool:
    """Tell whether a mask is of a very large photo; no header is read where none may be."""
    if kind.max_pixels <= LARGE:
        return False
    try:
        return is_large(*kind.size_of(item.photo))
    except MaskfoldError:  # which drawing says
        return False


def _convert_one(job: tuple[Item, str, Made | None], *, kind: MaskKind, folder: Path) -> _Done:
    """Make one mask, unless it is known to be made of the same."""
    item, seen, before = job
    path = mask_path(folder, item.image_id)
    try:
        origin = kind.origin(item)
        if before is not None and before.origin == origin:
            return _Done(item.image_id, before._replace(seen=seen), "")
        mask = kind.draw(item)
    except MaskfoldError as error:
        path.unlink(missing_ok=True)
        return _Done(item.image_id, None, str(error))
    write_bytes(path, arrays.encode(joined(mask)))
    present = ", ".join(name for name, plane in zip(kind.planes, mask, strict=True) if plane.any())
    stat = os.stat(path)
    return _Done(item.image_id, Made(seen, origin, present, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)), "")


def _seen(photos: pd.DataFrame, kind: MaskKind, index: Index | None) -> dict[str, str]:
    """Return a mark of every photo that is another when a file of its mask, or how it is read, is another."""
    common = digest([repr(kind), _stamps_of([str(path) for path in kind.shared])])
    ids, images = photos["image_id"].tolist(), _stamps_of(photos["image"].tolist())
    if index is None:
        return {image_id: digest([common, image]) for image_id, image in zip(ids, images, strict=True)}
    files = {image_id: [path for path in index.parts.get(image_id, ()) if path] for image_id in ids}
    known = iter(_stamps_of([path for paths in files.values() for path in paths]))
    own = {image_id: [(path, next(known)) for path in paths] for image_id, paths in files.items()}
    return {image_id: digest([common, image, own[image_id]]) for image_id, image in zip(ids, images, strict=True)}


def _stamps_of(paths: list[str]) -> list[list[int]]:
    return stamps(pd.Series(paths, dtype="str")).tolist()


def _remember(folder: Path, clean: str) -> None:
    """Remember that nothing was wrong, so that the next start need not read the labels to know."""
    with suppress(MaskfoldError):  # a folder that cannot be written to costs time alone
        if MaskRecord(folder).clean != clean:
            with locked(folder / MASKS):
                MaskRecord(folder).write(clean=clean)
