"""The pictures of a finding: a photo with its mask, with the mask as it would fit, or two photos that are alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskfold.analysis.cases import Panel
from maskfold.cleaning.edges import TURNS
from maskfold.cleaning.findings import Inspected
from maskfold.cleaning.kinds import EMPTY, OTHER_MASK, SIZE, TURNED, TWIN, UNUSABLE
from maskfold.data.loading import read_image, read_mask
from maskfold.data.windows import is_large
from maskfold.errors import MaskfoldError
from maskfold.masks.pictures import BLUE, ORANGE, Colour, as_rgb, draw_outline, fade, shrink, tint
from maskfold.masks.planes import planes

WIDTH, HEIGHT = 360, 320  # of a picture on the page, pixels at most


class Pictures:
    """Draws findings about a data set, each from its files anew."""

    def __init__(self, inspected: Inspected, *, classes: Sequence[str], channels: int | None):
        """Take what was found, the names of several classes, and how many channels a photo has."""
        self._rows = inspected.rows.set_index("image_id")
        self._turns = inspected.measured.set_index(["image_id", "class"])["turn"]
        self._classes = classes
        self._channels = channels

    def of(self, finding: pd.Series) -> list[Panel]:
        """Return the pictures of a row of findings; none where the photo cannot be shown."""
        if finding["kind"] in (TWIN.name, OTHER_MASK.name):
            return self._pair(finding)
        photo, mask = self._photo(finding["image_id"]), self._mask(finding["image_id"], finding["class"])
        if photo is None:
            return []
        if mask is None or finding["kind"] in (EMPTY.name, UNUSABLE.name):
            return [Panel(photo, "photo")]
        given = Panel(_outlined(photo, mask, ORANGE), "its mask")
        if finding["kind"] == TURNED.name:
            fitting = TURNS[self._turns[finding["image_id"], finding["class"]]](mask)
            return [Panel(photo, "photo"), given, Panel(_outlined(photo, fitting, BLUE), "the mask that would fit")]
        if finding["kind"] == SIZE.name:
            return [given]
        return [Panel(photo, "photo"), given, Panel(tint(fade(photo), mask, ORANGE), "what is object")]

    def _pair(self, finding: pd.Series) -> list[Panel]:
        """Return both photos of a pair with their masks, and where these differ."""
        panels, masks = [], []
        for image_id in (finding["image_id"], finding["partner"]):
            photo, mask = self._photo(image_id), self._mask(image_id, "")
            if photo is None:
                continue
            split = self._rows.at[image_id, "split"]
            image = photo if mask is None else _outlined(photo, mask, ORANGE)
            panels.append(Panel(image, f"{image_id} ({split}){'' if mask is not None else ', without a mask'}"))
            masks += [] if mask is None else [mask]
        if finding["kind"] == OTHER_MASK.name and len(masks) == 2:
            both = tint(tint(fade(self._photo(finding["image_id"])), masks[0], ORANGE), _overlay(*masks), BLUE)
            panels.append(Panel(both, f"orange: object in {finding['image_id']} alone; blue: where they differ"))
        return panels

    def _photo(self, image_id: str) -> np.ndarray | None:
        """Return a photo that fits the page; None where it cannot be read or is very large."""
        row = self._rows.loc[image_id]
        if pd.isna(row["image_hash"]) or is_large(row["height"], row["width"]):
            return None
        try:
            return shrink(as_rgb(read_image(row["image"], channels=self._channels)), width=WIDTH, height=HEIGHT)
        except MaskfoldError:  # of a test photo only the header was looked at
            return None

    def _mask(self, image_id: str, name: str) -> np.ndarray | None:
        """Return the mask of a class, `(H, W) uint8`, or of all together; None where there is none."""
        row = self._rows.loc[image_id]
        if pd.isna(row["mask_hash"]) or is_large(row["mask_height"], row["mask_width"]):
            return None
        masks = planes(read_mask(row["mask"]))
        return masks[[*self._classes].index(name)] if name else masks.max(axis=0)


def _outlined(photo: np.ndarray, mask: np.ndarray, colour: Colour) -> np.ndarray:
    return draw_outline(photo, np.ascontiguousarray(mask), colour, thickness=2)


def _overlay(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return where two masks differ; the second is brought to the size of the first by nearest neighbour."""
    rows = np.arange(one.shape[0]) * other.shape[0] // one.shape[0]
    columns = np.arange(one.shape[1]) * other.shape[1] // one.shape[1]
    return one ^ other[rows[:, None], columns]
