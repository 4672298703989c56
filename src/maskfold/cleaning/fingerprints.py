"""What a photo looks like, in a few numbers: a hash of 256 bits that near-copies share, and plain measures of it.

The hash is PDQ (Meta, https://github.com/facebook/ThreatExchange/tree/main/pdq): signs of the lowest frequencies of the
brightness. Light, contrast, size and compression hardly change it; a crop does.
"""

import logging
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import read_bytes
from maskfold.data.small import read_small
from maskfold.errors import MaskfoldError, listing
from maskfold.files import atomic_path, locked
from maskfold.parallel import map_unordered
from maskfold.storage.chunks import is_place

BITS = 256
CACHE = "fingerprints.parquet"  # in the data's own folder
MEASURES = ["brightness", "contrast", "saturation", "sharpness", "green_to_red", "blue_to_yellow"]

_EDGE = 320  # pixels of the longer side that is looked at; the threshold for twins was measured there
_LEAST = 64  # pixels of a side: PDQ brings a photo to 64x64, and makes up what a smaller one has not
_QUALITY = 50  # of PDQ's 100: its authors advise to discard hashes below, those of pictures without detail
_THUMBNAIL = 32  # pixels of a side
_TYPES = {
    "image_hash": "str",
    "pdq": "object",
    "thumbnail": "object",
    "bytes": np.int64,
    **dict.fromkeys(MEASURES, np.float64),
}
_COLUMNS = list(_TYPES)
_VERSION = {
    "looked_at": "PDQ at 320 pixels, thumbnails of 32, six measures"
}  # of the cache: older looks are made again
_KEEP_S = 30.0  # between two writes of the cache while a long look lasts
_WAIT_S = 60.0  # for another run that writes the cache

_log = logging.getLogger(__name__)


class _Photo(NamedTuple):
    """What is to be looked at."""

    image_hash: str
    path: str
    size: tuple[int, int]


def fingerprints(
    table: pd.DataFrame, *, channels: int | None = None, cache: Path | None = None, jobs: int = -1
) -> pd.DataFrame:
    """Look at every photo of a table that was not looked at before; photos of the same bytes are looked at once.

    Args:
        table: Rows of the checked image table.
        channels: How many a photo has that is read as stored, see `maskfold.data.loading.read_image`.
        cache: A Parquet file that keeps what was seen, by the photos' content; a damaged one is made anew.
        jobs: Processes; -1 is one per core.

    Returns:
        By `image_hash`, one row a content: `pdq`, the hash's 32 bytes, empty where it would mean nothing (less than
        64 pixels to a side, no detail, a very large photo that is no JPEG, a photo that cannot be decoded);
        `thumbnail`, 32x32 grey values as bytes, empty where the hash is; `bytes`, the file's size; and `MEASURES`:
        brightness, contrast, saturation and sharpness from 0 to 1, and the mean colour on the axes green-red and
        blue-yellow of Lab, from -128 to 127. What cannot be decoded has no measures.
    """
    known = _read(cache)
    wanted = _photos(table)
    missing = [photo for photo in wanted if photo.image_hash not in known.index]
    if missing:
        known = _look(missing, known, channels=channels, cache=cache, jobs=jobs)
    return known.loc[[photo.image_hash for photo in wanted]]


def unseen(table: pd.DataFrame, cache: Path) -> int:
    """Return how many contents of a table `fingerprints` would have to look at."""
    return len({photo.image_hash for photo in _photos(table)} - {*_read(cache).index})


def _photos(table: pd.DataFrame) -> list[_Photo]:
    """Return one photo of each content that a table has."""
    if "image_hash" not in table:
        return []
    rows = table.dropna(subset="image_hash").drop_duplicates("image_hash")
    sizes = zip(rows["height"].tolist(), rows["width"].tolist(), strict=True)
    return [_Photo(*photo) for photo in zip(rows["image_hash"], rows["image"], sizes, strict=True)]


def _look(
    photos: list[_Photo], known: pd.DataFrame, *, channels: int | None, cache: Path | None, jobs: int
) -> pd.DataFrame:
    """Return what is known together with what is seen now, which is kept now and then, so that a kill loses little."""
    look = partial(_fingerprint, channels=channels)
    seen: list[dict] = []
    failed: list[str] = []
    kept = monotonic()
    for fingerprint, fault in map_unordered(look, photos, "compare photos", jobs=jobs):
        seen.append(fingerprint)
        if fault:
            failed.append(fault)
        if monotonic() - kept > _KEEP_S:
            _write(_with(known, seen), cache)
            kept = monotonic()
    if failed:
        _log.warning(
            "%d photos cannot be compared with others but by their bytes:\n%s", len(failed), listing(sorted(failed))
        )
    known = _with(known, seen)
    _write(known, cache)
    return known


def _fingerprint(photo: _Photo, *, channels: int | None) -> tuple[dict, str]:
    """Return a row of the cache, and why it is empty, "" if it is not."""
    try:
        size = len(read_bytes(photo.path)) if is_place(photo.path) else Path(photo.path).stat().st_size
        rgb = read_small(photo.path, edge=_EDGE, size=photo.size, channels=channels)
    except (MaskfoldError, OSError) as error:
        nothing = {"image_hash": photo.image_hash, "pdq": b"", "thumbnail": b"", "bytes": 0}
        return nothing | dict.fromkeys(MEASURES, np.nan), str(error)
    bits = pdq(rgb, photo.size)
    looks = {"pdq": bits, "thumbnail": thumbnail(rgb) if bits else b"", "bytes": size}
    return {"image_hash": photo.image_hash} | looks | measures(rgb), ""


def pdq(rgb: np.ndarray, size: tuple[int, int]) -> bytes:
    """Return the PDQ hash of (H, W, 3) uint8, 32 bytes; none where it would mean nothing.

    Args:
        rgb: The photo, which may have been made smaller.
        size: Its own (height, width).
    """
    import pdqhash  # which only those need who look

    if min(size) < _LEAST:
        return b""
    bits, quality = pdqhash.compute(rgb)
    return np.packbits(bits.astype(bool)).tobytes() if quality >= _QUALITY else b""


def thumbnail(rgb: np.ndarray) -> bytes:
    """Return (H, W, 3) uint8 as 32x32 grey values, row by row."""
    small = cv2.resize(rgb, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).tobytes()


def measures(rgb: np.ndarray) -> dict[str, float]:
    """Return `MEASURES` of (H, W, 3) uint8."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    saturation = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 1]
    colours = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[..., 1:].mean(axis=(0, 1)) - 128.0
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_16S)).mean()
    values = [grey.mean() / 255, grey.std() / 127.5, saturation.mean() / 255, edges / 1020, *colours]
    return {name: float(value) for name, value in zip(MEASURES, values, strict=True)}


def _with(known: pd.DataFrame, seen: list[dict]) -> pd.DataFrame:
    rows = pd.DataFrame(seen, columns=_COLUMNS).astype(_TYPES).set_index("image_hash")
    return pd.concat([known, rows]) if len(known) else rows


def _read(cache: Path | None) -> pd.DataFrame:
    """Return the cache by `image_hash`, without rows where it is not there, damaged, or of an older look."""
    nothing = pd.DataFrame(columns=_COLUMNS).astype(_TYPES).set_index("image_hash")
    if cache is None or not cache.exists():
        return nothing
    try:
        table = pd.read_parquet(cache)
        if list(table.columns) != _COLUMNS or table.attrs != _VERSION:
            return nothing
        table = table.astype(_TYPES)
        lengths = {"pdq": BITS // 8, "thumbnail": _THUMBNAIL**2}
        if not all({*table[name].map(len)} <= {0, length} for name, length in lengths.items()):
            raise ValueError("hashes or thumbnails of another length")
    except (OSError, ValueError, TypeError) as error:  # pyarrow's are of the first two
        _log.warning("%s is damaged and will be written anew (%s).", cache, error)
        return nothing
    table.attrs = {}
    return table.drop_duplicates("image_hash").set_index("image_hash")


def _write(known: pd.DataFrame, cache: Path | None) -> None:
    """Keep what could be looked at; what could not may be mended files, or more memory, next time."""
    if cache is None:
        return
    rows = known[known["brightness"].notna()].reset_index()[_COLUMNS]
    rows.attrs = _VERSION
    try:
        with locked(cache.parent, wait=_WAIT_S), atomic_path(cache) as part:
            rows.to_parquet(part, index=False)
    except MaskfoldError as error:
        _log.warning("What was seen of the photos is not kept, and looked at again next time: %s", error)


def hashes_of(looks: pd.DataFrame) -> np.ndarray:
    """Return the hashes of fingerprints, none of them empty, as (N, 4) uint64."""
    return np.frombuffer(b"".join(looks["pdq"]), np.uint64).reshape(-1, BITS // 64)


def details_of(looks: pd.DataFrame) -> np.ndarray:
    """Return what thumbnails show beside their light: (N, 1024) float32, each of mean 0 and length 1.

    The product of two is how far their details agree, from -1 to 1.
    """
    thumbnails = np.frombuffer(b"".join(looks["thumbnail"]), np.uint8).reshape(-1, _THUMBNAIL, _THUMBNAIL)
    details = np.empty((len(looks), _THUMBNAIL**2), np.float32)
    for row, grey in zip(details, thumbnails.astype(np.float32), strict=True):
        row[:] = (grey - cv2.GaussianBlur(grey, (0, 0), 2)).ravel()
    details -= details.mean(axis=1, keepdims=True)
    return details / np.maximum(np.linalg.norm(details, axis=1, keepdims=True), 1e-6)
