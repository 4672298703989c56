"""What is measured of each photo with its mask, class by class."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.cleaning.edges import Fit, PhotoEdges
from maskfold.cleaning.outlines import border_share, raggedness
from maskfold.cleaning.remembering import remembered
from maskfold.data.loading import read_image, read_mask
from maskfold.data.windows import are_large
from maskfold.masks.planes import planes

MEASURES = ["plane", *(f"edge_{name}" for name in Fit._fields), "turn", "turn_ratio", "border", "area", "raggedness"]
_KEYS = ["image_hash", "mask_hash"]
_VERSION = "1"  # raised whenever a measure says something else of the same photo and mask


class Pair(NamedTuple):
    """A photo, its mask, and how many channels the photo has, None for RGB of 8 bits."""

    image: str
    mask: str
    channels: int | None


def measurable(rows: pd.DataFrame) -> pd.Series:
    """Tell of each row of the image table whether its photo and mask are there, can be read, and are not very large."""
    return rows["image_hash"].notna() & rows["mask_hash"].notna() & ~are_large(rows)


def measure_pairs(
    rows: pd.DataFrame, *, channels: int | None = None, cache: Path | None = None, jobs: int = -1
) -> pd.DataFrame:
    """Measure every photo with its mask.

    Args:
        rows: Measurable rows of the image table; sizes of photo and mask may differ.
        channels: See `maskfold.data.loading.read_image`.
        cache: Where to remember what was measured, by content.
        jobs: Processes; -1 is one per core.

    Returns:
        A row for each image and class: `image_id`, `plane` (the number of the class, 0 of one class), `edge_ratio`,
        `edge_gain`, `edge_right`, `edge_down` and `edge_weakest` (see `maskfold.cleaning.edges.Fit`), `turn` and
        `turn_ratio` (what has happened to the mask that, undone, makes it fit best), `border` (the share of the
        photo's border that is object), `area` (of all pixels), `raggedness`; NaN where a mask has no outline.

    Raises:
        MaskfoldError: If a file cannot be read.
    """
    askable = {
        (row.image_hash, row.mask_hash): Pair(row.image, row.mask, channels)
        for row in rows[["image", "mask", *_KEYS]].itertuples()
    }
    version = f"{_VERSION}, {channels} channels"
    measured = remembered(
        measure,
        askable,
        keys=_KEYS,
        columns=MEASURES,
        cache=cache,
        version=version,
        description="measure masks",
        jobs=jobs,
    )
    whole = rows[["image_id", *_KEYS]].merge(measured, on=_KEYS)[["image_id", *MEASURES]]
    return whole.sort_values(["image_id", "plane"], ignore_index=True)


def measure(pair: Pair) -> list[tuple]:
    """Return a row of `MEASURES` for each class of a mask."""
    edges = PhotoEdges(read_image(pair.image, channels=pair.channels))
    return [(plane, *_measure(edges, mask)) for plane, mask in enumerate(planes(read_mask(pair.mask)))]


def _measure(edges: PhotoEdges, mask: np.ndarray) -> tuple:
    turn, turn_ratio = edges.best_turn(mask)
    return *edges.fit(mask), turn, turn_ratio, border_share(mask), float(mask.mean()), raggedness(mask)
