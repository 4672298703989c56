"""One photo and its map become one picture of the object alone: pure, in memory, and in threads if you like."""

from dataclasses import replace

import cv2
import numpy as np

from maskfold.cutout.alpha import INSIDE, hard_alpha, reach_of, soft_alpha, softened
from maskfold.cutout.colours import COLOURS
from maskfold.cutout.frames import Box, NewBackdrop, box_of, frame, grown, placed, scaled
from maskfold.cutout.matting import matted_alpha
from maskfold.cutout.options import CutoutOptions
from maskfold.errors import MaskfoldError

_AROUND = 0.05  # of the object's longer side: how much of the old backdrop its colours are told apart by
_LEAST_AROUND = 24  # pixels


class NoObjectError(MaskfoldError):
    """A map has no object in it."""


def cut_out(
    photo: np.ndarray, probability: np.ndarray, options: CutoutOptions, backdrop: NewBackdrop | None = None
) -> np.ndarray:
    """Return an object without what was behind it.

    Args:
        photo: `(H, W, 3) uint8`, RGB, upright.
        probability: Its map, `(H, W) uint8`, round(255 p).
        options: How it is to look; their `backdrop` is not read here.
        backdrop: What to lay it on; None for alpha.

    Returns:
        `(h, w, 4) uint8` RGBA, black where it is transparent; on a backdrop `(h, w, 3) uint8`.

    Raises:
        NoObjectError: If there is no object, and `options.empty` is `fail`.
        MaskfoldError: If the map is of another size.
    """
    height, width = probability.shape
    if photo.shape[:2] != probability.shape:
        raise MaskfoldError(f"the map is of {width}x{height} pixels, the photo of {photo.shape[1]}x{photo.shape[0]}.")
    probability = without_crumbs(probability, options.crumbs)
    inside = probability >= INSIDE
    object_box = box_of(inside) if inside.any() else None
    if object_box is None and options.empty == "fail":
        raise NoObjectError("no object")
    margin = options.margin if options.crop else None
    shown = frame(object_box, height, width, margin=margin, square=options.square)
    if object_box is None:
        picture = np.zeros((shown[1] - shown[0], shown[3] - shown[2], 4), np.uint8)
    else:
        box = grown(object_box, _around(object_box), height, width)
        picture = placed(_object(photo, probability, box, options), box, shown)
    picture = scaled(picture, options.max_side)
    return picture if backdrop is None else backdrop.behind(picture)


def cut_out_drawn(
    photo: np.ndarray, mask: np.ndarray, options: CutoutOptions, backdrop: NewBackdrop | None = None
) -> np.ndarray:
    """Return an object by the mask that a person has drawn, `(H, W) uint8`, 0 or 1; else as `cut_out`.

    Small pieces stay: a person has left them there.
    """
    return cut_out(photo, softened(mask, reach_of(*mask.shape)), replace(options, crumbs=0.0), backdrop)


def without_crumbs(probability: np.ndarray, percent: float) -> np.ndarray:
    """Return a map without the pieces that are smaller than so many percent of its largest one, `(H, W) uint8`."""
    inside = (probability >= INSIDE).view(np.uint8)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    if count <= 2 or areas.min() >= percent / 100 * areas.max():
        return probability
    kept = np.concatenate([[True], areas >= percent / 100 * areas.max()])
    return np.where(kept[labels], probability, 0).astype(np.uint8)


def _object(photo: np.ndarray, probability: np.ndarray, box: Box, options: CutoutOptions) -> np.ndarray:
    """Return the object within a box of its photo, `(h, w, 4) uint8` RGBA."""
    reach = reach_of(*probability.shape)
    part = (slice(*box[:2]), slice(*box[2:]))
    photo, probability = np.ascontiguousarray(photo[part]), np.ascontiguousarray(probability[part])
    alpha = hard_alpha(probability) if options.alpha == "hard" else soft_alpha(probability, reach)
    if options.alpha == "matting":
        alpha = matted_alpha(photo, probability, alpha, reach)
    levels = np.rint(255 * alpha).astype(np.uint8)
    colours = COLOURS[options.colour](photo, alpha)
    return np.dstack([np.where(levels[..., None] > 0, colours, 0), levels])


def _around(box: Box) -> int:
    return max(round(_AROUND * max(box[1] - box[0], box[3] - box[2])), _LEAST_AROUND)
