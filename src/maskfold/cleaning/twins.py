"""Near-copies: photos whose PDQ hashes differ in few of their 256 bits, and photos of the same bytes.

What was measured on real sets: copies that were scaled to 0.7, made 8 % lighter and compressed with quality 40 differ
by at most 34 bits, a burst of one person by 36; two views of one car before a studio's wall by 44. A copy cropped by
4 % differs by 63 in the median and is not found.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.cleaning.fingerprints import fingerprints, packed, tiles
from maskfold.errors import MaskfoldError

DISTANCE = 40
COLUMNS = ["image_id", "partner", "distance", "same_bytes"]

_ROWS, _COLUMNS = 256, 4096  # of a block of pairs: 8 MB at 8 bytes, which stay in the processor's cache
_MOST = 2_000_000  # pairs: far more than copies can be


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
    at, partners, distances = close_pairs(packed(looks["pdq"]), distance, among=None if within_test else train)
    ids = first["image_id"].to_numpy(dtype=object)
    pairs = {"image_id": ids[at], "partner": ids[partners], "distance": distances, "same_bytes": False}
    return _sorted(pd.concat([copies, pd.DataFrame(pairs, columns=COLUMNS)], ignore_index=True))


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


def close_pairs(
    hashes: np.ndarray, distance: int, *, among: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs of hashes that differ in at most so many bits: places, the partners' places, distances.

    A place is below its partner's. Memory does not grow with the number of hashes, only with that of close pairs.

    Args:
        hashes: (N, 4) uint64.
        distance: In bits.
        among: Leave out the pairs of which neither is one of the first so many.

    Raises:
        MaskfoldError: If there are more than two million.
    """
    words = [np.ascontiguousarray(word) for word in hashes.T]
    close = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))]
    count = 0
    for rows in tiles(len(hashes) if among is None else among, _ROWS):
        for columns in tiles(len(hashes) - rows.start, _COLUMNS):
            block = slice(columns.start + rows.start, columns.stop + rows.start)
            close.append(_close_of_block(words, rows, block, distance))
            count += len(close[-1][0])
            if count > _MOST:
                raise MaskfoldError(
                    f"More than {_MOST:,} pairs of these {len(hashes):,} photos look alike (PDQ hashes within "
                    f"{distance} bits): they may be frames of one camera that stands still. Say which show one object "
                    "with data.group=, and compare their bytes alone: twins=0."
                )
    at, partners, distances = (np.concatenate(parts) for parts in zip(*close, strict=True))
    return at, partners, distances


def _close_of_block(
    words: list[np.ndarray], rows: slice, columns: slice, distance: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the close pairs of some rows with some columns, each once.

    Half of the bits are compared first: they alone leave out nearly all pairs.
    """
    half = sum(np.bitwise_count(word[rows, None] ^ word[None, columns]) for word in words[:2])
    at, partners = np.nonzero(half <= distance)
    above = partners + columns.start > at + rows.start
    at, partners = at[above] + rows.start, partners[above] + columns.start
    whole = sum(np.bitwise_count(word[at] ^ word[partners]).astype(np.int64) for word in words)
    near = whole <= distance
    return at[near], partners[near], whole[near]


def _sorted(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return pairs with the ids of each in order, by distance."""
    ids = np.sort(pairs[["image_id", "partner"]].to_numpy(dtype=object).astype(str), axis=1).astype(object)
    pairs = pairs.assign(image_id=ids[:, 0], partner=ids[:, 1])
    types = {"image_id": "str", "partner": "str", "distance": np.int64, "same_bytes": bool}
    return pairs.sort_values(["distance", "image_id", "partner"], ignore_index=True)[COLUMNS].astype(types)
