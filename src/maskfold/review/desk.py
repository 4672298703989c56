"""What there is to review, and what becomes of it: everything behind the screen but HTTP."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.quality.routes import REVIEW, ROUTE_NAMES, read_routes
from maskfold.review.leases import Leases
from maskfold.review.record import ACCEPTED, CORRECTED, REJECTED, REVIEWS, Draft, Review, ReviewFolder
from maskfold.review.shown import MEAN, ShownPhoto, prepare

HALF = 128
WORST, LISTED = ORDERS = ("worst", "listed")
ALL = "all"
_KEPT = 4  # photos whose masks stay in memory: this one, the one before, and those that are fetched ahead
_PNG = b"\x89PNG\r\n\x1a\n"


class UnknownPhotoError(MaskfoldError):
    """A name that is none of the table's."""


class ConflictError(MaskfoldError):
    """What a tab asks for is not its to have any more.

    Attributes:
        kind: `held`, where another tab has the photo open, or `changed`, where its files are others by now.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a tab sends with a mask.

    Attributes:
        image_id: The photo's.
        tab: What the tab calls itself.
        seconds: That the photo was looked at.
        actions: That it took.
        began_from: The key of the proposal that it was made from.
        photo_hash: Of the photo that the tab shows.
        base_hash: Of the mask that the tab began with.
    """

    image_id: str
    tab: str
    seconds: float
    actions: int
    began_from: str
    photo_hash: str
    base_hash: str


class ReviewDesk:
    """The photos of a table of routes, the worst first, with their reviews."""

    def __init__(
        self,
        routes: Path,
        *,
        reviewer: str,
        show: str = REVIEW,
        order: str = WORST,
        threshold: int = HALF,
        leases: Leases | None = None,
    ) -> None:
        """Read a table of routes.

        Args:
            routes: The file.
            reviewer: Who looks.
            show: Photos of which route; `all` for every one.
            order: `worst` first, by score, those without one before all others; or as `listed`.
            threshold: Of 255; at or above is object.
            leases: Who has what open.

        Raises:
            MaskfoldError: If the table cannot be read, or there is nothing to show.
        """
        for key, value, words in (("show", show, (*ROUTE_NAMES, ALL)), ("order", order, ORDERS)):
            if value not in words:
                raise MaskfoldError(f"{key}={value}: give one of {', '.join(words)}.")
        table = read_routes(routes, look_for_files=False)
        table = table if show == ALL else table[table["route"] == show]
        if table.empty:
            raise MaskfoldError(f"{routes}: no photo has the route {show}. There is nothing to do, or give show=all.")
        if order == WORST:
            table = table.sort_values("score", kind="stable", na_position="first")
        self.folder = routes.absolute().parent
        self.reviews = ReviewFolder(self.folder / REVIEWS)
        self.leases = leases or Leases()
        self._rows = {row.image_id: row for row in table.itertuples()}
        self._reviewer, self._threshold = reviewer, threshold
        self._done = {key: review for key, review in self.reviews.reviews().items() if key in self._rows}
        self._shown: OrderedDict[str, ShownPhoto] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def done(self) -> int:
        """How many photos are decided."""
        return len(self._done)

    def listing(self, tab: str) -> dict[str, Any]:
        """Return a row for each photo in the order of work, how many are done, and the mean seconds of these."""
        with self._lock:
            times = [review.seconds for review in self._done.values()]
            photos = [self._line(row, tab) for row in self._rows.values()]
            return {"photos": photos, "done": len(times), "seconds": sum(times) / len(times) if times else None}

    def next_of(self, tab: str, after: str | None) -> str | None:
        """Return the next photo to do that no other tab has open, from the top once the end is reached.

        Args:
            tab: Who asks.
            after: Where to begin; None for the top.
        """
        with self._lock:
            names = [*self._rows]
            start = names.index(after) + 1 if after in self._rows else 0
            todo = [name for name in names[start:] + names[:start] if name not in self._done]
            return next((name for name in todo if self.leases.holder(name) in (None, tab)), None)

    def open(self, image_id: str, tab: str, *, over: bool) -> dict[str, Any]:
        """Give a photo to a tab, with all that is known of it but pixels.

        Args:
            image_id: The photo's.
            tab: Who asks.
            over: Take it over from another tab.

        Raises:
            UnknownPhotoError: If the table has none of this name.
            ConflictError: If another tab has it open.
            MaskfoldError: If it cannot be shown.
        """
        with self._lock:
            self._row(image_id)
            if not self.leases.take(image_id, tab, over=over):
                raise ConflictError("held", f"{image_id} is open in another tab or window.")
            return self._about(self.shown(image_id, anew=True), tab)

    def beat(self, image_id: str, tab: str) -> None:
        """Hear that a tab still has a photo open.

        Raises:
            UnknownPhotoError: If the table has none of this name.
            ConflictError: If another tab has taken it over.
        """
        self._row(image_id)
        if not self.leases.take(image_id, tab):
            raise ConflictError("held", f"{image_id} was taken over by another tab or window.")

    def shown(self, image_id: str, *, anew: bool = False) -> ShownPhoto:
        """Return a photo with its proposals; the last few are remembered.

        Args:
            image_id: The photo's.
            anew: Read its files again.

        Raises:
            UnknownPhotoError: If the table has none of this name.
            MaskfoldError: If it cannot be shown.
        """
        with self._lock:
            row = self._row(image_id)
            if anew or image_id not in self._shown:
                self._shown[image_id] = prepare(row, self.folder, threshold=self._threshold)
            self._shown.move_to_end(image_id)
            while len(self._shown) > _KEPT:
                self._shown.popitem(last=False)
            return self._shown[image_id]

    def mask(self, image_id: str, key: str) -> np.ndarray:
        """Return a proposal, or the mask to go on with, `current`: the draft's, the review's, or the mean's.

        Raises:
            UnknownPhotoError: If the table has no such photo, or the photo no such proposal.
            MaskfoldError: If it cannot be read.
        """
        with self._lock:
            shown = self.shown(image_id)
            if key != "current":
                if key not in shown.proposals:
                    raise UnknownPhotoError(f"{image_id} has no proposal {key!r}.")
                return shown.proposals[key].mask
            return self._kept(shown)[1]

    def save_draft(self, work: Work, content: bytes) -> str:
        """Keep the mask of a review under way; return when, in ISO 8601.

        Args:
            work: What belongs to it.
            content: A PNG.

        Raises:
            MaskfoldError: As `save`.
        """
        with self._lock:
            shown = self._vetted(work)
            mask = decode_mask(content, shown.size)
            hashes = {"photo_hash": shown.photo_hash, "base_hash": shown.base_hash, "mask_hash": ""}
            draft = Draft(**self._common(work, shown), **hashes)
            self.reviews.write_draft(draft, mask)
            return draft.made

    def save(self, work: Work, content: bytes | None) -> Review:
        """Keep a decision: corrected where the mask differs from the mean's, accepted where not, rejected without one.

        Raises:
            UnknownPhotoError: If the table has no such photo.
            ConflictError: If another tab has it open, or the photo or its maps have changed since it was opened.
            MaskfoldError: If the mask is none, or it cannot be written.
        """
        with self._lock:
            shown = self._vetted(work)
            mask = None if content is None else decode_mask(content, shown.size)
            changed = 0 if mask is None else int(np.count_nonzero(mask != shown.proposals[MEAN].mask))
            decision = REJECTED if mask is None else CORRECTED if changed else ACCEPTED
            judged = {"decision": decision, "pixels_changed": changed, "reviewer": self._reviewer, "mask_hash": None}
            review = Review(**self._common(work, shown), **judged, photo_hash=shown.photo_hash)
            self._done[work.image_id] = self.reviews.write(review, mask)
            return self._done[work.image_id]

    def _row(self, image_id: str) -> Any:
        if image_id not in self._rows:
            raise UnknownPhotoError(f"{image_id!r}: no photo of this table.")
        return self._rows[image_id]

    def _line(self, row: Any, tab: str) -> dict[str, Any]:
        review = self._done.get(row.image_id)
        facts = {key: _plain(getattr(row, key)) for key in ("image_id", "score", "iou", "cluster", "route", "reason")}
        held = self.leases.holder(row.image_id) not in (None, tab)
        return facts | {"decision": review and review.decision, "held": held}

    def _about(self, shown: ShownPhoto, tab: str) -> dict[str, Any]:
        began_from, _, seconds, actions, made = self._kept(shown)
        height, width = shown.size
        proposals = [{"key": one.key, "name": one.name} for one in shown.proposals.values()]
        return self._line(self._row(shown.image_id), tab) | {
            "width": width,
            "height": height,
            "photo_hash": shown.photo_hash,
            "base_hash": shown.base_hash,
            "proposals": proposals,
            "areas": shown.areas,
            "began_from": next((one["key"] for one in proposals if one["name"] == began_from), MEAN),
            "seconds": seconds,
            "actions": actions,
            "made": made,
        }

    def _kept(self, shown: ShownPhoto) -> tuple[str, np.ndarray, float, int, str | None]:
        """Return what a photo's mask began from, the mask, seconds and actions so far, and when it was kept."""
        kept = self.reviews.draft(shown.image_id)
        if kept and (kept[0].photo_hash, kept[0].base_hash) == (shown.photo_hash, shown.base_hash):
            draft, mask = kept
            return draft.began_from, mask, draft.seconds, draft.actions, draft.made
        review = self.reviews.review(shown.image_id)
        if review and review.photo_hash == shown.photo_hash:
            mask = shown.proposals[MEAN].mask if review.decision == REJECTED else self.reviews.mask(shown.image_id)
            if mask.shape == shown.size:
                return review.began_from, mask, review.seconds, review.actions, review.made
        return MEAN, shown.proposals[MEAN].mask, 0.0, 0, None

    def _vetted(self, work: Work) -> ShownPhoto:
        """Return the photo as its files are now, if it is still the one that the tab shows."""
        self.beat(work.image_id, work.tab)
        shown = self.shown(work.image_id, anew=True)
        for word, one, other in (
            ("photo has", work.photo_hash, shown.photo_hash),
            ("maps have", work.base_hash, shown.base_hash),
        ):
            if one != other:
                raise ConflictError(
                    "changed",
                    f"{work.image_id}: its {word} been replaced since it was opened, so this mask is of another one "
                    "and was not saved. Reload the page, and look at it anew.",
                )
        return shown

    def _common(self, work: Work, shown: ShownPhoto) -> dict[str, Any]:
        made = datetime.now(UTC).isoformat(timespec="milliseconds")
        began_from = shown.named(work.began_from)
        seconds = round(work.seconds, 1)
        return {
            "image_id": work.image_id,
            "seconds": seconds,
            "actions": work.actions,
            "began_from": began_from,
            "made": made,
        }


def decode_mask(content: bytes, size: tuple[int, int]) -> np.ndarray:
    """Return the mask of a PNG that a browser has sent, `(H, W) uint8`, 0 or 1.

    Args:
        content: The PNG.
        size: Height and width that it must have, which its header is asked for before anything is decoded.

    Raises:
        MaskfoldError: If it is no PNG, of another size, or has more than black and white.
    """
    if not content.startswith(_PNG) or content[12:16] != b"IHDR":
        raise MaskfoldError("The mask is no PNG; nothing was saved.")
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
    if (height, width) != size:
        raise MaskfoldError(f"The mask is {width}x{height}, its photo {size[1]}x{size[0]}; nothing was saved.")
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape != size or not np.isin(pixels, (0, 255)).all():
        raise MaskfoldError("The mask is damaged, or has more than black and white; nothing was saved.")
    return (pixels != 0).view(np.uint8)


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else value
