"""How good the mask of each cut-out is, beside the cut-outs: what `make quality` has learned, and what persons say."""

import hashlib
import logging
import re
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from maskfold import arrays
from maskfold.cutout.deciding import REJECTED as REJECTED_IN_REVIEW
from maskfold.cutout.deciding import Outcome
from maskfold.cutout.record import Entry
from maskfold.errors import MaskfoldError
from maskfold.files import is_utf8
from maskfold.prediction.masker import Answer, Masker
from maskfold.quality.measures import measure
from maskfold.quality.routes import COLUMNS, MEASURE, ROUTES, SHIP, maps_text, write_routes
from maskfold.quality.suited import read_suited
from maskfold.review.record import DECISIONS, REJECTED, REVIEWS, Review, ReviewFolder
from maskfold.storage import FolderStorage, Storage, open_storage

log = logging.getLogger(__name__)

MAPS = "maps"
_MEAN = "mean"


class FolderJudge:
    """Measures the masks of a batch of cut-outs and keeps their maps, see `maskfold.cutout.deciding.MaskJudge`.

    Args:
        quality: A `quality.json`, or its address.
        source: The photos.
        target: Where the cut-outs go, and the maps.
        masker: Whose maps they are.
        hold: Whether photos that do not ship have to wait for a person.

    Raises:
        MaskfoldError: As `maskfold.quality.suited.read_suited`, or if the photos' folder is not named in UTF-8.
    """

    def __init__(self, quality: str, *, source: Storage, target: Storage, masker: Masker, hold: bool = False) -> None:
        place, _, name = quality.rpartition("/")
        path = open_storage(place or ".").local(name)
        self._model = read_suited(path, masker, text=quality)
        self._target, self._masker = target, masker
        self._hold = hold
        self._source = str(source.folder.resolve()) if isinstance(source, FolderStorage) else source.text.rstrip("/")
        if not is_utf8(self._source):
            raise MaskfoldError(f"{self._source!a}: no name in UTF-8, and no table of routes can hold it. Rename it.")
        self.identity = hashlib.sha256(path.read_bytes()).hexdigest()
        self.wants_members, self.wants_mirrored = self._model.wants_members, self._model.wants_mirrored

    def assess(self, name: str, photo_hash: str, answer: Answer, turned: np.ndarray | None) -> dict[str, Any]:
        """Return a photo's row of routes, numbers that are not known as None."""
        measures = measure(answer.mean, members=answer.members, mirrored=turned, threshold=self._model.cut)
        assessed = self._model.assess(measures)
        image_id = image_id_of(name)
        row = {
            "image_id": image_id,
            "photo": f"{self._source}/{name}",
            "photo_hash": photo_hash,
            "maps": maps_text(one[:3] for one in self._maps(image_id, answer)),
            "score": assessed.score,
            "iou": assessed.iou,
            "cluster": None,
            "group": None,
            "route": assessed.route,
            "reason": assessed.reason,
            "model": self._masker.identity,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        row |= {f"{MEASURE}{key}": value for key, value in measures.items()}
        return {key: None if value != value else value for key, value in row.items()}

    def held(self, quality: dict[str, Any]) -> str:
        """Return why a photo of this row is to have no picture until a person has looked at it, or nothing."""
        route = quality.get("route")
        return f"{route}: {quality.get('reason')}" if self._hold and route != SHIP else ""

    def keep(self, name: str, answer: Answer) -> None:
        """Write a photo's maps."""
        for _, path, _, probability in self._maps(image_id_of(name), answer):
            self._target.write(path, arrays.encode(probability))

    def _maps(self, image_id: str, answer: Answer) -> Iterator[tuple[str, str, int, np.ndarray]]:
        """Yield the mean, which is the map, and the members' own, which are shown: name, path, weight, map."""
        members = () if answer.members is None else zip(self._masker.members, answer.members, strict=True)
        for number, (name, probability) in enumerate([(_MEAN, answer.mean), *members]):
            yield name, f"{MAPS}/{image_id}/{number}{arrays.SUFFIX}", int(number == 0), probability


class FolderReviews:
    """What `make review` has left beside a folder of cut-outs, see `maskfold.cutout.deciding.MaskReviews`.

    A review that cannot be relied on is left out, and a warning names it: one whose record is damaged, whose mask is
    another one by now, or which is of another photo.
    """

    def __init__(self, folder: Path) -> None:
        """Read the reviews of a folder of cut-outs, which need not have any."""
        self._folder = ReviewFolder(folder / REVIEWS)
        self._reviews = {name: review for name in self._folder.names() if (review := self._sound(name)) is not None}
        self._strange: set[str] = set()

    def of(self, name: str, photo_hash: str) -> Outcome | None:
        """Return what was decided about a photo, None where nothing was."""
        review = self._reviews.get(image_id_of(name))
        if review is None:
            return None
        if review.photo_hash != photo_hash:
            if name not in self._strange:
                self._strange.add(name)
                self._leave_out(review.image_id, f"it is of an earlier photo of the name {name!a}")
            return None
        return Outcome(held=REJECTED_IN_REVIEW) if review.decision == REJECTED else Outcome(f"{review.mask_hash}")

    def mask(self, name: str) -> np.ndarray:
        """Return the mask of a photo's review, `(H, W) uint8`, 0 or 1.

        Raises:
            MaskfoldError: If it cannot be read.
        """
        return self._folder.mask(image_id_of(name))

    def _sound(self, image_id: str) -> Review | None:
        try:
            review = self._folder.review(image_id)
        except MaskfoldError as error:
            return self._leave_out(image_id, f"{error}")
        if review is None:
            return self._leave_out(image_id, "its mask is not the one that it was written with")
        if review.decision not in DECISIONS:
            return self._leave_out(image_id, f"its decision is {review.decision!r}, none of {', '.join(DECISIONS)}")
        return review

    def _leave_out(self, image_id: str, reason: str) -> None:
        path = self._folder.record_path(image_id)
        log.warning("%s is left out: %s. Move it away, and review the photo again.", path, reason.rstrip("."))


def image_id_of(photo: str) -> str:
    """Return what reviews and maps of a photo are called: readable, a file's name, and of no other photo's name."""
    digest = hashlib.sha256(photo.encode(errors="surrogateescape")).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9-]+', '_', photo)[-80:].strip('_')}-{digest}"


def write_batch_routes(target: Storage, entries: Iterable[Entry]) -> None:
    """Write `routes.parquet` of all photos that were measured, whole or not at all.

    Raises:
        MaskfoldError: If it cannot be written.
    """
    import pandas as pd

    rows = [entry.quality for entry in entries if entry.quality is not None]
    with tempfile.TemporaryDirectory(prefix="maskfold-") as folder:
        path = Path(folder, ROUTES)
        table = pd.DataFrame(rows, columns=None if rows else [*COLUMNS])
        numbers = [key for key in table.columns if key in ("score", "iou") or key.startswith(MEASURE)]
        write_routes(path, table.astype(dict.fromkeys(numbers, "float64")))
        target.write(ROUTES, path.read_bytes())
