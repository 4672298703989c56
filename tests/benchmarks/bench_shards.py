"""Measure photos read from shards against photos in files: `python tests/benchmarks/bench_shards.py`.

Both in the order that training reads them in, in one process, with warm pages: the work is compared, and not a disk.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from measure import BASELINE, compete, publish

from maskfold.data.labelled import LabelTable
from maskfold.data.loading import read_bytes, read_image
from maskfold.engine.chunked import Chunks
from maskfold.engine.sampling import EpochSampler
from maskfold.shards.source import ShardedPhotos, in_chunks
from maskfold.shards.writing import write_shards

PHOTOS = int(os.environ.get("BENCH_PHOTOS", "1000"))
HEIGHT, WIDTH = 348, 464  # of most photos of Grocery
ROUNDS = 5


def draw(root: Path) -> Path:
    """Draw photos, and a table of their labels."""
    root.mkdir()
    for number in range(PHOTOS):
        noise = np.random.default_rng(number).normal(128, 40, (HEIGHT // 8, WIDTH // 8, 3)).clip(0, 255)
        photo = cv2.resize(noise.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(root / f"{number}.jpg"), photo)
    names = [f"{number}.jpg" for number in range(PHOTOS)]
    pd.DataFrame({"path": names, "label": "product", "month": "2026-01"}).to_csv(root / "labels.csv", index=False)
    return root


def order_of(table: pd.DataFrame) -> list[str]:
    """Return the photos in the order of a first epoch."""
    places = in_chunks(table)
    chunks = None if places is None else Chunks(*places)
    return table["image"].iloc[EpochSampler(len(table), seed=0, shuffle=True, chunks=chunks).samples()].tolist()


def read(paths: list[str], *, decode: bool) -> int:
    """Read photos, and decode them; return their bytes or pixels, the same whatever their order."""
    act = (lambda path: read_image(path).size) if decode else (lambda path: len(read_bytes(path)))
    return sum(act(path) for path in paths)


def main() -> None:
    """Compare reading alone, and reading with decoding."""
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        files = LabelTable(root=str(draw(Path("photos").resolve()))).as_found()
        write_shards(files, f"{name}/shards", chunk_bytes=4 * 10**6)  # enough chunks for a window to be a part of them
        orders = {BASELINE: order_of(files), "shards": order_of(ShardedPhotos(root=f"{name}/shards").as_found())}
        tables = []
        for case, decode in (("read", False), ("read and decode", True)):
            ways = {way: partial(read, paths, decode=decode) for way, paths in orders.items()}
            tables.append(compete(ways, rounds=ROUNDS, items=PHOTOS).assign(case=case))
    os.chdir(Path(__file__).parents[2])
    publish("shards", pd.concat(tables, ignore_index=True), photos=PHOTOS, size=f"{WIDTH}x{HEIGHT}")


if __name__ == "__main__":
    sys.exit(main())
