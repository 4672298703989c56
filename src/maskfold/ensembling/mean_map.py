"""The mean of an image's maps, each member's weighed, checked to be of the image and of the data's classes."""

from collections.abc import Iterator, Sequence

import numpy as np

from maskfold.ensembling.average import average_probabilities, integer_weights, spoken
from maskfold.ensembling.tree import MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.masks.planes import planes
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
    maps = [pair for source in sources for pair in source.maps(image_id)]
    # Equal weights together, which is what the average is quick at.
    maps.sort(key=lambda pair: pair[1])
    weights = integer_weights([share for _, share in maps])
    classes = sources[0].classes
    probability = average_probabilities(_read_alike([store for store, _ in maps], image_id, classes or ()), weights)
    _check_map(probability, size, classes, f"{maps[0][0].folder}: its map of {image_id}")
    return probability


def _check_map(probability: np.ndarray, size: tuple[int, int] | None, classes: Sequence[str] | None, what: str) -> None:
    """Refuse a map that has not its photo's size, or not the data's classes; None is not looked at."""
    if size is not None and probability.shape[-2:] != size:
        raise MaskfoldError(
            f"{what} has {spoken(probability.shape[-2:])} pixels, the photo has {spoken(size)}. Predict all members on "
            "the photos as they are."
        )
    if classes is not None and len(planes(probability)) != max(len(classes), 1):
        there = f"{len(classes)}: {', '.join(classes)}" if classes else "one"
        raise MaskfoldError(
            f"{what} is of {len(planes(probability))} classes, and the data has {there}. Take the member out, or name "
            "its classes in their order with data.classes=[...]."
        )


def _read_alike(stores: Sequence[ProbabilityStore], image_id: str, classes: Sequence[str]) -> Iterator[np.ndarray]:
    """Yield an image's map from each store, one by one; name the stores whose maps differ in shape."""
    shape = None
    for store in stores:
        probability = store.read(image_id, classes=classes)
        shape = shape or probability.shape
        if probability.shape != shape:
            raise MaskfoldError(
                f"{store.folder}: its map of {image_id} has {spoken(probability.shape)} pixels, that in "
                f"{stores[0].folder} has {spoken(shape)}. Predict all members on the same photos and classes."
            )
        yield probability
