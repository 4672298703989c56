"""Features that were taken before, by the content of what they were taken of: one file, and pieces while it lasts."""

import logging
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow

from maskfold.files import atomic_path

PIECE_S = 30  # seconds of looking that a kill may lose

_log = logging.getLogger(__name__)


class FeatureCache:
    """Vectors by key, in `<name>.parquet`; what a look adds goes into pieces, `.<name>.<number>.parquet`, meanwhile.

    What a killed run has left of them is read with the file at the next start. A file that is damaged says so in the
    log and is as good as none.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.vectors: dict[str, np.ndarray] = {}
        self._fresh: list[str] = []
        self._due = time.monotonic() + PIECE_S
        for piece in [path, *self._pieces()]:
            if piece.exists():
                self.vectors |= _read(piece)

    def add(self, key: str, vector: np.ndarray) -> None:
        """Take a vector `(D,) float32`, and write a piece now and then."""
        self.vectors[key] = vector
        self._fresh.append(key)
        if time.monotonic() >= self._due:
            self.keep()

    def keep(self) -> None:
        """Write what is on no disk yet as a piece.

        Raises:
            MaskfoldError: If it cannot be written.
        """
        if self._fresh:
            number = max((int(piece.suffixes[-2][1:]) for piece in self._pieces()), default=0) + 1
            self._write(self.path.with_name(f".{self.path.stem}.{number:06}{self.path.suffix}"), self._fresh)
        self._fresh, self._due = [], time.monotonic() + PIECE_S

    def finish(self, keys: Iterable[str]) -> None:
        """Write the file anew with these keys alone, and remove its pieces.

        Raises:
            MaskfoldError: If it cannot be written.
        """
        self._write(self.path, sorted({*keys}))
        for piece in self._pieces():
            piece.unlink()
        self._fresh = []

    def _pieces(self) -> list[Path]:
        return sorted(self.path.parent.glob(f".{self.path.stem}.[0-9]*{self.path.suffix}"))

    def _write(self, path: Path, keys: list[str]) -> None:
        with atomic_path(path) as part:
            rows = {"key": keys, "vector": [self.vectors[key] for key in keys]}
            pd.DataFrame(rows).to_parquet(part, index=False)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        rows = pd.read_parquet(path, columns=["key", "vector"])
        return {key: np.asarray(vector, np.float32) for key, vector in zip(rows["key"], rows["vector"], strict=True)}
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        _log.warning("%s is damaged and will be written anew (%s).", path, error)
        return {}
