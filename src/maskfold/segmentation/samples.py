"""A few validation photos with what the best weights make of them, always the same photos."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import read_image, read_mask
from maskfold.masks.disagreement import signed_difference
from maskfold.masks.pictures import BLUE, ORANGE, colour_probability, draw_outline, fade, shrink, tint
from maskfold.prediction.members import load_network
from maskfold.prediction.predictor import predict_photos
from maskfold.prediction.store import ProbabilityStore

SAMPLES = 4
_WIDTH, _HEIGHT = 640, 640  # of one panel, pixels at most


def choose_samples(rows: pd.DataFrame) -> pd.DataFrame:
    """Return up to `SAMPLES` rows, the middle ones of as many equal parts of the sorted `image_id`s."""
    places = (np.arange(SAMPLES) + 0.5) * len(rows) / SAMPLES
    return rows.sort_values("image_id").iloc[np.unique(places.astype(int))]


def predict_samples(checkpoint: Path, rows: pd.DataFrame, **prediction: Any) -> dict[str, np.ndarray]:
    """Predict the samples among `rows` and draw them.

    Args:
        checkpoint: Of a segmentation training.
        rows: Of the image table, with masks.
        prediction: What else `predict_photos` needs.

    Returns:
        `image_id -> (h, 3 w, 3) uint8` RGB, see `draw_sample`.

    Raises:
        MaskfoldError: If the checkpoint or a photo cannot be read, or the network answers with something that is no
            number.
    """
    samples = choose_samples(rows)
    pictures = {}
    with TemporaryDirectory() as folder:
        store = ProbabilityStore(Path(folder))
        predict_photos(load_network(checkpoint), samples, store=store, num_workers=0, devices=1, **prediction)
        for row in samples.itertuples():
            image = read_image(row.image)
            mask = read_mask(row.mask, size=image.shape[:2])
            pictures[row.image_id] = draw_sample(image, mask, store.read(row.image_id))
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
