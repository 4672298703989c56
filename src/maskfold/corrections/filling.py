"""Put photos and masks into a store: files first, the rows of the ledger last."""

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from maskfold.corrections.decisions import Decision, LeftOut
from maskfold.corrections.judged_photos import Candidate, compare_with_judge
from maskfold.data.ledger import IMAGES, MASKS, RANKS, REJECTED, VERSIONS, WEIGHTS, Ledger, current
from maskfold.data.loading import read_image
from maskfold.data.source import Source
from maskfold.errors import MaskfoldError
from maskfold.parallel import map_unordered
from maskfold.review.record import encode_mask
from maskfold.storage import Storage, is_address

log = logging.getLogger(__name__)

# By how a file begins: the same bytes are called the same whatever they were called before.
_KINDS = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}
# Of the row of a photo that turned out to be one of the judge set's.
_REJECTION = {"mask": None, "source": REJECTED, "weight": WEIGHTS[REJECTED], "reviewer": "judge set"}
_REJECTION |= {"seconds": None, "pixels_changed": None}


class Prepared(NamedTuple):
    """A decision with what is stored of it.

    Attributes:
        decision: What was decided.
        photo: The name of the photo's file.
        mask: A PNG of 0 and 255; None where it is rejected.
        fault: Why the photo is left out, "" where it is not.
    """

    decision: Decision
    photo: str = ""
    mask: bytes | None = None
    fault: str = ""

    @property
    def mask_name(self) -> str | None:
        """The name of the mask's file."""
        return None if self.mask is None else f"{hashlib.sha256(self.mask).hexdigest()}.png"


@dataclass
class Filled:
    """What has become of some decisions.

    Attributes:
        rows: Of the ledger, as they were added.
        faults: What was left out, and why.
        known: How many say nothing new.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    faults: list[LeftOut] = field(default_factory=list)
    known: int = 0


def fill(
    decisions: Sequence[Decision],
    ledger: Ledger,
    storage: Storage,
    *,
    audit: Collection[str] = (),
    judge: Source | None = None,
    jobs: int = -1,
) -> Filled:
    """Add to a store what decisions say anew; the same ones again add nothing.

    Killed at any moment, the same call goes on: files count for nothing until the ledger names them, and those that are
    there are not written again.

    Args:
        decisions: One of each photo.
        ledger: The store's, which is begun.
        storage: The store.
        audit: Contents of photos that are drawn for an audit.
        judge: The judge set, none of whose near-copies and groups gets in; those that are in are rejected.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If the ledger cannot be read, or the store not be written.
    """
    before = {row.photo.partition(".")[0]: row for row in current(ledger.read()).itertuples()}
    filled = Filled()
    news = [one for one in decisions if _ranks_above(one, before.get(one.content))]
    filled.known = len(decisions) - len(news)
    allowed = news if judge is None else _without_judged(news, before, storage, judge, filled, jobs)
    for prepared in map_unordered(prepare, allowed, "add to the store", jobs=jobs):
        if prepared.fault:
            filled.faults.append(LeftOut(prepared.decision.image_id, prepared.fault))
        elif _says_nothing_new(prepared, before.get(prepared.decision.content)):
            filled.known += 1
        else:
            _write_files(prepared, storage)
            row = prepared.decision.row(prepared.photo, prepared.mask_name)
            filled.rows.append(row | {"audit": row.get("audit", False) or prepared.decision.content in audit})
    if filled.rows:
        ledger.add(pd.DataFrame(sorted(filled.rows, key=lambda row: row["photo"])))
    return filled


def prepare(decision: Decision) -> Prepared:
    """Look at a photo and its mask, and make of the mask what is stored."""
    try:
        photo = f"{decision.content}{_kind_of(decision)}"
        if decision.source == REJECTED:
            return Prepared(decision, photo)
        mask = decision.read_mask()
        size = read_image(decision.photo).shape[:2]
    except MaskfoldError as error:
        return Prepared(decision, fault=f"{error}")
    if mask.shape != size:
        sizes = " and ".join(f"{width}x{height}" for height, width in (mask.shape, size))
        return Prepared(decision, fault=f"mask and photo are of different sizes, {sizes} pixels")
    return Prepared(decision, photo, encode_mask(mask))


def _kind_of(decision: Decision) -> str:
    with decision.photo.open("rb") as file:
        start = file.read(4)
    kind = next((suffix for begin, suffix in _KINDS.items() if start.startswith(begin)), None)
    if kind is None:
        raise MaskfoldError(f"{decision.photo}: no photo of a kind that is known ({', '.join(_KINDS.values())})")
    return kind


def _ranks_above(decision: Decision, row: Any | None) -> bool:
    return row is None or decision.rank > (RANKS[row.source], row.made)


def _says_nothing_new(prepared: Prepared, row: Any | None) -> bool:
    """Tell whether a newer decision is that of before: routes that were made again say the same at another time."""
    if row is None or prepared.decision.source != row.source:
        return False
    return prepared.mask_name is not None and prepared.mask_name == row.mask


def _without_judged(
    decisions: Sequence[Decision], rows: Mapping[str, Any], storage: Storage, judge: Source, filled: Filled, jobs: int
) -> list[Decision]:
    """Return decisions but for those of photos that the judge set has too, or of its groups.

    What the store has of such photos already, since no judge set was named then, is rejected.

    Args:
        decisions: New ones, of a photo one each.
        rows: Of the ledger, by the photo's content, those that count now.
        storage: The store.
        judge: The judge set.
        filled: Where all of this is said.
        jobs: Processes.
    """
    new = {one.content: Candidate(one.content, one.photo, one.details.get("group")) for one in decisions}
    stored = _stored(rows, storage, filled.faults)
    compared = compare_with_judge((stored | new).values(), judge, jobs=jobs)
    barred = compared.judged | compared.unreadable
    filled.faults += [LeftOut(one.image_id, barred[one.content]) for one in decisions if one.content in barred]
    for content in sorted(stored.keys() & compared.judged.keys()):
        row = rows[content]
        filled.faults.append(LeftOut(row.image_id, f"{compared.judged[content]}: in the store before, now rejected"))
        filled.rows.append(row._asdict() | _REJECTION | {"made": pd.Timestamp.now("UTC")})
    return [one for one in decisions if one.content not in barred]


def _stored(rows: Mapping[str, Any], storage: Storage, faults: list[LeftOut]) -> dict[str, Candidate]:
    """Return the photos of a store that are learned from, by their content; one that is not there is named.

    Those at an address stay there: to fetch all of them each month would cost more than it tells.
    """
    stored, is_far = {}, is_address(storage.text)
    if is_far and rows:
        log.warning(
            "%s: of what is stored already, groups and bytes are compared with the judge set, but no near-copies are "
            "looked for at an address. To look, copy the store here and name it with STORE=.",
            storage.text,
        )
    for content, row in rows.items():
        if row.source == REJECTED:
            continue
        try:
            group = None if pd.isna(row.group) else row.group
            photo = None if is_far else storage.local(f"{IMAGES}/{row.photo}")
            stored[content] = Candidate(content, photo, group)
        except MaskfoldError as error:
            faults.append(LeftOut(row.image_id, f"{error}"))
    return stored


def _write_files(prepared: Prepared, storage: Storage) -> None:
    """Write photo and mask, and the mask by the photo's name."""
    if prepared.mask is None:
        return
    version, photo = f"{VERSIONS}/{prepared.mask_name}", f"{IMAGES}/{prepared.photo}"
    if not storage.exists(version):
        storage.write(version, prepared.mask)
    if not storage.exists(photo):
        storage.write(photo, prepared.decision.photo.read_bytes())
    storage.write(f"{MASKS}/{prepared.decision.content}.png", prepared.mask)
