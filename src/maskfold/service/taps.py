"""What clerks tap: photos with their labels, as `data=label_table` reads them."""

import hashlib
import io
import logging
import threading
from collections import OrderedDict
from datetime import UTC, datetime

import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.recognition.recognizer import ProductAnswer
from maskfold.service.inbox import DROPPED, FAILED, KEPT
from maskfold.service.photos import suffix_of
from maskfold.storage import open_storage

log = logging.getLogger(__name__)

LABELS = "labels.csv"
GONE = "gone"
# The path, the label and the month are what `data=label_table` asks for; what it does not know becomes metadata.
COLUMNS = ("path", "label", "month", "time", "answered", "probability", "verdict", "model")

_DIGITS = 32  # of a hash, as those of the image table
_REMEMBERED = 64  # photos that may still be tapped
_REMEMBERED_BYTES = 64_000_000  # of them together


def photo_id(data: bytes) -> str:
    """Return what a photo is called: 32 hexadecimal digits of its file's SHA-256."""
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


class Taps:
    """A folder, or an address, of photos with `labels.csv`. One service writes to it; it is read at any time.

    A photo is kept only when it was tapped: until then it is remembered, as one of the last few. Its file is written
    before its row, so a row never leads to a file that is not there.

    Args:
        text: The folder or address.
        most: Photos that it takes; taps of further ones are not kept.
        model: The identity of the model that answers.

    Raises:
        MaskfoldError: If what is there is no table of taps.
    """

    def __init__(self, text: str, *, most: int, model: str) -> None:
        self.storage = open_storage(text)
        self.most, self.model = most, model
        self._remembering = threading.Lock()  # held for moments: every photo that is recognised waits for it
        self._writing = threading.Lock()  # held as long as the storage takes
        self._recent: OrderedDict[str, tuple[bytes, ProductAnswer]] = OrderedDict()
        self._rows = self._read()

    def remember(self, data: bytes, answer: ProductAnswer) -> None:
        """Remember a photo that was answered, until it is one of the last no more."""
        name = photo_id(data)
        with self._remembering:
            self._recent.pop(name, None)
            self._recent[name] = (data, answer)
            while len(self._recent) > _REMEMBERED or self._remembered_bytes() > _REMEMBERED_BYTES:
                self._recent.popitem(last=False)

    def keep(self, photo: str, label: str) -> str:
        """Keep a tap; a second one of a photo replaces the first.

        Args:
            photo: Its `photo_id`.
            label: What was tapped.

        Returns:
            `KEPT`, `DROPPED` (the inbox is full), `GONE` (the photo is not remembered any more) or `FAILED`.
        """
        with self._remembering:
            if photo not in self._recent:
                return GONE
            data, answer = self._recent[photo]
        with self._writing:
            path = f"photos/{photo}{suffix_of(data) or '.img'}"
            if path not in self._rows and len(self._rows) >= self.most:
                log.warning("%s: %d photos, which is all that it takes; a tap was dropped.", self._where, self.most)
                return DROPPED
            rows = self._rows | {path: self._row(path, label, answer)}
            try:
                self.storage.write(path, data)
                self.storage.write(LABELS, _csv(rows))
            except MaskfoldError as error:
                log.warning("A tap could not be kept: %s", error)
                return FAILED
            self._rows = rows
            return KEPT

    def _row(self, path: str, label: str, answer: ProductAnswer) -> dict[str, str]:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        answered, probability = answer.top[0]
        values = (path, label, now[:7], now, answered, f"{probability:.4f}", answer.verdict, self.model)
        return dict(zip(COLUMNS, values, strict=True))

    def _remembered_bytes(self) -> int:
        return sum(len(data) for data, _ in self._recent.values())

    @property
    def _where(self) -> str:
        return f"{self.storage.text.rstrip('/')}/{LABELS}"

    def _read(self) -> dict[str, dict[str, str]]:
        if not self.storage.exists(LABELS):
            return {}
        try:
            rows = pd.read_csv(io.BytesIO(self.storage.read(LABELS)), dtype="str", keep_default_na=False)
            return {row["path"]: row for row in rows[[*COLUMNS]].to_dict("records")}
        except (ValueError, KeyError) as error:
            raise MaskfoldError(
                f"{self._where}: no table of taps ({error}). Move it away, or give another inbox=."
            ) from error


def _csv(rows: dict[str, dict[str, str]]) -> bytes:
    return pd.DataFrame([*rows.values()], columns=[*COLUMNS]).to_csv(index=False).encode()
