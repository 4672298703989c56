"""The order of a training table's runs, by its masks where they are there as pictures, else by its photos."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from maskfold.data.headers import image_size
from maskfold.data.loading import read_mask
from maskfold.errors import MaskfoldError
from maskfold.joining.evidence import Runs, by_masks, first_pixel
from maskfold.joining.guesses import Guess
from maskfold.joining.looks import Header, read_photo
from maskfold.joining.shapes import is_runs
from maskfold.masks import rle
from maskfold.masks.orientation import MOST_PIXELS, judge_order

Item = TypeVar("Item")

MOST = 400  # photos whose runs are looked at
_KEPT = 10 * MOST_PIXELS  # of the masks that are kept at once, a byte each


class TrainRow(NamedTuple):
    """A row of a training table that has runs: the photo without suffix, the class, and the runs."""

    photo: str
    label: str
    runs: Runs


class Judgement(NamedTuple):
    """Order and first pixel, None where they cannot be told; and why the order cannot."""

    order: Guess | None
    start: Guess | None
    reason: str


def drawn_masks(rows: pd.DataFrame, files: Mapping[str, Path]) -> dict[str, np.ndarray]:
    """Return masks `(H, W) uint8` of photos of one row that are there as pictures too, a bounded number of them.

    Args:
        rows: As `maskfold.joining.shapes.TableShape` has them.
        files: Pictures of masks, by the names of their photos without suffix.
    """
    once = ~rows["photo"].duplicated(keep=False)
    both = [photo for photo in rows.loc[once, "photo"].dropna() if photo in files]
    masks, pixels = {}, 0
    for photo in _some(both):
        height, width = image_size(files[photo])
        pixels += height * width
        if pixels > _KEPT:
            break
        masks[photo] = read_mask(files[photo])
    return masks


def rows_with_runs(rows: pd.DataFrame, looks: Mapping[str, Header], *, empty: str | None, file: Path) -> list[TrainRow]:
    """Return the rows that have runs and a photo.

    Args:
        rows: As `maskfold.joining.shapes.TableShape` has them.
        looks: Sizes of photos, by their names without suffix.
        empty: What stands for an empty mask, if that is known.
        file: For messages.

    Raises:
        MaskfoldError: If a run ends beyond its photo.
    """
    kept = []
    for number, (photo, label, text) in enumerate(rows.itertuples(index=False), 2):
        if photo not in looks or not is_runs(text) or text.strip() == empty:
            continue
        runs = Runs(rle.parse(text), looks[photo].height, looks[photo].width)
        end, pixels = runs.pairs.sum(axis=1).max() - 1, runs.height * runs.width
        if end > pixels:
            raise MaskfoldError(
                f"{file}, line {number}: its runs end at pixel {end}, and {photo} has {runs.width}x{runs.height} = "
                f"{pixels}. Name the photos that this table is of."
            )
        kept.append(TrainRow(photo, label, runs))
    return kept


def judge(
    rows: Sequence[TrainRow],
    photos: Mapping[str, Path],
    looks: Mapping[str, Header],
    masks: Mapping[str, np.ndarray],
    *,
    file: Path,
) -> Judgement:
    """Return the order and the first pixel.

    Args:
        rows: As `rows_with_runs` returns them.
        photos: Files by their names without suffix.
        looks: Their headers.
        masks: As `drawn_masks` returns them.
        file: The table, for messages.

    Raises:
        MaskfoldError: If runs are not the masks that are there.
    """
    runs = [row.runs for row in rows]
    drawn = [(row.runs, masks[row.photo]) for row in rows if row.photo in masks and masks[row.photo].any()]
    order = start = None
    if drawn:
        try:
            order, start = by_masks(drawn)
        except MaskfoldError as error:
            raise MaskfoldError(f"{file}: {error}") from error
    start = start or first_pixel(runs, [order.value] if order else rle.ORDERS)
    if order is not None:
        return Judgement(order, start, "")
    verdict = judge_order(_with_photos(rows, photos, looks, shift=1 if start is not None and start.value == 0 else 0))
    if not (verdict.order and verdict.certain):
        return Judgement(None, start, verdict.evidence)
    return Judgement(Guess(verdict.order, verdict.evidence), start or first_pixel(runs, [verdict.order]), "")


def _some(items: Sequence[Item]) -> list[Item]:
    """Return items from all over a list, a bounded number."""
    return [items[number] for number in np.random.default_rng(0).permutation(len(items))[:MOST]]


def _with_photos(
    rows: Sequence[TrainRow], photos: Mapping[str, Path], looks: Mapping[str, Header], *, shift: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield runs counted from 1 and the pixels of their photo; of no very large ones."""
    for row in _some([row for row in rows if row.runs.height * row.runs.width <= MOST_PIXELS]):
        yield row.runs.pairs + np.array([shift, 0]), read_photo(photos[row.photo], looks[row.photo])


def overlaps(rows: Sequence[TrainRow]) -> tuple[int, int]:
    """Return how many photos have masks of several classes, and in how many of these some of them overlap."""
    by_photo: dict[str, dict[str, list[Runs]]] = {}
    for row in rows:
        by_photo.setdefault(row.photo, {}).setdefault(row.label, []).append(row.runs)
    several = [[*classes.values()] for classes in by_photo.values() if len(classes) > 1][:MOST]
    return len(several), sum(map(_overlap, several))


def _overlap(masks: Sequence[Sequence[Runs]]) -> bool:
    """Tell whether any pixel is in two masks, each of one list of runs or several."""
    pixels = np.concatenate([np.unique(np.concatenate([_numbers(runs) for runs in mask])) for mask in masks])
    return len(np.unique(pixels)) < len(pixels)


def _numbers(runs: Runs) -> np.ndarray:
    return np.concatenate([np.arange(start, start + length) for start, length in runs.pairs.tolist()])
