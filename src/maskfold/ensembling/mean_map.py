"""The mean of an image's maps, each member's weighed, checked to be of the image and of the data's classes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from maskfold.ensembling.average import average_probabilities, integer_weights, spoken
from maskfold.ensembling.tree import MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore


def merged_probability(
    sources: Sequence[MemberMaps], image_id: str, *, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Return the weighted mean of an image's maps, `(H, W) uint8`, or `(C, H, W)` of several classes.

    Args:
        sources: Whose maps.
        image_id: Whose mean.
        size: The photo's `(height, width)`; None does not look at it.

    Raises:
        MaskfoldError: If a map cannot be read, is of another size or of other classes than the others, or than the
            photo.
    """
    stores, weights = _weighed(sources, image_id)
    classes = sources[0].classes
    maps = (store.read(image_id, classes=classes or ()) for store in stores)
    probability = average_probabilities(_alike(maps, stores, image_id), weights)
    _check_map(probability.shape, size, classes, f"{stores[0].folder}: its map of {image_id}")
    return probability


@dataclass(frozen=True)
class MeanOnDisk:
    """The weighted mean of maps on disk, of which a part is formed when it is sliced: `mean[rows, columns]`.

    Attributes:
        maps: Each `(H, W)`, or `(C, H, W)` of several classes, as `ProbabilityStore.open` returns it.
        weights: Whole numbers, see `average_probabilities`.
    """

    maps: Sequence[Any]
    weights: Sequence[int]

    @property
    def shape(self) -> tuple[int, ...]:
        """`(H, W)`, or `(C, H, W)`."""
        return tuple(self.maps[0].shape)

    @property
    def classes(self) -> int:
        """How many."""
        return _classes(self.shape)

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        """Return the window's mean, `(h, w)` or `(C, h, w) uint8`."""
        return average_probabilities((one[(..., *window)] for one in self.maps), self.weights)


def open_mean(sources: Sequence[MemberMaps], image_id: str, *, size: tuple[int, int]) -> MeanOnDisk:
    """Open the weighted mean of the maps of a very large image; arguments and errors as `merged_probability`."""
    stores, weights = _weighed(sources, image_id)
    classes = sources[0].classes
    opened = (store.open(image_id, classes=classes or ()) for store in stores)
    mean = MeanOnDisk([*_alike(opened, stores, image_id)], weights)
    _check_map(mean.shape, size, classes, f"{stores[0].folder}: its map of {image_id}")
    return mean


def _weighed(sources: Sequence[MemberMaps], image_id: str) -> tuple[list[ProbabilityStore], list[int]]:
    """Return the stores of an image's maps with their weights, equal ones together: the average is quick at those."""
    maps = sorted((pair for source in sources for pair in source.maps(image_id)), key=itemgetter(1))
    return [store for store, _ in maps], integer_weights([share for _, share in maps])


def _classes(shape: tuple[int, ...]) -> int:
    return shape[0] if len(shape) == 3 else 1


def _check_map(shape: tuple[int, ...], size: tuple[int, int] | None, classes: Sequence[str] | None, what: str) -> None:
    """Refuse a map that has not its photo's size, or not the data's classes; None is not looked at."""
    if size is not None and shape[-2:] != size:
        raise MaskfoldError(
            f"{what} has {spoken(shape[-2:])} pixels, the photo has {spoken(size)}. Predict all members on "
            "the photos as they are."
        )
    if classes is not None and _classes(shape) != max(len(classes), 1):
        there = f"{len(classes)}: {', '.join(classes)}" if classes else "one"
        raise MaskfoldError(
            f"{what} is of {_classes(shape)} classes, and the data has {there}. Take the member out, or name "
            "its classes in their order with data.classes=[...]."
        )


def _alike(maps: Iterable[Any], stores: Sequence[ProbabilityStore], image_id: str) -> Iterator[Any]:
    """Yield an image's map of each store, one by one; name the stores whose maps differ in shape."""
    shape = None
    for store, probability in zip(stores, maps, strict=True):
        shape = shape or tuple(probability.shape)
        if tuple(probability.shape) != shape:
            raise MaskfoldError(
                f"{store.folder}: its map of {image_id} has {spoken(probability.shape)} pixels, that in "
                f"{stores[0].folder} has {spoken(shape)}. Predict all members on the same photos and classes."
            )
        yield probability
