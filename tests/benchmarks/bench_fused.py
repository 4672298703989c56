"""Measure one pass of an ensemble over the photos against one pass a network: `python tests/benchmarks/bench_fused.py`.

The networks are small ones from random weights, of which a CPU forwards five in the time of one decoding: what is
measured is what a pass costs beside its networks.
"""

import shutil
import tempfile
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_loading import prepare
from measure import BASELINE, compete, publish, ratio_chart

from maskfold.data.geometry import Resize
from maskfold.ensembling.merge import merged_probability
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.models.network import Network
from maskfold.models.unet import UNetScratch
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.store import ProbabilityStore

NETWORKS = (5, 10)
SIZE = (128, 192)
WIDTHS = (8, 16, 32, 64)
PHOTOS = 12
ROUNDS = 3
OPTIONS = {
    "batch_size": 4,
    "num_workers": 0,
    "precision": "32-true",
    "accelerator": "cpu",
    "devices": 1,
    "channels_last": True,
}


@cache
def networks(count: int) -> list[Network]:
    """Return networks that differ."""
    torch.manual_seed(0)
    return [Network(UNetScratch(widths=WIDTHS)).eval() for _ in range(count)]


def branch(voters: list[Voter]) -> list[Branch]:
    """Return networks that all see a photo at one size."""
    return [Branch(Resize(height=SIZE[0], width=SIZE[1]), None, voters)]


def one_pass_each(folder: Path, photos: pd.DataFrame, count: int) -> list[np.ndarray]:
    """Predict with each network into a store of its own, then read all maps again and average them."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    sources = []
    for number, network in enumerate(networks(count)):
        store = ProbabilityStore(folder / str(number))
        predict_together(branch([Voter(network, "hflip")]), photos, store=store, **OPTIONS)
        sources.append(MemberMaps(Leaf(str(number), Fraction(1, count), (store.folder,)), None))
    means = [merged_probability(sources, image_id) for image_id in photos["image_id"]]
    shutil.rmtree(folder)
    return means


def one_pass(folder: Path, photos: pd.DataFrame, count: int) -> list[np.ndarray]:
    """Predict with all networks at once into one store, and read it."""
    store = ProbabilityStore(Path(tempfile.mkdtemp(dir=folder)))
    voters = [Voter(network, "hflip", 1 / count) for network in networks(count)]
    predict_together(branch(voters), photos, store=store, **OPTIONS)
    means = [store.read(image_id) for image_id in photos["image_id"]]
    shutil.rmtree(store.folder)
    return means


def main() -> None:
    """Compare for a member's folds and for two members'."""
    parts = []
    with tempfile.TemporaryDirectory() as name:
        table, what = prepare(Path(name))
        photos = table.head(PHOTOS).assign(image_id=[f"photo{number:02}" for number in range(PHOTOS)])
        for count in NETWORKS:
            apart, together = (partial(way, Path(name), photos, count) for way in (one_pass_each, one_pass))
            rounding = max(np.abs(one.astype(int) - two).max() for one, two in zip(apart(), together(), strict=True))
            assert rounding <= 1, "the fused means differ by more than the rounding of the stored maps"
            rows = compete({BASELINE: apart, "fused": together}, rounds=ROUNDS, items=PHOTOS, check=False)
            parts.append(rows.assign(case=f"{count} networks", levels_apart=rounding))
    table = pd.concat(parts, ignore_index=True)
    title = "An ensemble in one pass against one pass a network"
    settings = {"photos": what, "network": f"UNet {WIDTHS} at {SIZE[1]}x{SIZE[0]}, hflip"}
    publish("fused", table, ratio_chart(table, title=title), **settings)


if __name__ == "__main__":
    main()
