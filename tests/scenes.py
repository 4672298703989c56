"""Photos that hardly look like one another, and the image table of a folder of them."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import content_hash


def scene(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB: coarse and fine colours by chance, as in no other scene."""
    rng = np.random.default_rng(seed)
    layers = [rng.normal(0, strength, (cells, cells, 3)) for cells, strength in ((3, 40), (7, 30), (20, 12))]
    grown = [cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC) for layer in layers]
    return np.clip(120 + sum(grown), 0, 230).astype(np.uint8)


def copied(photo: np.ndarray) -> np.ndarray:
    """Return a near-copy: scaled to 0.7, 8 % lighter, compressed with quality 40."""
    height, width = photo.shape[:2]
    less = cv2.resize(photo, (round(width * 0.7), round(height * 0.7)), interpolation=cv2.INTER_AREA)
    lighter = np.clip(less * 1.08, 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", lighter, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)


def table_of(folder: Path, photos: dict[str, np.ndarray], *, test: set[str] = frozenset()) -> pd.DataFrame:
    """Write photos as PNGs, and return their image table, each photo a group of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for image_id, photo in photos.items():
        path = folder / f"{image_id}.png"
        cv2.imwrite(str(path), photo)
        rows.append(
            {
                "image_id": image_id,
                "image": str(path),
                "group": image_id,
                "view": "",
                "split": "test" if image_id in test else "train",
                "height": photo.shape[0],
                "width": photo.shape[1],
                "image_hash": content_hash(path),
            }
        )
    return pd.DataFrame(rows)
