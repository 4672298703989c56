"""Mean and standard deviation of each channel of a data set's photos, which stand in for ImageNet's."""

import hashlib
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.data.loading import read_image
from maskfold.data.windows import are_large, bands, open_photo
from maskfold.errors import MaskfoldError
from maskfold.parallel import map_unordered

FILE = "statistics.json"
SAMPLE = 300  # photos: the mean of a thousand more would differ in its third digit
_KEPT = 50  # entries of the file, the newest: a fold of a split has one
_BLOCK = 2**20  # pixels that are numbers of double precision at a time
_DIGITS = 6  # significant, so that another order of the same sums gives the same numbers

_log = logging.getLogger(__name__)


class Moments(NamedTuple):
    """What is known of some pixels of each channel: `(C,) float64` counts, means and sums of squared differences."""

    count: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    def and_of(self, others: "Moments") -> "Moments":
        """Return those of both sets of pixels (Chan, Golub and LeVeque 1979)."""
        count = self.count + others.count
        share = others.count / np.maximum(count, 1)
        difference = others.mean - self.mean
        mean = self.mean + difference * share
        return Moments(count, mean, self.squares + others.squares + difference**2 * self.count * share)


def channel_statistics(photos: pd.DataFrame, *, channels: int, folder: Path, jobs: int = -1) -> dict[str, list[float]]:
    """Return `mean` and `std` of each channel over photos, or over a sample of `SAMPLE` of them, always the same.

    Pixels that are no numbers are left out. A channel of one value has a standard deviation of 1, so that it can be
    divided by; one without a number a mean of 0.

    Args:
        photos: Rows of the image table with `image` and `image_hash`.
        channels: How many each photo has.
        folder: The data set's; what was computed is kept there in `statistics.json`, by the photos' content.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a photo cannot be read, or some have 8 bits and others have not.
    """
    sample = photos.drop_duplicates("image_hash").sort_values("image_hash", ignore_index=True)
    if len(sample) > SAMPLE:
        sample = sample.iloc[np.sort(np.random.default_rng(0).choice(len(sample), SAMPLE, replace=False))]
    key = hashlib.sha256("\n".join([str(channels), *sample["image_hash"]]).encode()).hexdigest()[:32]
    known = _read(folder / FILE)
    if key not in known:
        known[key] = _statistics(sample, channels, jobs) | {"photos": len(sample)}
        _remember(folder / FILE, {key: known[key]})
    return {name: known[key][name] for name in ("mean", "std")}


def moments(image: np.ndarray) -> Moments:
    """Return the moments of a photo, `(H, W, C)` uint8 or float32; what is no number is left out."""
    pixels = image.reshape(-1, image.shape[2])
    total = Moments(*(np.zeros(image.shape[2]) for _ in Moments._fields))
    for start in range(0, len(pixels), _BLOCK):
        block = pixels[start : start + _BLOCK].astype(np.float64)
        is_number = np.isfinite(block)
        count = is_number.sum(axis=0).astype(np.float64)
        mean = np.sum(block, axis=0, where=is_number) / np.maximum(count, 1)
        total = total.and_of(Moments(count, mean, np.sum((block - mean) ** 2, axis=0, where=is_number)))
    return total


def _statistics(sample: pd.DataFrame, channels: int, jobs: int) -> dict[str, list[float]]:
    look, paths = partial(_look, channels=channels), sample["image"].tolist()
    photos = zip(range(len(paths)), paths, are_large(sample).tolist(), strict=True)
    looks = sorted(map_unordered(look, photos, "measure channels", total=len(paths), jobs=jobs))
    examples = {is_bytes: paths[number] for number, is_bytes, _ in looks}
    if len(examples) > 1:
        raise MaskfoldError(
            f"{examples[True]} has 8 bits and {examples[False]} has more: their values are in other units, and no mean "
            "is one of both. Save all photos of the data in one way."
        )
    total = looks[0][2]
    for _, _, one in looks[1:]:  # in one order, whichever was done first
        total = total.and_of(one)
    std = np.sqrt(total.squares / np.maximum(total.count, 1))
    return {"mean": [*_rounded(total.mean)], "std": [*_rounded(np.where(std > 0, std, 1.0))]}


def _look(photo: tuple[int, str, bool], *, channels: int) -> tuple[int, bool, Moments]:
    """Return a photo's number, whether it has 8 bits, and its moments; a very large one is read by bands."""
    number, path, is_large = photo
    picture = open_photo(path, channels=channels) if is_large else read_image(path, channels=channels)
    windows = bands(*picture.shape[:2]) if is_large else [(slice(None), slice(None))]
    total, is_bytes = None, False
    for window in windows:
        part = picture[window]
        total = moments(part) if total is None else total.and_of(moments(part))
        is_bytes = part.dtype == np.uint8
    return number, is_bytes, total


def _rounded(values: np.ndarray) -> Iterator[float]:
    return (float(f"{value:.{_DIGITS}g}") for value in values)


def _remember(path: Path, entry: dict[str, dict]) -> None:
    """Add an entry to the file; a run that cannot, because the folder is read-only or held by another, goes on."""
    try:
        with files.locked(path.parent):
            files.write_json(path, dict([*(_read(path) | entry).items()][-_KEPT:]))
    except MaskfoldError as error:
        _log.warning("The means of the channels are not remembered for the next fold: %s", error)


def _read(path: Path) -> dict[str, dict]:
    """Return what is kept; nothing of a file that is damaged, which is written anew."""
    try:
        known = files.read_json(path) if path.exists() else {}
    except MaskfoldError as error:
        _log.warning("%s", error)
        return {}
    return {key: entry for key, entry in known.items() if isinstance(entry, dict) and {"mean", "std"} <= entry.keys()}
