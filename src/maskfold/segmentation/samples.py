"""A few validation photos with what the best weights make of them, always the same photos."""

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import read_image, read_mask
from maskfold.engine.engine import choose_precision
from maskfold.masks.disagreement import signed_difference
from maskfold.masks.pictures import BLUE, ORANGE, as_rgb, colour_probability, draw_outline, fade, shrink, tint
from maskfold.prediction.branches import Branch, channels_of
from maskfold.prediction.in_memory import place, predict_photo

SAMPLES = 4
_WIDTH, _HEIGHT = 640, 640  # of one panel, pixels at most


def choose_samples(rows: pd.DataFrame) -> pd.DataFrame:
    """Return up to `SAMPLES` rows, the middle ones of as many equal parts of the sorted `image_id`s."""
    places = (np.arange(SAMPLES) + 0.5) * len(rows) / SAMPLES
    return rows.sort_values("image_id").iloc[np.unique(places.astype(int))]


def predict_samples(
    branch: Branch, rows: pd.DataFrame, *, batch_size: int, precision: str, accelerator: str
) -> dict[str, np.ndarray]:
    """Predict the samples among `rows` and draw them.

    Args:
        branch: The network and how it is shown a photo.
        rows: Of the image table, with masks.
        batch_size: The most windows in one forward pass.
        precision: Lightning's name, or `auto` as in training.
        accelerator: Lightning's name.

    Returns:
        `image_id -> (h, 3 w, 3) uint8` RGB, see `draw_sample`.

    Raises:
        MaskfoldError: If a photo cannot be read, or the network answers with something that is no number.
    """
    place([branch], accelerator=accelerator)
    precision = choose_precision(precision, accelerator)
    pictures = {}
    for row in choose_samples(rows).itertuples():
        image = read_image(row.image, channels=channels_of([branch]))
        probability = predict_photo(image, [branch], batch_size=batch_size, precision=precision, name=row.image_id)
        pictures[row.image_id] = draw_sample(as_rgb(image), read_mask(row.mask, size=image.shape[:2]), probability)
    return pictures


def draw_sample(image: np.ndarray, mask: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Draw one photo three times, side by side.

    With the outlines of truth (blue) and prediction (orange); pale, with what the prediction misses (blue) and what is
    too much in it (orange); and the probability, dark for 0.

    Args:
        image: `(H, W, 3) uint8`, RGB.
        mask: `(H, W) uint8`, 0 or 1.
        probability: `(H, W) uint8`, 0..255.
    """
    prediction = (probability >= 128).astype(np.uint8)
    difference = signed_difference(prediction, mask)
    small = shrink(image, width=_WIDTH, height=_HEIGHT)
    outlined = draw_outline(draw_outline(small, mask, BLUE, thickness=2), prediction, ORANGE, thickness=2)
    errors = tint(tint(fade(small), difference < 0, BLUE), difference > 0, ORANGE)
    shown = colour_probability(cv2.resize(probability, small.shape[1::-1], interpolation=cv2.INTER_AREA))
    return np.concatenate([outlined, errors, shown], axis=1)
