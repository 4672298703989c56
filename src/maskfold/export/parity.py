"""Whether an exported file says what its networks say: on generated photos of several sizes, odd ones among them."""

from collections.abc import Iterator, Sequence

import numpy as np

from maskfold.data.geometry import Geometry, Pad
from maskfold.errors import MaskfoldError
from maskfold.prediction.masker import Masker

ALLOWED = 1  # levels of 255: sums of floats in another order


def trial_sizes(geometries: Sequence[Geometry]) -> list[tuple[int, int]]:
    """Return (height, width) of three photos for each way to the networks: larger, smaller, and one of each side."""
    sizes = [size for geometry in geometries for size in _sizes(geometry)]
    fixed = [(one.height, one.width) for one in geometries if isinstance(one, Pad) and one.height]
    most = np.min(fixed, axis=0).tolist() if fixed else (np.inf, np.inf)
    return [*dict.fromkeys(tuple(map(min, size, most)) for size in sizes)]


def _sizes(geometry: Geometry) -> Iterator[tuple[int, int]]:
    height, width = geometry.network_size(1, 1)
    if isinstance(geometry, Pad) and geometry.height is None:
        height, width = 2 * max(height, 32), 3 * max(width, 32)  # a single multiple is a very small photo
    yield height * 3 // 2 + 1, width * 4 // 3
    yield height // 2 + 1, max(width - 3, 1)
    yield max(height - 2, 1), width * 2 - 1


def generated_photo(height: int, width: int, seed: int) -> np.ndarray:
    """Return `(H, W, 3) uint8`: something bright and round before a shaded wall, with noise."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    top, left, radius = rng.uniform(0.3, 0.7, 3)
    inside = np.hypot(down - top, across - left) < radius / 2
    wall, thing = rng.uniform(20, 140, 3) + 60 * across[..., None], rng.uniform(120, 240, 3)
    photo = np.where(inside[..., None], thing, wall) + rng.normal(0, 12, (height, width, 3))
    return np.clip(photo, 0, 255).astype(np.uint8)


def refuse_other_maps(exported: Masker, networks: Masker, sizes: Sequence[tuple[int, int]]) -> int:
    """Compare the maps of two maskers, and of all their members, on two photos of each size.

    Returns:
        How many levels of 255 they are apart at most.

    Raises:
        MaskfoldError: If they are more than `ALLOWED` apart; the message says where.
    """
    worst = 0
    for height, width in sizes:
        photos = [generated_photo(height, width, seed) for seed in (0, 1)]
        answers = (masker.answer(photos, members=True) for masker in (exported, networks))
        for one, other in zip(*answers, strict=True):
            apart = max(_apart(one.mean, other.mean), _apart(one.members, other.members))
            if apart > ALLOWED:
                raise MaskfoldError(
                    f"{networks.name}: the exported file's map of a photo of {width}x{height} (width x height) is up "
                    f"to {apart} of 255 levels apart from the networks' own, so it is not written. Mask photos with "
                    "the networks themselves (ensemble=<name>), and report what they are."
                )
            worst = max(worst, apart)
    return worst


def _apart(one: np.ndarray, other: np.ndarray) -> int:
    if one.shape != other.shape:
        return 255
    return int(np.abs(one.astype(np.int16) - other).max())
