"""What is kept of a review: the decision on a photo with the mask it ended with, and the draft of one under way.

A folder holds `<image_id>.png` (0 and 255, the photo's own size) and `<image_id>.json` of what is decided, and
`<image_id>.draft.png` and `.draft.json` of what is not yet. The JSON is written after its PNG and names its hash: a
kill between the two leaves a review that counts as not done, whose draft is still there.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from maskfold import files
from maskfold.data.loading import read_mask
from maskfold.errors import MaskfoldError

REVIEWS = "reviews"  # beside a table of routes
CORRECTED, ACCEPTED, REJECTED = "corrected", "accepted", "rejected"
DECISIONS = (CORRECTED, ACCEPTED, REJECTED)

_DRAFT = ".draft"
_DIGITS = 32  # of a hash, as those of the image table
_Kept = TypeVar("_Kept", "Review", "Draft")


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a person has decided about the mask of a photo.

    Attributes:
        image_id: The photo's.
        decision: One of `DECISIONS`: the mask was changed, was right as it was, or no mask can be had of the photo.
        seconds: That the person has looked at it.
        pixels_changed: Pixels in which the mask differs from the one that the ensemble gave.
        reviewer: Who it was.
        began_from: The proposal that the mask was made from: `mean`, `hull`, `filled`, or a member.
        photo_hash: 32 digits of the SHA-256 of the photo's bytes.
        mask_hash: The same of the mask's PNG; None where it is rejected, of which no mask is kept.
        made: When, in ISO 8601.
        actions: Strokes, fills, keys and the like that it took.
    """

    image_id: str
    decision: str
    seconds: float
    pixels_changed: int
    reviewer: str
    began_from: str
    photo_hash: str
    mask_hash: str | None
    made: str
    actions: int


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A review under way.

    Attributes:
        image_id: The photo's.
        seconds: That it was looked at so far.
        actions: That it took so far.
        began_from: As a review's.
        photo_hash: As a review's.
        base_hash: What stands for the maps that the mask was made from.
        mask_hash: Of the draft's PNG.
        made: When, in ISO 8601.
    """

    image_id: str
    seconds: float
    actions: int
    began_from: str
    photo_hash: str
    base_hash: str
    mask_hash: str
    made: str


class ReviewFolder:
    """The reviews of a table of routes."""

    def __init__(self, folder: Path) -> None:
        """Open a folder, which need not be there.

        Args:
            folder: `<folder of the routes>/reviews`.
        """
        self.folder = folder

    def mask_path(self, image_id: str) -> Path:
        """Return where the mask of a review lies."""
        return self._path(image_id, ".png")

    def record_path(self, image_id: str) -> Path:
        """Return where the record of a review lies."""
        return self._path(image_id, ".json")

    def reviews(self) -> dict[str, Review]:
        """Return every review by its `image_id`, but for those that a kill has left half-written.

        Raises:
            MaskfoldError: If a record cannot be read.
        """
        reviews = map(self.review, self.names())
        return {review.image_id: review for review in reviews if review is not None}

    def names(self) -> list[str]:
        """Return the `image_id` of every review that has a record, those too whose mask is another one by now."""
        paths = sorted(self.folder.rglob("*.json")) if self.folder.is_dir() else []
        names = [path.relative_to(self.folder).with_suffix("").as_posix() for path in paths]
        return [name for name in names if not name.endswith(_DRAFT)]

    def review(self, image_id: str) -> Review | None:
        """Return the review of a photo; None where there is none, or its mask is not the one that it was written with.

        Raises:
            MaskfoldError: If its record cannot be read.
        """
        review = _read(self.record_path(image_id), Review, image_id)
        if review is None or review.decision == REJECTED:
            return review
        return review if _hash_of(self.mask_path(image_id)) == review.mask_hash else None

    def mask(self, image_id: str) -> np.ndarray:
        """Return the mask of a review, `(H, W) uint8`, 0 or 1.

        Raises:
            MaskfoldError: If it cannot be read.
        """
        return read_mask(self.mask_path(image_id))

    def write(self, review: Review, mask: np.ndarray | None) -> Review:
        """Keep a review, and forget its draft.

        Args:
            review: Its `mask_hash` is not looked at.
            mask: `(H, W) uint8`, 0 or 1; None where it is rejected.

        Returns:
            The review with the hash of its mask.

        Raises:
            MaskfoldError: If it is no such review, or it cannot be written.
        """
        _check(review, mask)
        content = None if mask is None else encode_mask(mask)
        path = self.mask_path(review.image_id)
        if content is not None:
            files.write_bytes(path, content)
        kept = Review(**(asdict(review) | {"mask_hash": content and hash_of(content)}))
        files.write_json(self.record_path(review.image_id), asdict(kept))
        if content is None:
            path.unlink(missing_ok=True)
        self.remove_draft(review.image_id)
        return kept

    def draft(self, image_id: str) -> tuple[Draft, np.ndarray] | None:
        """Return a draft and its mask, `(H, W) uint8`, 0 or 1; None where there is none that is whole.

        Raises:
            MaskfoldError: If it cannot be read.
        """
        draft, path = _read(self._path(image_id, f"{_DRAFT}.json"), Draft, image_id), self._path(image_id, ".draft.png")
        return None if draft is None or _hash_of(path) != draft.mask_hash else (draft, read_mask(path))

    def write_draft(self, draft: Draft, mask: np.ndarray) -> None:
        """Keep a draft in the place of the one before.

        Args:
            draft: Its `mask_hash` is not looked at.
            mask: `(H, W) uint8`, 0 or 1.

        Raises:
            MaskfoldError: If it cannot be written.
        """
        content = encode_mask(mask)
        files.write_bytes(self._path(draft.image_id, f"{_DRAFT}.png"), content)
        record = asdict(draft) | {"mask_hash": hash_of(content)}
        files.write_json(self._path(draft.image_id, f"{_DRAFT}.json"), record)

    def remove_draft(self, image_id: str) -> None:
        """Forget a draft, if there is one."""
        for suffix in (".json", ".png"):
            self._path(image_id, f"{_DRAFT}{suffix}").unlink(missing_ok=True)

    def _path(self, image_id: str, suffix: str) -> Path:
        if image_id.endswith(_DRAFT):
            raise MaskfoldError(f"image_id={image_id}: names that end in {_DRAFT} are drafts'. Rename the photo.")
        return self.folder / f"{files.check_inside(image_id, what='image_id')}{suffix}"


def encode_mask(mask: np.ndarray) -> bytes:
    """Return a mask, `(H, W) uint8`, 0 or 1, as a PNG of 0 and 255."""
    return cv2.imencode(".png", mask * np.uint8(255))[1].tobytes()


def hash_of(content: bytes) -> str:
    """Return 32 digits of the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def _hash_of(path: Path) -> str | None:
    return files.sha256(path)[:_DIGITS] if path.is_file() else None


def _check(review: Review, mask: np.ndarray | None) -> None:
    if review.decision not in DECISIONS:
        raise MaskfoldError(f"{review.image_id}: decision={review.decision}: give one of {', '.join(DECISIONS)}.")
    if (mask is None) != (review.decision == REJECTED):
        raise MaskfoldError(f"{review.image_id}: {review.decision} {'without a' if mask is None else 'with a'} mask.")


def _read(path: Path, kind: type[_Kept], image_id: str) -> _Kept | None:
    """Read a record; None where there is no file."""
    if not path.is_file():
        return None
    content: Mapping[str, Any] = files.read_json(path)
    names = {field.name for field in fields(kind)}
    if not names <= content.keys():
        missing = ", ".join(sorted(names - content.keys()))
        raise MaskfoldError(f"{path}: no record of a review: it lacks {missing}. Move it away, and review it again.")
    if content["image_id"] != image_id:
        raise MaskfoldError(f"{path}: the record of {content['image_id']}. Give the file its name back, or remove it.")
    return kind(**{name: content[name] for name in names})
