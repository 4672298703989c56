"""The inbox: photos that someone should look at are kept with their maps, as `make review` opens them."""

import hashlib
import logging
import threading
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.prediction.masker import Masker
from maskfold.quality.routes import MEASURE, ROUTES, append_routes, maps_text, read_routes
from maskfold.service.judging import Opinion
from maskfold.service.looks import ModelAnswer
from maskfold.service.photos import suffix_of
from maskfold.storage import FolderStorage, open_storage

log = logging.getLogger(__name__)

KEPT, DROPPED, FAILED = "kept", "dropped", "failed"
_DIGITS = 32  # of a hash, as those of the image table


class Inbox:
    """A folder, or an address, of photos with `routes.parquet`. One service writes to it; it is read at any time.

    The files of a photo are written before its row, so a row never leads to a file that is not there.

    Args:
        text: The folder or address.
        most: Photos that it takes; further ones are not kept.
        masker: The model whose maps they are.

    Raises:
        MaskfoldError: If what is there is no table of routes.
    """

    def __init__(self, text: str, *, most: int, masker: Masker) -> None:
        self.storage = open_storage(text)
        self.most, self.masker = most, masker
        self._lock = threading.Lock()
        self._ids = {*self._read()}
        self._is_said_to_be_full = False

    def keep(self, data: bytes, look: ModelAnswer, verdict: Opinion) -> str:
        """Keep a photo, once however often it comes; return `KEPT`, `DROPPED` (the inbox is full) or `FAILED`.

        Args:
            data: Its file.
            look: Its maps.
            verdict: Where it goes, and why.
        """
        image_id = hashlib.sha256(data).hexdigest()[:_DIGITS]
        with self._lock:
            if image_id in self._ids:
                return KEPT
            if len(self._ids) >= self.most:
                self._say_full()
                return DROPPED
            try:
                self._append(self._row(image_id, data, look, verdict))
            except MaskfoldError as error:
                log.warning("A photo for review could not be kept: %s", error)
                return FAILED
            self._ids.add(image_id)
            return KEPT

    def _row(self, image_id: str, data: bytes, look: ModelAnswer, verdict: Opinion) -> pd.DataFrame:
        """Write a photo and its maps; return its row."""
        photo = f"photos/{image_id}{suffix_of(data) or '.img'}"
        self.storage.write(photo, data)
        members = [] if look.answer.members is None else [*zip(self.masker.members, look.answer.members, strict=True)]
        # The mean is the map; members are shown, and do not count.
        shown = [("mean", look.answer.mean, 1), *((name, probability, 0) for name, probability in members)]
        maps = []
        for number, (name, probability, weight) in enumerate(shown):
            path = f"maps/{image_id}/{number}.png"
            self.storage.write(path, _png(probability))
            maps.append((name, path, weight))
        row = {
            "image_id": image_id,
            "photo": photo,
            "photo_hash": image_id,
            "maps": maps_text(maps),
            "score": verdict.assessed.score,
            "iou": verdict.assessed.iou,
            "cluster": None,
            "group": None,
            "route": verdict.assessed.route,
            "reason": verdict.assessed.reason,
            "model": self.masker.identity,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        return pd.DataFrame([row | {f"{MEASURE}{name}": value for name, value in verdict.measures.items()}])

    def _read(self) -> list[str]:
        if isinstance(self.storage, FolderStorage):
            path = self.storage.folder / ROUTES
            return [*read_routes(path, look_for_files=False)["image_id"]] if path.exists() else []
        if not self.storage.exists(ROUTES):
            return []
        return [*read_routes(self.storage.local(ROUTES), look_for_files=False)["image_id"]]

    def _append(self, row: pd.DataFrame) -> None:
        if isinstance(self.storage, FolderStorage):
            append_routes(self.storage.folder / ROUTES, row)
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / ROUTES
            if self.storage.exists(ROUTES):
                path.write_bytes(self.storage.read(ROUTES))
            append_routes(path, row)
            self.storage.write(ROUTES, path.read_bytes())

    def _say_full(self) -> None:
        if not self._is_said_to_be_full:
            self._is_said_to_be_full = True
            log.warning(
                "%s: %d photos wait for review, which is all that it takes; further ones are not kept. Review them, "
                "and start the service with another inbox=, or give inbox_photos=.",
                self.storage.text,
                len(self._ids),
            )


def _png(probability: np.ndarray) -> bytes:
    return cv2.imencode(".png", probability)[1].tobytes()
