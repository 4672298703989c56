"""What techniques make of training photos: a sheet with a row a technique, the masks outlined."""

from collections.abc import Mapping

import cv2
import numpy as np
import pandas as pd
from torch.utils.data import default_collate

from maskfold.masks.pictures import BLUE, ORANGE, as_jpeg, as_rgb, draw_outline, write_name
from maskfold.segmentation.mixing import OTHER_MASK
from maskfold.segmentation.parts import SegmentationParts

COUNT = 6  # samples in a row
SIDE = 200  # pixels of the longer


def row_of(parts: SegmentationParts, rows: pd.DataFrame, *, seed: int = 0) -> list[np.ndarray]:
    """Return a few samples of the first epoch as the network is shown them, mixed where they are, `(h, w, 3) uint8`.

    The mask's outline is orange; blue that of the second mask where mixup has laid another photo over it.

    Args:
        parts: Of the training.
        rows: Of the image table, those that are trained on.
        seed: The run's.
    """
    chosen = np.random.default_rng(0).permutation(len(rows))[:COUNT]
    samples = parts.training_set(rows, seed=seed)
    batch = default_collate([samples[0, int(index)] for index in chosen])
    batch = parts.objective(rows, seed=seed).prepared(batch, seed=(0, 0, 0))
    others = batch.get(OTHER_MASK, batch["mask"])
    pictures = []
    for image, mask, other in zip(batch["image"].numpy(), batch["mask"].numpy(), others.numpy(), strict=True):
        pixels = image.transpose(1, 2, 0)
        if pixels.shape[2] == 3 and pixels.max() > 1:  # mixup has made numbers of bytes
            pixels = pixels.clip(0, 255).astype(np.uint8)
        shown = as_rgb(np.ascontiguousarray(pixels))
        scale = SIDE / max(shown.shape)
        small = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for planes, colour in [(other, BLUE)] * (OTHER_MASK in batch) + [(mask, ORANGE)]:
            small = draw_outline(small, (planes.max(axis=0) >= 128).astype(np.uint8), colour, thickness=2)
        pictures.append(small)
    return pictures


def sheet(rows: Mapping[str, list[np.ndarray]]) -> bytes:
    """Return rows of pictures, each with its name, as one JPEG."""
    height = max(picture.shape[0] for row in rows.values() for picture in row)
    width = max(picture.shape[1] for row in rows.values() for picture in row)
    count = max(map(len, rows.values()))
    lines = []
    for name, pictures in rows.items():
        line = np.full((height + 4, count * (width + 4), 3), 255, np.uint8)
        for place, picture in enumerate(pictures):
            left = place * (width + 4)
            line[: picture.shape[0], left : left + picture.shape[1]] = picture
        lines.append(write_name(line, name))
    return as_jpeg(cv2.vconcat(lines))
