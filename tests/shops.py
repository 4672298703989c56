"""Shops for tests: photos of noise, no two alike, with a table that says of which product each is."""

from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pandas as pd


def noise(seed: int) -> np.ndarray:
    """Return a photo of 80x80 pixels of its own: blocks of any colour."""
    blocks = np.random.default_rng(seed).integers(0, 255, (10, 10, 3), np.uint8)
    return cv2.resize(blocks, (80, 80), interpolation=cv2.INTER_LINEAR)


def stock(root: Path, rows: list[dict[str, str]]) -> None:
    """Write `labels.csv`, and the photos that are not there yet.

    Args:
        root: The folder.
        rows: `path` and `label` at least; `of` names the photo that one is a copy of, byte for byte.
    """
    root.mkdir(parents=True, exist_ok=True)
    for row in rows:
        path = root / row["path"]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), noise(crc32(row.get("of", row["path"]).encode())))
    pd.DataFrame(rows).drop(columns="of", errors="ignore").to_csv(root / "labels.csv", index=False)


def shelf(label: str, count: int, month: str = "2026-01", *, start: int = 0, **more: str) -> list[dict[str, str]]:
    """Return rows of one product."""
    numbers = range(start, start + count)
    return [{"path": f"{label}/{number}.png", "label": label, "month": month, **more} for number in numbers]
