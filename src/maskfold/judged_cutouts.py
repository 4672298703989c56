"""How good the mask of each cut-out is, beside the cut-outs: what `make quality` has learned, asked photo by photo."""

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from maskfold import arrays
from maskfold.cutout.record import Entry
from maskfold.errors import MaskfoldError
from maskfold.files import is_utf8
from maskfold.prediction.masker import Answer, Masker
from maskfold.quality.measures import measure
from maskfold.quality.routes import COLUMNS, MEASURE, ROUTES, maps_text, write_routes
from maskfold.quality.suited import read_suited
from maskfold.storage import FolderStorage, Storage, open_storage

MAPS = "maps"
_MEAN = "mean"


class FolderJudge:
    """Measures the masks of a batch of cut-outs and keeps their maps, see `maskfold.cutout.batch.MaskJudge`.

    Args:
        quality: A `quality.json`, or its address.
        source: The photos.
        target: Where the cut-outs go, and the maps.
        masker: Whose maps they are.

    Raises:
        MaskfoldError: As `maskfold.quality.suited.read_suited`, or if the photos' folder is not named in UTF-8.
    """

    def __init__(self, quality: str, *, source: Storage, target: Storage, masker: Masker) -> None:
        place, _, name = quality.rpartition("/")
        path = open_storage(place or ".").local(name)
        self._model = read_suited(path, masker, text=quality)
        self._target, self._masker = target, masker
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

    def keep(self, name: str, answer: Answer) -> None:
        """Write a photo's maps."""
        for _, path, _, probability in self._maps(image_id_of(name), answer):
            self._target.write(path, arrays.encode(probability))

    def _maps(self, image_id: str, answer: Answer) -> Iterator[tuple[str, str, int, np.ndarray]]:
        """Yield the mean, which is the map, and the members' own, which are shown: name, path, weight, map."""
        members = () if answer.members is None else zip(self._masker.members, answer.members, strict=True)
        for number, (name, probability) in enumerate([(_MEAN, answer.mean), *members]):
            yield name, f"{MAPS}/{image_id}/{number}{arrays.SUFFIX}", int(number == 0), probability


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
