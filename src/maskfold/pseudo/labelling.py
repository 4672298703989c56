"""Make the pseudo-labels of one fold: score the photos, choose, write masks; resumable at every photo."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold import arrays, files
from maskfold.data.loading import read_image, read_mask, read_soft_mask
from maskfold.ensembling.mean_map import merged_probability
from maskfold.ensembling.recipe import to_mask
from maskfold.ensembling.steps import Opened, steps_for
from maskfold.ensembling.tree import MemberMaps
from maskfold.masks.pictures import as_rgb, class_colours, draw_outline, shrink
from maskfold.masks.planes import planes
from maskfold.parallel import map_unordered

_SHEET = (6, 4)  # columns and rows
_TILE = (240, 200)  # pixels, width and height


@dataclass(frozen=True)
class Labeller:
    """Writes the label of one image.

    Attributes:
        sources: The teachers.
        soft: Keep the probabilities; otherwise cut and post-process as the ensemble does.
        threshold: Of 255; of several classes one for each.
        steps: Post-processing of a mask.
        path: `image_id -> file`.
        exclusive: Whether several classes never overlap.
    """

    sources: tuple[MemberMaps, ...]
    soft: bool
    threshold: int | tuple[int, ...]
    steps: tuple[Opened, ...]
    path: Callable[[str], Path]
    exclusive: bool = False

    def __call__(self, image_id: str) -> None:
        """Write an 8-bit PNG: probabilities with 255 for certain, or a mask of 0 and 255.

        Of several classes it is an array of planes: probabilities likewise, or masks of 0 and 1.
        """
        values = merged_probability(self.sources, image_id)
        if not self.soft:
            steps = steps_for(self.steps, image_id)
            values = to_mask(values, self.threshold, steps, exclusive=self.exclusive)
        path = self.path(image_id)
        if path.suffix == arrays.SUFFIX:
            content = arrays.encode(values)
        else:
            content = cv2.imencode(".png", values if self.soft else values * np.uint8(255))[1].tobytes()
        files.write_bytes(path, content)


def write_labels(labeller: Labeller, image_ids: list[str], *, description: str, jobs: int = -1) -> None:
    """Write every label that is not there yet.

    Args:
        labeller: Who writes.
        image_ids: For whom.
        description: The progress bar's label.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map cannot be read, or a label not be written.
    """
    todo = [image_id for image_id in image_ids if not labeller.path(image_id).exists()]
    for _ in map_unordered(labeller, todo, description, jobs=jobs):
        pass


def draw_sheet(rows: pd.DataFrame, folder: Path, *, soft: bool = True, channels: int | None = None) -> bytes:
    """Draw labels as outlines on their photos, a colour a class, from the surest to the least sure: a JPEG.

    Args:
        rows: Rows of the ledger; an even sample is shown.
        folder: The set's, which the ledger's masks are in.
        soft: Whether these are probabilities.
        channels: Of the photos, see `read_image`.
    """
    columns, lines = _SHEET
    ranked = rows.sort_values("unconfidence", kind="stable")
    chosen = ranked.iloc[np.unique(np.linspace(0, len(ranked) - 1, columns * lines).round().astype(int))]
    tiles = [_tile(row.image, folder / row.mask, soft, channels) for row in chosen.itertuples()]
    height, width = (max(tile.shape[axis] for tile in tiles) for axis in (0, 1))
    sheet = np.full((-(-len(tiles) // columns) * height, min(columns, len(tiles)) * width, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = number // columns * height, number % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    return cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), quality)[1].tobytes()


def _tile(image: str, mask: Path, soft: bool, channels: int | None) -> np.ndarray:
    photo = shrink(as_rgb(read_image(image, channels=channels)), width=_TILE[0], height=_TILE[1])
    is_hard = mask.suffix == arrays.SUFFIX and not soft
    label = read_mask(mask) if is_hard else (read_soft_mask(mask) >= 0.5).astype(np.uint8)
    for plane, colour in zip(planes(label), class_colours(len(planes(label))), strict=True):
        photo = draw_outline(photo, plane, colour, thickness=2)
    return photo
