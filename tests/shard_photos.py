"""Labelled photos of several months, tiny, for what is put in shards."""

from pathlib import Path

import numpy as np
import pandas as pd
import simplejpeg


def labelled_photos(root: Path, count: int, *, months: int = 2) -> Path:
    """Draw so many photos of 24x32 with a table of their labels, `labels.csv`; every seventh has no month."""
    root.mkdir(parents=True)
    rows = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 32, 3), dtype=np.uint8)
        (root / f"{number:03d}.jpg").write_bytes(simplejpeg.encode_jpeg(pixels))
        month = "" if number % 7 == 6 else f"2026-{number % months + 1:02d}"
        rows.append([f"{number:03d}.jpg", f"product {number % 5}", month, "test" if number % 10 == 9 else "train", "x"])
    table = pd.DataFrame(rows, columns=["path", "label", "month", "split", "shelf"])
    table.to_csv(root / "labels.csv", index=False)
    return root
