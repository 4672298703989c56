"""What a recipe looks at in the data: sizes, counts, groups, and how thin the objects are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.data.windows import are_large
from maskfold.masks.planes import planes

_SAMPLE = 60  # masks that are opened; the median of more would hardly differ


@dataclass(frozen=True)
class DataLook:
    """What the rules go by.

    Attributes:
        photos: With masks.
        test: Photos to predict.
        groups: Of the photos with masks.
        height: Pixels, the median.
        width: Pixels, the median.
        one_size: Whether all photos, those to predict too, have it.
        spread: The ninth decile of the photos' long sides, divided by the first.
        area: The median share of a photo that is object, where there is one.
        empty: The share of photos without an object.
        thickness: The median width of the objects as a share of the photo's long side; None where nothing was measured.
        channels: Of a photo as it is stored; None for RGB.
        classes: How many.
        exclusive: Whether they never overlap.
        very_large: Whether a photo is, see `maskfold.data.windows`; such a one is only read in windows.
    """

    photos: int
    test: int
    groups: int
    height: int
    width: int
    one_size: bool
    spread: float
    area: float
    empty: float
    thickness: float | None
    channels: int | None = None
    classes: int = 1
    exclusive: bool = False
    very_large: bool = False

    @property
    def long(self) -> int:
        """Pixels of the long side."""
        return max(self.height, self.width)


def look_at(
    table: pd.DataFrame, *, channels: int | None = None, classes: Sequence[str] = (), exclusive: bool = False
) -> DataLook:
    """Look at a checked image table, and into some of its masks.

    Args:
        table: With at least one train photo.
        channels: See `maskfold.data.source.Source`, as the next two.
        classes: Their names; empty for one.
        exclusive: Whether they never overlap.
    """
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    seen = pd.concat([train, test])
    long = seen[["height", "width"]].max(axis=1)
    areas = train["mask_area"].dropna()
    return DataLook(
        photos=len(train),
        test=len(test),
        groups=train["group"].nunique(),
        height=int(train["height"].median()),
        width=int(train["width"].median()),
        one_size=len(seen[["height", "width"]].drop_duplicates()) == 1,
        spread=float(long.quantile(0.9) / long.quantile(0.1)),
        area=float(areas[areas > 0].median()) if (areas > 0).any() else 0.0,
        empty=float((areas == 0).mean()) if len(areas) else 0.0,
        thickness=_thickness(train),
        channels=channels,
        classes=max(1, len(classes)),
        exclusive=exclusive,
        very_large=bool(are_large(seen).any()),
    )


def _thickness(train: pd.DataFrame) -> float | None:
    """Return the median over a sample of masks, always the same, that have an object and are not very large."""
    rows = train[train["mask"].notna() & (train["mask_area"] > 0) & ~are_large(train)].sort_values("image_id")
    if rows.empty:
        return None
    chosen = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, _SAMPLE).astype(int))]
    widths = [mean_width(plane) / max(plane.shape) for path in chosen["mask"] for plane in planes(read_mask(path))]
    return float(np.median([width for width in widths if width > 0]))


def mean_width(mask: np.ndarray) -> float:
    """Return how wide the objects of a mask are, pixels: twice the area by the pixels of the outline, 0 of none.

    A long stripe has its own width, a disc its radius.

    Args:
        mask: (H, W) uint8, 0 or 1. The photo's border is no outline.
    """
    inside = np.pad(mask > 0, 1, mode="edge")
    core = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    area, outline = int(mask.sum()), int((inside[1:-1, 1:-1] & ~core).sum())
    return 2 * area / max(outline, 1)
