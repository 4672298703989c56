"""A few validation photos with what the best weights make of them, always the same photos."""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.data.shown import PhotoFile
from maskfold.data.windows import are_large
from maskfold.engine.precision import choose_precision
from maskfold.masks.disagreement import signed_difference
from maskfold.masks.pictures import (
    BLUE,
    ORANGE,
    as_rgb,
    colour_probability,
    draw_outline,
    fade,
    shrink,
    tint,
    write_name,
)
from maskfold.masks.planes import planes
from maskfold.prediction.branches import Branch, channels_of
from maskfold.prediction.in_memory import place, predict_photo

SAMPLES = 4
SIDE = 640  # of one panel, pixels at most
SIDE_OF_SEVERAL = 320  # where there is a row for each class


def choose_samples(rows: pd.DataFrame) -> pd.DataFrame:
    """Return up to `SAMPLES` rows, the middle ones of as many equal parts of the sorted `image_id`s."""
    if rows.empty:
        return rows
    places = (np.arange(SAMPLES) + 0.5) * len(rows) / SAMPLES
    return rows.sort_values("image_id").iloc[np.unique(places.astype(int))]


def predict_samples(
    branch: Branch,
    rows: pd.DataFrame,
    *,
    batch_size: int,
    precision: str,
    accelerator: str,
    classes: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Predict the samples among `rows` and draw them.

    Args:
        branch: The network and how it is shown a photo.
        rows: Of the image table, with masks.
        batch_size: The most windows in one forward pass.
        precision: Lightning's name, or `auto` as in training.
        accelerator: Lightning's name.
        classes: The names of several classes; none for one.

    Returns:
        `image_id -> (h, 3 w, 3) uint8` RGB, see `draw_sample`; of several classes one below the other.

    Raises:
        MaskfoldError: If a photo cannot be read, or the network answers with something that is no number.
    """
    place([branch], accelerator=accelerator)
    precision = choose_precision(precision, accelerator)
    pictures = {}
    for row in choose_samples(rows[~are_large(rows)]).itertuples():  # others are read by windows alone
        photo = PhotoFile(row.image, channels=channels_of([branch]))
        probability = predict_photo(photo, [branch], batch_size=batch_size, precision=precision, name=row.image_id)
        image = photo.pixels
        mask = read_mask(row.mask, size=image.shape[:2])
        pictures[row.image_id] = draw_classes(as_rgb(image), mask, probability, classes)
    return pictures


def draw_classes(
    image: np.ndarray, mask: np.ndarray, probability: np.ndarray, classes: Sequence[str] = ()
) -> np.ndarray:
    """Draw one photo as `draw_sample` does; of several classes a row for each, with its name.

    Args:
        image: `(H, W, 3) uint8`, RGB.
        mask: `(H, W)` or `(C, H, W) uint8`, 0 or 1.
        probability: `(H, W)` or `(C, H, W) uint8`, 0..255.
        classes: C names; none for one class.
    """
    if not classes:
        return draw_sample(image, mask, probability)
    rows = zip(classes, planes(mask), planes(probability), strict=True)
    return np.concatenate(
        [write_name(draw_sample(image, *one, side=SIDE_OF_SEVERAL), name) for name, *one in rows], axis=0
    )


def draw_sample(image: np.ndarray, mask: np.ndarray, probability: np.ndarray, *, side: int = SIDE) -> np.ndarray:
    """Draw one photo three times, side by side.

    With the outlines of truth (blue) and prediction (orange); pale, with what the prediction misses (blue) and what is
    too much in it (orange); and the probability, dark for 0.

    Args:
        image: `(H, W, 3) uint8`, RGB.
        mask: `(H, W) uint8`, 0 or 1.
        probability: `(H, W) uint8`, 0..255.
        side: Of each picture, pixels at most.
    """
    prediction = (probability >= 128).astype(np.uint8)
    difference = signed_difference(prediction, mask)
    small = shrink(image, width=side, height=side)
    outlined = draw_outline(draw_outline(small, mask, BLUE, thickness=2), prediction, ORANGE, thickness=2)
    errors = tint(tint(fade(small), difference < 0, BLUE), difference > 0, ORANGE)
    shown = colour_probability(cv2.resize(probability, small.shape[1::-1], interpolation=cv2.INTER_AREA))
    return np.concatenate([outlined, errors, shown], axis=1)
