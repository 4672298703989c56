"""What has been decided of each photo: by a person who reviewed it, or by its shipping."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from maskfold.data.ledger import ACCEPTED, AUTO, CORRECTED, MANUAL, RANKS, REJECTED, WEIGHTS
from maskfold.data.loading import read_mask
from maskfold.data.source import Source
from maskfold.errors import MaskfoldError
from maskfold.quality.names import HALF, REVIEW, SHIP
from maskfold.quality.routes import ROUTES, mean_map, read_routes
from maskfold.review import record
from maskfold.review.record import REVIEWS, Review, ReviewFolder
from maskfold.storage import is_address, open_storage

_SOURCES = {record.CORRECTED: CORRECTED, record.ACCEPTED: ACCEPTED, record.REJECTED: REJECTED}


AUDIT = "audit"  # a folder beside routes, with routes of its own: some of what shipped, drawn by chance


def audit_path(routes: Path) -> Path:
    """Return where the routes of an audit lie, beside the routes that it is of."""
    return routes.parent / AUDIT / ROUTES


class LeftOut(NamedTuple):
    """Why a photo is left out."""

    image_id: str
    reason: str

    def __str__(self) -> str:
        return f"{self.image_id}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the mask of a photo is, and who says so.

    Attributes:
        image_id: What the photo is called where it comes from.
        photo: Its file, on this machine.
        content: 64 digits of the SHA-256 of its bytes.
        source: One of `maskfold.data.ledger.WEIGHTS`.
        made: When it was decided.
        mask: The file of the mask that a person has made; None for that of the maps, and where it is rejected.
        maps: The cell of the routes that names the maps.
        folder: What their paths are relative to.
        details: Other columns of the ledger.
    """

    image_id: str
    photo: Path
    content: str
    source: str
    made: pd.Timestamp
    mask: Path | None = None
    maps: str = ""
    folder: Path = Path()
    details: dict[str, Any]

    @property
    def rank(self) -> tuple[int, pd.Timestamp]:
        """Which of two decisions on a photo counts: the higher one."""
        return RANKS[self.source], self.made

    def read_mask(self) -> np.ndarray:
        """Return the mask, `(H, W) uint8`, 0 or 1.

        Raises:
            MaskfoldError: If its files cannot be read, or it is automatic and empty.
        """
        if self.mask is not None:
            return read_mask(self.mask)
        mask = (mean_map(self, self.folder) >= HALF).astype(np.uint8)
        if not mask.any():
            raise MaskfoldError("shipped with an empty mask")
        return mask

    def row(self, photo: str, mask: str | None) -> dict[str, Any]:
        """Return the row of the ledger.

        Args:
            photo: The name of the photo's file in the store.
            mask: That of the mask.
        """
        own = {"photo": photo, "mask": mask, "source": self.source, "weight": WEIGHTS[self.source]}
        return {**self.details, **own, "made": self.made, "image_id": self.image_id}


@dataclass
class Decided:
    """What was decided of the photos of a table of routes.

    Attributes:
        decisions: In the order of the rows, those of the audit behind them; of a photo there may be one of each.
        faults: Photos of which nobody can tell, and why.
        waiting: How many a person has still to look at.
    """

    decisions: list[Decision] = field(default_factory=list)
    faults: list[LeftOut] = field(default_factory=list)
    waiting: int = 0


def read_decisions(routes: Path) -> Decided:
    """Read what was decided of the photos of a table of routes, and of its audit: reviews lie beside either.

    Raises:
        MaskfoldError: If a table cannot be read.
    """
    decided = Decided()
    for path, audit in ((routes, False), (audit_path(routes), True)):
        if audit and not path.exists():
            break
        reviews = ReviewFolder(path.parent / REVIEWS)
        for row in read_routes(path, look_for_files=False).itertuples():
            try:
                decision = _decided(row, path.parent, reviews, audit=audit)
            except (MaskfoldError, OSError) as error:
                decided.faults.append(LeftOut(row.image_id, f"{error}"))
                continue
            if decision is not None:
                decided.decisions.append(decision)
            elif row.route == REVIEW:
                decided.waiting += not audit
    return decided


def labelled(source: Source, *, jobs: int = -1) -> Iterator[Decision]:
    """Yield the labelled photos of a data set, whose masks somebody has made by hand.

    Args:
        source: The data; of one class.
        jobs: Processes that check it.

    Raises:
        MaskfoldError: If the data cannot be used, or is of several classes.
    """
    if source.classes:
        raise MaskfoldError(f"data {source.name}: a store is of masks of one object, and this data of several classes.")
    table = source.load(jobs=jobs)
    for row in table[table["split"] == "train"].itertuples():
        photo, mask = Path(row.image), Path(row.mask)
        details = {"group": row.group, "cluster": getattr(row, "cluster", None)}
        made = pd.Timestamp(mask.stat().st_mtime, unit="s", tz="UTC")
        yield Decision(
            image_id=row.image_id,
            photo=photo,
            content=_content(photo),
            source=MANUAL,
            made=made,
            mask=mask,
            details=details,
        )


def newest(decisions: Iterable[Decision]) -> list[Decision]:
    """Return of the decisions on each photo the one that counts."""
    counting: dict[str, Decision] = {}
    for decision in decisions:
        other = counting.get(decision.content)
        if other is None or decision.rank > other.rank:
            counting[decision.content] = decision
    return [*counting.values()]


def _decided(row: Any, folder: Path, reviews: ReviewFolder, *, audit: bool) -> Decision | None:
    review = reviews.review(row.image_id)
    if review is None and reviews.record_path(row.image_id).exists():
        raise MaskfoldError("its mask is not the one that the review was kept with; review it again")
    if review is None and row.route != SHIP:
        return None
    photo = local_photo(row.photo, folder)
    content = _content(photo)
    known = [row.photo_hash] if review is None else [row.photo_hash, review.photo_hash]
    if any(not pd.isna(digits) and not content.startswith(digits) for digits in known):
        raise MaskfoldError("another photo than the one that was routed: it was replaced since")
    details = {name: None if pd.isna(getattr(row, name)) else getattr(row, name) for name in ("group", "cluster")}
    details |= {"model": row.model, "score": row.score, "audit": audit}
    at = {"image_id": row.image_id, "photo": photo, "content": content, "maps": row.maps, "folder": folder}
    if review is None:
        return Decision(**at, source=AUTO, made=time_of(row.made), details=details)
    return Decision(
        **at,
        source=_SOURCES[review.decision],
        made=time_of(review.made),
        mask=None if review.decision == record.REJECTED else reviews.mask_path(row.image_id),
        details=details | _by(review),
    )


def _by(review: Review) -> dict[str, Any]:
    return {name: getattr(review, name) for name in ("reviewer", "seconds", "pixels_changed")}


def local_photo(name: str, folder: Path) -> Path:
    """Return the file of a photo on this machine.

    Args:
        name: As the routes have it: relative, absolute, or an address.
        folder: What it is relative to.

    Raises:
        MaskfoldError: If it cannot be fetched.
    """
    if not is_address(name):
        return folder / name
    place, _, file = name.rpartition("/")
    return open_storage(place).local(file)


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def time_of(text: str) -> pd.Timestamp:
    """Return a time of ISO 8601; without a zone it is UTC.

    Raises:
        MaskfoldError: If it is none.
    """
    try:
        time = pd.Timestamp(text)
    except ValueError as error:
        raise MaskfoldError(f"made={text!r}, which is no time") from error
    if pd.isna(time):
        raise MaskfoldError(f"made={text!r}, which is no time")
    return time.tz_localize("UTC") if time.tz is None else time.tz_convert("UTC")
