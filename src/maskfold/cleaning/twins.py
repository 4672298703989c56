"""Near-copies: photos of the same bytes, and photos whose PDQ hashes differ in few of their 256 bits.

What was measured, hashes taken at 320 pixels: copies that were scaled to 0.7, made 8 % lighter and compressed with
quality 40 differ by at most 34 bits; a burst of one person by 38; copies cropped by 4 % by 63 in the median, and are
not found. Before one wall, though, two cars of one make differ by 34 too, and two generated ones by 22. So twins are

- pairs within 40 bits whose details agree as well (thumbnails' correlation .99 for copies, at most .94 for cars);
- all pairs within 40 bits of a set in which photos do not look alike by themselves: in which hardly any are a little
  farther from one another than that.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.cleaning.fingerprints import details_of, fingerprints, hashes_of
from maskfold.errors import MaskfoldError

DISTANCE = 40
COLUMNS = ["image_id", "partner", "distance", "same_bytes"]

_AGREEMENT = 0.97
_BEYOND = 14  # bits: how much farther photos are counted, to see whether a set's look alike by themselves
_ROWS, _COLUMNS = 256, 4096  # of a block of pairs: 8 MB at 8 bytes, which stay in the processor's cache
_MOST = 2_000_000  # pairs: far more than copies can be


class Close(NamedTuple):
    """Close pairs of hashes.

    Attributes:
        at: The place of each pair's first hash.
        partners: That of its second one, which is higher.
        distances: In how many bits they differ.
        beyond: How many pairs are up to 14 bits farther from one another.
    """

    at: np.ndarray
    partners: np.ndarray
    distances: np.ndarray
    beyond: int

    def only(self, chosen: np.ndarray) -> "Close":
        """Return some of the pairs."""
        return Close(self.at[chosen], self.partners[chosen], self.distances[chosen], self.beyond)


def find_twins(
    table: pd.DataFrame,
    *,
    channels: int | None = None,
    cache: Path | None = None,
    jobs: int = -1,
    distance: int = DISTANCE,
    within_test: bool = False,
) -> pd.DataFrame:
    """Find photos that are near-copies of one another; each content is compared once.

    Args:
        table: Rows of the checked image table.
        channels: As for `fingerprints`, as the next two.
        cache: Likewise.
        jobs: Likewise.
        distance: The most bits in which hashes of twins differ; 0 for photos of the same bytes alone.
        within_test: Whether to compare test photos with one another too, which no split asks for.

    Returns:
        `image_id, partner, distance, same_bytes`, one row a pair, `image_id` before `partner` in the alphabet, sorted
        by distance. Of several photos of the same bytes, each is the twin of the first one, and that one, a train
        photo if there is any, stands for all of them in pairs with others.

    Raises:
        MaskfoldError: If there are more than two million pairs: then most photos look alike, and hashes say nothing.
    """
    ordered = table.sort_values(["split", "image_id"], ascending=[False, True])  # train before test
    copies = _byte_copies(ordered, within_test=within_test)
    if not distance:
        return _sorted(copies)
    looks = fingerprints(ordered, channels=channels, cache=cache, jobs=jobs)
    looks = looks[looks["pdq"].map(len) > 0]
    first = ordered.dropna(subset="image_hash").drop_duplicates("image_hash").set_index("image_hash").loc[looks.index]
    train = int((first["split"] == "train").sum())
    close = close_pairs(hashes_of(looks), distance, among=None if within_test else train)
    close = _without_lookalikes(close, looks)
    ids = first["image_id"].to_numpy(dtype=object)
    pairs = {"image_id": ids[close.at], "partner": ids[close.partners], "distance": close.distances}
    near = pd.DataFrame(pairs | {"same_bytes": False}, columns=COLUMNS)
    return _sorted(pd.concat([copies, near], ignore_index=True))


def _without_lookalikes(close: Close, looks: pd.DataFrame) -> Close:
    """Leave out pairs whose details differ, where photos of a set look alike by themselves."""
    agrees = np.zeros(len(close.at), bool)
    for some in _tiles(len(agrees), _COLUMNS):
        one, other = (details_of(looks.iloc[places[some]]) for places in (close.at, close.partners))
        agrees[some] = (one * other).sum(axis=1) >= _AGREEMENT
    return close.only(agrees) if close.beyond >= np.count_nonzero(~agrees) else close


def _byte_copies(ordered: pd.DataFrame, *, within_test: bool) -> pd.DataFrame:
    """Return a row for each photo whose bytes another one before it has, with the first one of these."""
    if "image_hash" not in ordered:
        return pd.DataFrame(columns=COLUMNS)
    known = ordered.dropna(subset="image_hash")
    first = known.drop_duplicates("image_hash").set_index("image_hash")[["image_id", "split"]]
    leaders = first.loc[known["image_hash"]].reset_index(drop=True)
    known = known.reset_index(drop=True)
    is_copy = known["image_hash"].duplicated()
    if not within_test:
        is_copy &= (known["split"] == "train") | (leaders["split"] == "train")
    rows = {"image_id": leaders["image_id"], "partner": known["image_id"], "distance": 0, "same_bytes": True}
    return pd.DataFrame(rows, columns=COLUMNS)[is_copy]


def close_pairs(hashes: np.ndarray, distance: int, *, among: int | None = None) -> Close:
    """Compare hashes; memory does not grow with their number, only with that of close pairs.

    Args:
        hashes: (N, 4) uint64.
        distance: The most bits in which close ones differ.
        among: Leave out the pairs of which neither is one of the first so many.

    Raises:
        MaskfoldError: If there are more than two million close pairs.
    """
    words = [np.ascontiguousarray(word) for word in hashes.T]
    parts = [Close(*np.empty((3, 0), np.int64), beyond=0)]
    count = 0
    for rows in _tiles(len(hashes) if among is None else among, _ROWS):
        for columns in _tiles(len(hashes), _COLUMNS, start=rows.start):
            parts.append(_close_of_block(words, rows, columns, distance))
            count += len(parts[-1].at)
            if count > _MOST:
                raise MaskfoldError(
                    f"More than {_MOST:,} pairs of these {len(hashes):,} photos look alike (PDQ hashes within "
                    f"{distance} bits): they may be frames of one camera that stands still. Say which show one object "
                    "with data.group=, and compare bytes alone: `make folds` with twins=0."
                )
    at, partners, distances, beyond = zip(*parts, strict=True)
    return Close(*(np.concatenate(arrays) for arrays in (at, partners, distances)), beyond=sum(beyond))


def _tiles(count: int, edge: int, *, start: int = 0) -> Iterator[slice]:
    """Yield slices of at most `edge` places, from `start` to `count`."""
    for first in range(start, count, edge):
        yield slice(first, min(first + edge, count))


def _close_of_block(words: list[np.ndarray], rows: slice, columns: slice, distance: int) -> Close:
    """Return the close pairs of some rows with some columns, each once.

    Half of the bits are compared first: they alone leave out nearly all pairs.
    """
    half = sum(np.bitwise_count(word[rows, None] ^ word[None, columns]) for word in words[:2])
    at, partners = np.nonzero(half <= distance + _BEYOND)
    above = partners + columns.start > at + rows.start
    at, partners = at[above] + rows.start, partners[above] + columns.start
    whole = sum(np.bitwise_count(word[at] ^ word[partners]).astype(np.int64) for word in words)
    beyond = np.count_nonzero((whole > distance) & (whole <= distance + _BEYOND))
    return Close(at, partners, whole, beyond).only(whole <= distance)


def _sorted(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return pairs with the ids of each in order, by distance."""
    ids = np.sort(pairs[["image_id", "partner"]].to_numpy(dtype=object).astype(str), axis=1).astype(object)
    pairs = pairs.assign(image_id=ids[:, 0], partner=ids[:, 1])
    types = {"image_id": "str", "partner": "str", "distance": np.int64, "same_bytes": bool}
    return pairs.sort_values(["distance", "image_id", "partner"], ignore_index=True)[COLUMNS].astype(types)
