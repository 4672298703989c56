"""What has been cut out, beside the cut-outs: so that a batch goes on where it was, and makes again what has changed.

`record/00001.jsonl` and so on, a line a photo, later lines before earlier ones. A file is written every half minute, or
every few hundred photos: a kill costs those of half a minute, and 100,000 photos are some hundred files.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from maskfold.errors import MaskfoldError
from maskfold.storage import Storage

log = logging.getLogger(__name__)

FOLDER = "record"
SUFFIX = ".jsonl"
FIRST = f"{FOLDER}/00001{SUFFIX}"
_EVERY_S = 30.0
_EVERY = 500  # photos


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo that has been cut out, in which there is nothing to cut out, or whose picture is held.

    Attributes:
        photo: Its name in the source.
        version: What the source said of it, which changes when its content does.
        photo_hash: The first 32 digits of the SHA-256 of its bytes.
        key: 16 digits that stand for model, options and whatever else the cut-out depends on.
        cutout: Its name in the target; empty where there is none.
        size: Bytes of the cut-out.
        sha256: Of the cut-out.
        reason: Why there is no cut-out, which would be the same another time.
        quality: What was measured of its mask, a row of routes; None where nothing was.
        mask: What stands for the mask of a person that was cut; empty for the network's.
        held: Why there is no picture until a person has looked at the photo.
    """

    photo: str
    version: str
    photo_hash: str
    key: str
    cutout: str = ""
    size: int = 0
    sha256: str = ""
    reason: str = ""
    quality: dict[str, Any] | None = None
    mask: str = ""
    held: str = ""


class BatchRecord:
    """The entries of a batch, read when it begins, added to while it lasts.

    Args:
        target: Where the cut-outs are.
        names: The names of all files in it that end with `SUFFIX`.
    """

    def __init__(self, target: Storage, names: list[str]) -> None:
        self._target = target
        self._files = sorted(name for name in names if name.startswith(f"{FOLDER}/"))
        self._waiting: list[Entry] = []
        self._written_at = time.monotonic()

    def entries(self) -> Iterator[Entry]:
        """Yield what is on disk, oldest first, so that of a photo the last one counts; what is no entry is left out."""
        for name in self._files:
            for line in self._target.read(name).decode("utf-8", "replace").splitlines():
                entry = _parsed(line)
                if entry is None:
                    log.warning("%s/%s: a line is no entry; its photo is cut out again.", self._target.text, name)
                else:
                    yield entry

    def add(self, entry: Entry) -> None:
        """Remember a photo whose cut-out is written, here and soon on disk."""
        self._waiting.append(entry)
        if len(self._waiting) >= _EVERY or time.monotonic() - self._written_at >= _EVERY_S:
            self.write()

    def write(self) -> None:
        """Write what waits to a file of its own."""
        if not self._waiting:
            return
        last = self._files[-1] if self._files else f"{FOLDER}/00000{SUFFIX}"
        number = last.removeprefix(f"{FOLDER}/").removesuffix(SUFFIX)
        if not number.isdecimal():
            raise MaskfoldError(f"{self._target.text}/{last}: no file of this record. Take it away.")
        name = f"{FOLDER}/{int(number) + 1:05d}{SUFFIX}"
        lines = "".join(json.dumps(asdict(entry)) + "\n" for entry in self._waiting)
        self._target.write(name, lines.encode())
        self._files.append(name)
        self._waiting.clear()
        self._written_at = time.monotonic()


def _with_shared_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a dictionary whose keys are in memory once, not once a line."""
    return {sys.intern(key): value for key, value in pairs}


def _parsed(line: str) -> Entry | None:
    """Return the entry of a line, or None: somebody else may have written it, or a disk has lost some of it."""
    try:
        entry = Entry(**json.loads(line, object_pairs_hook=_with_shared_keys))
    except (ValueError, TypeError):
        return None
    texts = (entry.photo, entry.version, entry.photo_hash, entry.key, entry.cutout, entry.sha256, entry.reason)
    texts += (entry.mask, entry.held)
    is_sound = all(isinstance(text, str) for text in texts) and type(entry.size) is int
    return entry if is_sound and isinstance(entry.quality, dict | None) else None
