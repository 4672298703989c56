"""The pictures of a finding: a photo with its mask, with the mask as it would fit, or two photos that are alike."""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from maskfold.analysis.cases import Panel
from maskfold.cleaning.edges import TURNS
from maskfold.cleaning.findings import Inspected
from maskfold.cleaning.kinds import ALIKE, EMPTY, MISFIT, OTHER_LABEL, OTHER_MASK, SIZE, TURNED, TWIN, UNUSABLE
from maskfold.cleaning.suspicions import is_moved
from maskfold.data.loading import read_image, read_mask
from maskfold.data.table import LABEL
from maskfold.data.windows import is_large
from maskfold.errors import MaskfoldError
from maskfold.masks.pictures import BLUE, ORANGE, Colour, as_rgb, draw_outline, fade, shrink, tint
from maskfold.masks.planes import planes

WIDTH, HEIGHT = 340, 320  # of a picture on the page, pixels at most


class Pictures:
    """Draws findings about a data set, each from its files anew."""

    def __init__(self, inspected: Inspected, *, classes: Sequence[str], channels: int | None):
        """Take what was found, the names of several classes, and how many channels a photo has."""
        self._rows = inspected.rows.set_index("image_id")
        self._measured = inspected.measured.set_index(["image_id", "class"])
        self._classes = classes
        self._channels = channels

    def of(self, finding: pd.Series) -> list[Panel]:
        """Return the pictures of a row of findings; none where the photo cannot be shown."""
        if finding["kind"] in (TWIN.name, OTHER_MASK.name, OTHER_LABEL.name, ALIKE.name):
            return self._pair(finding)
        photo, mask = self._photo(finding["image_id"]), self._mask(finding["image_id"], finding["class"])
        if photo is None:
            return []
        if mask is None or finding["kind"] in (EMPTY.name, UNUSABLE.name):
            return [Panel(photo, "photo")]
        given = Panel(_outlined(photo, mask, ORANGE), "its mask")
        fitting = self._fitting(finding, mask)
        if fitting is not None:
            said = "the mask that would fit" if finding["kind"] == TURNED.name else "where it fits better"
            return [Panel(photo, "photo"), given, Panel(_outlined(photo, fitting, BLUE), said)]
        if finding["kind"] == SIZE.name:
            return [given]
        return [Panel(photo, "photo"), given, Panel(tint(fade(photo), mask, ORANGE), "what is object")]

    def _fitting(self, finding: pd.Series, mask: np.ndarray) -> np.ndarray | None:
        """Return a mask as it would fit, turned or moved; None where nothing says how."""
        if finding["kind"] not in (TURNED.name, MISFIT.name):
            return None
        measured = self._measured.loc[(finding["image_id"], finding["class"])]
        if finding["kind"] == TURNED.name:
            return TURNS[measured["turn"]](mask)
        if not is_moved(measured["edge_gain"]):
            return None
        right, down = round(measured["edge_right"] * mask.shape[1]), round(measured["edge_down"] * mask.shape[0])
        return cv2.warpAffine(mask, np.float32([[1, 0, right], [0, 1, down]]), mask.shape[::-1])

    def _pair(self, finding: pd.Series) -> list[Panel]:
        """Return both photos of a pair with their masks, and where these differ."""
        panels, masks = [], []
        for image_id in (finding["image_id"], finding["partner"]):
            photo, mask = self._photo(image_id), self._mask(image_id, "")
            if photo is None:
                continue
            split = self._rows.at[image_id, "split"]
            image = photo if mask is None else _outlined(photo, mask, ORANGE)
            panels.append(Panel(image, f"{image_id} ({split}){self._about(image_id, mask)}"))
            masks += [] if mask is None else [mask]
        if finding["kind"] == OTHER_MASK.name and len(masks) == 2:
            said = f"object in {finding['image_id']} alone orange, in {finding['partner']} alone blue"
            panels.append(Panel(_difference(self._photo(finding["image_id"]), *masks), said))
        return panels

    def _about(self, image_id: str, mask: np.ndarray | None) -> str:
        """Say which label a photo has, or that it has no mask."""
        if LABEL in self._rows:
            label = self._rows.at[image_id, LABEL]
            return ", without a label" if pd.isna(label) else f": {label}"
        return "" if mask is not None else ", without a mask"

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


def _difference(photo: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Draw on a faded photo where two masks differ, one pixel of theirs as large as one of its own."""
    other = cv2.resize(other, one.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    grown = np.ones((max(1, round(one.shape[0] / photo.shape[0])),) * 2, np.uint8)
    image = tint(fade(photo), cv2.dilate(one & (1 - other), grown), ORANGE)
    return tint(image, cv2.dilate(other & (1 - one), grown), BLUE)
