"""What a network is shown of a photo: the one place that training, validation and prediction ask."""

from functools import cached_property
from pathlib import Path

import numpy as np

from maskfold.data.geometry import Geometry
from maskfold.data.headers import naming
from maskfold.data.loading import decode_image, read_bytes, read_image
from maskfold.data.preprocessing import Preprocess, Unchanged
from maskfold.data.reduced import Reduced, decode_reduced


class PhotoFile:
    """A photo on disk or in a chunk, read once and decoded for each network only as far as it is shown to it.

    Args:
        path: The file.
        channels: How many it has that is read as stored, see `maskfold.data.loading.read_image`.
    """

    def __init__(self, path: Path | str, *, channels: int | None = None) -> None:
        self.path = path
        self._channels = channels
        self._reduced: dict[tuple[int, int], Reduced | None] = {}

    @cached_property
    def pixels(self) -> np.ndarray:
        """All of it, as `maskfold.data.loading.read_image` reads it."""
        if self._channels is not None:
            return read_image(self.path, channels=self._channels)
        return decode_image(self._data, name=str(self.path))

    def prepared(self, geometry: Geometry, preprocess: Preprocess | None) -> np.ndarray | Reduced:
        """Return the photo as a geometry takes it: preprocessed, and reduced where the geometry says it may be.

        What preprocesses photos sees all of their pixels, and channels that are counted are read as stored: neither is
        ever reduced.

        Raises:
            MaskfoldError: If it cannot be read.
        """
        is_plain = preprocess is None or isinstance(preprocess, Unchanged)
        size = getattr(geometry, "reduced_for", None)
        if size is not None and is_plain and self._channels is None:
            if size not in self._reduced:
                self._reduced[size] = decode_reduced(self._data, size, name=str(self.path))
            if (reduced := self._reduced[size]) is not None:
                return reduced
        return prepared(self.pixels, geometry, preprocess)

    @cached_property
    def _data(self) -> bytes:
        with naming(self.path):
            return read_bytes(self.path)


def prepared(photo: np.ndarray | PhotoFile, geometry: Geometry, preprocess: Preprocess | None) -> np.ndarray | Reduced:
    """Return a photo as a geometry takes it; one that is in memory already is shown as it is there.

    Args:
        photo: `(H, W, C)`, or its file.
        geometry: The way to the network.
        preprocess: What is done before.

    Raises:
        MaskfoldError: If the file cannot be read.
    """
    if isinstance(photo, PhotoFile):
        return photo.prepared(geometry, preprocess)
    return photo if preprocess is None else preprocess(photo)
