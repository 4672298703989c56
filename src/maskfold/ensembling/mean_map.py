"""The mean of an image's maps, each member's weighed, checked to be of the image and of the data's classes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from maskfold.ensembling.average import integer_weights, spoken
from maskfold.ensembling.means import PROBABILITY, RANK, mean_of
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
    stores, weights, temperatures = _weighed(sources, image_id)
    classes = sources[0].classes
    maps = (store.read_packed(image_id, classes=classes or ()) for store in stores)
    probability = mean_of(_alike(maps, stores, image_id), weights, mean=_mean(sources), temperatures=temperatures)
    _check_map(probability.shape, size, classes, f"{stores[0].folder}: its map of {image_id}")
    return probability


@dataclass(frozen=True)
class MeanOnDisk:
    """The weighted mean of maps on disk, of which a part is formed when it is sliced: `mean[rows, columns]`.

    Attributes:
        maps: Each `(H, W)`, or `(C, H, W)` of several classes, as `ProbabilityStore.open` returns it.
        weights: Whole numbers, see `maskfold.ensembling.means.mean_of`.
        mean: See there, as the next; but no `rank`.
        temperatures: Likewise.
    """

    maps: Sequence[Any]
    weights: Sequence[int]
    mean: str = PROBABILITY
    temperatures: Sequence[float] = ()

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
        maps = (one[(..., *window)] for one in self.maps)
        return mean_of(maps, self.weights, mean=self.mean, temperatures=self.temperatures)


def open_mean(sources: Sequence[MemberMaps], image_id: str, *, size: tuple[int, int]) -> MeanOnDisk:
    """Open the weighted mean of the maps of a very large image; arguments and errors as `merged_probability`.

    Raises:
        MaskfoldError: Also if it is to be a mean of ranks.
    """
    stores, weights, temperatures = _weighed(sources, image_id)
    if _mean(sources) == RANK:
        raise MaskfoldError(
            f"{image_id} is merged by parts, and ensemble.mean=rank needs whole maps: a rank is a place among all "
            "pixels. Take ensemble.mean=probability or logit."
        )
    classes = sources[0].classes
    opened = (store.open(image_id, classes=classes or ()) for store in stores)
    mean = MeanOnDisk([*_alike(opened, stores, image_id)], weights, _mean(sources), temperatures)
    _check_map(mean.shape, size, classes, f"{stores[0].folder}: its map of {image_id}")
    return mean


def _weighed(
    sources: Sequence[MemberMaps], image_id: str
) -> tuple[list[ProbabilityStore], tuple[int, ...], tuple[float, ...]]:
    """Return the stores of an image's maps, their weights and their temperatures.

    Equal weights are together: the average is quick at those.
    """
    parts = [(*pair, source.leaf.temperature) for source in sources for pair in source.maps(image_id)]
    stores, shares, temperatures = zip(*parts, strict=True)
    order, weights = _order_and_weights(shares)
    return [stores[number] for number in order], weights, tuple(temperatures[number] for number in order)


@lru_cache(maxsize=64)
def _order_and_weights(shares: tuple[Fraction, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the places of shares in ascending order, and their whole numbers in that order; images have them alike."""
    order = sorted(range(len(shares)), key=shares.__getitem__)
    return tuple(order), tuple(integer_weights([shares[number] for number in order]))


def _mean(sources: Sequence[MemberMaps]) -> str:
    return sources[0].leaf.mean


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
