"""How an ensemble averages maps: their probabilities, their logits, or their ranks; and a member's temperature.

A map's byte v stands for the probabilities from v / 256 to (v + 1) / 256, and so for (v + 0.5) / 256: no byte has an
infinite logit, and the mean of a single map is that map, whatever the mean. What is done to a map is a look into a
table of 256 values.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain

import cv2
import numpy as np

from maskfold.arrays import Packed, unpacked
from maskfold.ensembling.average import average_probabilities, checked
from maskfold.errors import MaskfoldError
from maskfold.masks.planes import planes

PROBABILITY, LOGIT, RANK = "probability", "logit", "rank"
MEANS = (PROBABILITY, LOGIT, RANK)

_PACKED = 64 * 2**20  # bytes of an image's packed maps that are in memory together
_STEPS = 4096  # of a logit: a mean moves by less than a hundredth of a grey level
_COUNTED = 2**24  # pixels
_BEYOND = 7  # the logits of bytes end at 6.24


def check_mean(name: str) -> str:
    """Return `name` if it is a known mean.

    Raises:
        MaskfoldError: If it is not.
    """
    if name not in MEANS:
        raise MaskfoldError(f"ensemble.mean={name} is unknown: choose one of {', '.join(MEANS)}.")
    return name


def logits_of_bytes() -> np.ndarray:
    """Return the logit that each byte stands for, `(256,) float64`."""
    probability = (np.arange(256) + 0.5) / 256
    return np.log(probability / (1 - probability))


def logit_of_threshold(threshold: int | np.ndarray) -> np.ndarray:
    """Return the logit from which on a mean is stored as a byte of `threshold`, 1..255, or more."""
    return np.log(threshold / (256 - np.asarray(threshold, np.float64)))


@lru_cache(maxsize=64)
def temperature_table(temperature: float) -> np.ndarray:
    """Return the byte that becomes of each byte, `(256,) uint8`, where logits are divided by a temperature.

    A byte of at least 128 stays so, and one below stays below.
    """
    tempered = 1 / (1 + np.exp(-logits_of_bytes() / temperature))
    return np.minimum(256 * tempered, 255).astype(np.uint8)


def mean_of(
    maps: Iterable[np.ndarray | Packed],
    weights: Sequence[int],
    *,
    mean: str = PROBABILITY,
    temperatures: Sequence[float] = (),
) -> np.ndarray:
    """Average probability maps.

    Packed maps are decoded and averaged block by block, but for ranks: what has been decoded is still in the
    processor's cache when it is added up, and so is what it is added to. More of them than memory is for are decoded
    one by one.

    Args:
        maps: `(H, W) uint8` each, or `(C, H, W)` of several classes; consumed one by one, those of ranks all at once.
        weights: One whole number for each map, 0 or more, not all 0.
        mean: `probability`: see `average_probabilities`, to which any other order of equal weights is equal.
            `logit`: the weighted mean of their logits, back through the sigmoid. `rank`: see `_of_ranks`.
        temperatures: One for each map, which its logits are divided by before; none where all are 1.

    Returns:
        As the maps, uint8.

    Raises:
        MaskfoldError: As `average_probabilities`.
    """
    whole = partial(_mean_of_whole, weights=weights, mean=mean, temperatures=temperatures)
    maps = checked(maps)
    packed, other = ([], []) if mean == RANK else _packed_ones(maps)
    if other or not packed:
        return whole(map(unpacked, chain(packed, other, maps)))
    merged = np.empty(packed[0].shape, np.uint8)
    flat, step = merged.reshape(-1), packed[0].block
    for start in range(0, flat.size, step):
        part = flat[start : start + step]
        part[:] = whole(one.flat(start, start + part.size) for one in packed)
    return merged


def _packed_ones(maps: Iterator[np.ndarray | Packed]) -> tuple[list[Packed], list[np.ndarray | Packed]]:
    """Take packed maps as long as memory is for them; return them, and the one that ended it, if one did."""
    packed: list[Packed] = []
    room = _PACKED
    for one in maps:
        room -= one.nbytes
        if room < 0 or not isinstance(one, Packed):
            return packed, [one]
        packed.append(one)
    return packed, []


def _mean_of_whole(
    maps: Iterable[np.ndarray], weights: Sequence[int], mean: str, temperatures: Sequence[float]
) -> np.ndarray:
    if any(temperature != 1 for temperature in temperatures):
        maps = (_tempered(one, temperature) for one, temperature in zip(maps, temperatures, strict=True))
    if mean == PROBABILITY:
        return average_probabilities(maps, weights)
    shares = [weight / sum(weights) for weight in weights]
    return (_of_logits if mean == LOGIT else _of_ranks)(checked(maps), shares)


def _tempered(probability: np.ndarray, temperature: float) -> np.ndarray:
    return probability if temperature == 1 else _looked_up(probability, temperature_table(temperature))


def _of_logits(maps: Iterable[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    logits = logits_of_bytes()
    total = _sum(maps, [share * logits for share in shares])
    return _bytes_of_logits()[((total + np.float32(_BEYOND)) * np.float32(_STEPS)).astype(np.uint16)]


@lru_cache(maxsize=1)
def _bytes_of_logits() -> np.ndarray:
    """Return the byte of each logit, in steps from `-_BEYOND` on, each step by its middle."""
    logits = (np.arange(2 * _BEYOND * _STEPS) + 0.5) / _STEPS - _BEYOND
    return (256 / (1 + np.exp(-logits))).astype(np.uint8)


def _of_ranks(maps: Iterable[np.ndarray], shares: Sequence[float]) -> np.ndarray:
    """Average maps whose values have been replaced by what the members have, on average, at the same rank.

    A pixel's rank is its place among the pixels of its own map (and class). The weighted mean of the members' sorted
    values says what stands at each place; every map is given these values, in its own order, and then the maps are
    averaged. So members that are sure of themselves to different degrees count alike, thresholds mean what they did,
    and an object is about as large as it is to the members on average. Pixels of one value share a place: each gets the
    mean of what stands at all of theirs. Bolstad et al., "A comparison of normalization methods" (Bioinformatics,
    2003), call it quantile normalisation.
    """
    whole = [*maps]
    means = np.empty_like(whole[0])
    for number, mean in enumerate(planes(means)):
        own = [planes(one)[number] for one in whole]
        tables = [share * table for share, table in zip(shares, rank_tables(own, shares), strict=True)]
        mean[...] = np.minimum(_sum(own, tables) + np.float32(0.5), 255)
    return means


def rank_tables(maps: Sequence[np.ndarray], shares: Sequence[float]) -> list[np.ndarray]:
    """Return what each value of each map becomes, `(256,) float64`.

    Args:
        maps: `(H, W) uint8`.
        shares: Of the mean; they add up to 1.
    """
    counts = [_histogram(one) for one in maps]
    # The sum of a map's values up to a place, which is a straight line between the ends of its values.
    ends = [np.concatenate([[0], np.cumsum(count)]) for count in counts]
    sums = [np.concatenate([[0], np.cumsum(count * np.arange(256.0))]) for count in counts]
    tables = []
    for own, count in zip(ends, counts, strict=True):
        common = sum(share * np.interp(own, *line) for share, *line in zip(shares, ends, sums, strict=True))
        tables.append(np.divide(np.diff(common), count, out=np.zeros(256), where=count > 0))
    return tables


def _histogram(probability: np.ndarray) -> np.ndarray:
    """Count every byte, `(256,) float64`; OpenCV counts in float32, exactly up to 2^24, and is much the quickest."""
    flat = np.ascontiguousarray(probability).reshape(-1, 1)
    parts = (flat[start : start + _COUNTED] for start in range(0, len(flat), _COUNTED))
    counts = sum(cv2.calcHist([part], [0], None, [256], [0, 256]).ravel().astype(np.float64) for part in parts)
    return np.asarray(counts)


def _sum(maps: Iterable[np.ndarray], tables: Sequence[np.ndarray]) -> np.ndarray:
    """Look each map's values up in its table and add them up, float32."""
    total = None
    for one, table in zip(maps, tables, strict=True):
        values = _looked_up(one, table.astype(np.float32))
        total = values if total is None else np.add(total, values, out=total)
    return total


def _looked_up(probability: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return `table[probability]`; OpenCV is several times quicker at it, and takes flat arrays only."""
    flat = np.ascontiguousarray(probability).reshape(-1, probability.shape[-1])
    return cv2.LUT(flat, table).reshape(probability.shape)
