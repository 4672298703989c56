"""The stores of several means that the same networks predict in one pass, written to as if they were one."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.prediction.store import ProbabilityStore


class SeveralStores:
    """Takes maps `(G*C, H, W) uint8`, in which the planes of G means are one behind the other; a store for each mean.

    A map is written where it is missing, and to the first store last: what is there is right wherever a run was killed.

    Args:
        stores: In the order of the means, those of at least two.
    """

    def __init__(self, stores: Sequence[ProbabilityStore]) -> None:
        self.stores = stores

    @property
    def folder(self) -> Path:
        """The first store's."""
        return self.stores[0].folder

    def missing(self, image_ids: Iterable[str]) -> list[str]:
        """Return the ids, in their order, that have no map yet in one of the stores."""
        image_ids = [*image_ids]
        gaps = {image_id for store in self.stores for image_id in store.missing(image_ids)}
        return [image_id for image_id in image_ids if image_id in gaps]

    def write(self, image_id: str, probability: np.ndarray) -> None:
        """Write the maps of an image that are missing, each atomically.

        Raises:
            MaskfoldError: If one cannot be written (full disk, read-only folder).
        """
        maps = np.split(probability, len(self.stores))
        for store, planes in reversed([*zip(self.stores, maps, strict=True)]):
            if not store.path(image_id).exists():
                store.write(image_id, planes if len(planes) > 1 else planes[0])

    @contextmanager
    def write_by_bands(self, image_id: str, shape: tuple[int, ...]) -> "Iterator[_Files]":
        """Yield what is filled as one array of a shape `(G*C, H, W)`, see `maskfold.arrays.written_by_bands`."""
        classes = shape[0] // len(self.stores)
        own = shape[1:] if classes == 1 else (classes, *shape[1:])
        with ExitStack() as files:  # which closes the last first
            blocks = [
                None if store.path(image_id).exists() else files.enter_context(store.write_by_bands(image_id, own))
                for store in self.stores
            ]
            yield _Files(blocks, shape)


class _Files:
    """Arrays on disk that are filled as one, of which each has some planes; None where these are not wanted."""

    def __init__(self, files: Sequence[Any], shape: tuple[int, ...]) -> None:
        self.files, self.shape = files, shape

    def __setitem__(self, window: Any, planes: np.ndarray) -> None:
        for file, own in zip(self.files, np.split(planes, len(self.files)), strict=True):
            if file is not None:
                file[window] = own if len(file.shape) > 2 else own[0]
