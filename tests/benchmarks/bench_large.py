"""Measure the memory of a very large picture, predicted and encoded: `python tests/benchmarks/bench_large.py`.

The network is a tiny one, so that a CPU core is done in minutes: what is measured is all that is not the network. One
process does all steps, as a stage does; its peak, libraries included, is set back before each of them.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import tifffile
import torch
from measure import peak_memory, publish, start_up

from maskfold.data.geometry import Tile
from maskfold.data.sources import Pairs
from maskfold.ensembling.large import merge_bands
from maskfold.ensembling.mean_map import open_mean
from maskfold.ensembling.recipe import to_mask
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.masks.rules import Rules
from maskfold.models.network import Network
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.store import ProbabilityStore

HEIGHT, WIDTH = 20_000, 30_000
TILE = 512
WINDOW, OVERLAP = 512, 64
OPTIONS = {"batch_size": 8, "num_workers": 0, "precision": "32-true", "accelerator": "cpu", "devices": 1}


class Tiny(torch.nn.Module):
    """Two convolutions on half the pixels, and the red channel: blobs with rough edges."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3, padding=1)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map `(N, 3, H, W) float32` to `(N, 1, H, W)` logits."""
        return 2 * image[:, :1] + torch.nn.functional.pixel_shuffle(self.layers(image), 2)


def tiles(height: int, width: int) -> Iterator[np.ndarray]:
    """Yield the tiles of a picture of blobs on noise, row by row, `(TILE, TILE, 3) uint8`."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 24, (TILE, TILE, 3), dtype=np.uint8)
    coarse = cv2.GaussianBlur(rng.normal(0, 1, (height // 64 + 16, width // 64 + 16)).astype(np.float32), (0, 0), 3)
    coarse = 110 + 60 * coarse / coarse.std()
    step = TILE // 64
    for row in range(-(-height // TILE)):
        for column in range(-(-width // TILE)):
            corner = coarse[row * step : (row + 1) * step + 1, column * step : (column + 1) * step + 1]
            smooth = cv2.resize(corner, (TILE, TILE), interpolation=cv2.INTER_LINEAR)
            yield noise + np.clip(smooth, 0, 230).astype(np.uint8)[..., None]


def write_picture(path: Path, height: int, width: int) -> float:
    """Write a tiled TIFF, deflated, tile by tile; return its MiB."""
    path.parent.mkdir()
    options = {"tile": (TILE, TILE), "compression": "deflate", "compressionargs": {"level": 1}, "photometric": "rgb"}
    tifffile.imwrite(path, tiles(height, width), shape=(height, width, 3), dtype=np.uint8, **options)
    return path.stat().st_size / 2**20


def check(folder: Path) -> pd.DataFrame:
    """Return the image table, for which the file is hashed and looked at."""
    return Pairs(root=str(folder), name="large", images=None, masks=None, test="test", max_pixels=2**30).load(jobs=1)


def predict(folder: Path, table: pd.DataFrame) -> None:
    """Write the map."""
    branch = Branch(Tile(height=WINDOW, width=WINDOW, overlap=OVERLAP), None, [Voter(Network(Tiny()), "none")])
    predict_together([branch], table, store=ProbabilityStore(folder / "maps"), **OPTIONS)


def encode(folder: Path, table: pd.DataFrame, order: str) -> str:
    """Return the mask's runs."""
    maps = (MemberMaps(Leaf("maps", Fraction(1), (folder / "maps",)), None),)
    row = table.iloc[0]
    mean = open_mean(maps, row["image_id"], size=(int(row["height"]), int(row["width"])))
    return merge_bands(mean, partial(to_mask, threshold=128), None, Rules(order=order)).runs[0]


def pixels_of(runs: str) -> int:
    """Return how many pixels runs have."""
    return int(np.fromstring(runs, np.int64, sep=" ")[1::2].sum())


def measured(step: str, work: Callable[[], Any]) -> tuple[dict[str, Any], Any]:
    """Call `work`; return a row with its seconds and this process's peak memory during it, and what it returned."""
    Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in memory now
    start = time.perf_counter()
    result = work()
    return {"step": step, "seconds": time.perf_counter() - start, "peak_mib": peak_memory() / 2**20}, result


def steps(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Do all steps; return a row each, and what came of them."""
    os.chdir(folder)  # where the check of the data is kept
    rows = []
    row, table = measured("check", partial(check, folder))
    rows.append(row)
    rows.append(measured("predict", partial(predict, folder, table))[0])
    counts = {}
    for order in ("rows", "columns"):
        row, text = measured(f"encode by {order}", partial(encode, folder, table, order))
        rows.append(row)
        counts |= {f"runs_by_{order}": (text.count(" ") + 1) // 2, f"pixels_by_{order}": pixels_of(text)}
        del text  # which the next step has no part in
    assert counts["pixels_by_rows"] == counts["pixels_by_columns"], "the two orders encode different masks"
    area = counts["pixels_by_rows"] / (table["height"].iloc[0] * table["width"].iloc[0])
    map_mib = next((folder / "maps").glob("*.b2nd")).stat().st_size / 2**20
    about = {"runs": counts["runs_by_rows"], "area": area, "map_mib": map_mib}
    return pd.DataFrame(rows), about


def main(arguments: list[str] | None = None) -> None:
    """Measure one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default=f"{WIDTH}x{HEIGHT}", help="width x height, pixels")
    width, height = map(int, parser.parse_args(arguments).size.split("x"))
    with (
        tempfile.TemporaryDirectory() as name,
        ProcessPoolExecutor(1, get_context("spawn"), initializer=start_up, max_tasks_per_child=1) as processes,
    ):
        picture_mib = processes.submit(write_picture, Path(name) / "test" / "large.tif", height, width).result()
        table, about = processes.submit(steps, Path(name)).result()
    settings = {"size": f"{width}x{height}", "windows": f"{WINDOW}, {OVERLAP} shared", "picture_mib": picture_mib}
    publish("large", table.assign(**about), **settings)


if __name__ == "__main__":
    main()
