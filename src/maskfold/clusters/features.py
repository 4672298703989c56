"""The features of all photos: each looked at once, in processes, and remembered by its content."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maskfold.clusters import appearance, contrast
from maskfold.clusters.cache import FeatureCache
from maskfold.clusters.objects import Whereabouts
from maskfold.data.loading import content_hash
from maskfold.parallel import map_unordered

APPEARANCE = "appearance"
VERSION = 1  # raised whenever the same photo gives other numbers


class Eye(Protocol):
    """A network that looks at photos."""

    key: str

    def prepare(self, place: Whereabouts) -> Any:
        """Return what it is shown of a photo."""

    def look(self, prepared: Any) -> np.ndarray:
        """Return the features of that, `(D,) float32`."""


def look_at(place: Whereabouts) -> np.ndarray:
    """Return a photo's light share and mean difference along the outline, and its appearance behind them.

    Both look at the photo at one height, so it is read once.

    Raises:
        MaskfoldError: If a file cannot be read.
    """
    image, mask = place.read_small(contrast.HEIGHT)
    differences = contrast.outline_differences(image, mask)
    mean = float(differences.mean()) if differences.size else np.nan
    seen = [contrast.light_share(differences), mean]
    return np.concatenate([seen, appearance.appearance(image, mask)]).astype(np.float32)


def appearances(places: Sequence[Whereabouts], hashes: Sequence[str], *, folder: Path, jobs: int) -> np.ndarray:
    """Return `look_at` of every photo, `(N, 2 + D) float32`.

    Args:
        places: The photos and where their objects are known from.
        hashes: Of the photos' content.
        folder: Where what was seen is remembered.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a photo, mask or map cannot be read.
    """
    looks = partial(_numbered, look_at)
    return _remembered(
        FeatureCache(folder / f"{APPEARANCE}.parquet"),
        keys_of(places, hashes, f"{APPEARANCE} {VERSION}"),
        lambda rows: map_unordered(looks, [(row, places[row]) for row in rows], "look at objects", jobs=jobs),
    )


def seen_by(eye: Eye, name: str, places: Sequence[Whereabouts], hashes: Sequence[str], *, folder: Path) -> np.ndarray:
    """Return what a network sees in every photo, `(N, D) float32`.

    Args:
        eye: The network.
        name: Of the file that remembers it.
        places: As for `appearances`, as the next two.
        hashes: Likewise.
        folder: Likewise.

    Raises:
        MaskfoldError: As `appearances`.
    """
    look = partial(_numbered, lambda place: eye.look(eye.prepare(place)))
    return _remembered(
        FeatureCache(folder / f"{name}.parquet"),
        keys_of(places, hashes, f"{eye.key} {VERSION}"),
        lambda rows: map_unordered(look, [(row, places[row]) for row in rows], f"look with the {name}", jobs=1),
    )


def keys_of(places: Sequence[Whereabouts], hashes: Sequence[str], method: str) -> list[str]:
    """Return what tells each photo's features from others: method, photo, and what says where the object is."""
    objects = ("" if place.path is None else content_hash(place.path) for place in places)
    texts = (
        f"{method} {photo} {place.said_by} {known}" for place, photo, known in zip(places, hashes, objects, strict=True)
    )
    return [hashlib.sha256(text.encode()).hexdigest()[:32] for text in texts]


def _numbered(look: Callable[[Whereabouts], np.ndarray], item: tuple[int, Whereabouts]) -> tuple[int, np.ndarray]:
    return item[0], look(item[1])


def _remembered(
    cache: FeatureCache, keys: list[str], look: Callable[[list[int]], Iterable[tuple[int, np.ndarray]]]
) -> np.ndarray:
    """Return the vectors of all keys, looking at those that the cache has not."""
    missing = [row for row, key in enumerate(keys) if key not in cache.vectors]
    try:
        for row, vector in look(missing):
            cache.add(keys[row], vector)
    except BaseException:  # what was looked at before Ctrl-C is kept too
        cache.keep()
        raise
    if missing:
        cache.finish(keys)
    return np.stack([cache.vectors[key] for key in keys])
