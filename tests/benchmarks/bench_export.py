"""Measure an exported file against the networks in torch: `python tests/benchmarks/bench_export.py`.

One photo of 2.4 megapixels, one core: seconds in turn, the most memory of a process that has onnxruntime and no torch,
how far the maps are apart at three sizes, and how large the file is. The networks have random weights, and a last layer
that spreads their maps over all levels, so that a difference would be seen.
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measure import BASELINE, compete, publish
from torch import nn

from maskfold.data.geometry import Geometry, Pad, Resize, Tile
from maskfold.export.graph import Graph
from maskfold.export.layout import MODEL
from maskfold.export.making import onnx_file
from maskfold.export.parity import generated_photo
from maskfold.export.session import OnnxMasker
from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network
from maskfold.models.u2net import U2Net
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.network_masker import NetworkMasker

HEIGHT, WIDTH = 1280, 1918
ODD = [(611, 917), (199, 301), (1280, 1918)]
ROUNDS = 2
LINKNET, SMALL = "LinkNet34", "U2-Net small"
CASES: dict[str, tuple[str, Geometry, str]] = {
    "LinkNet34, resized to 960x640": (LINKNET, Resize(height=640, width=960), "none"),
    "LinkNet34, padded": (LINKNET, Pad(multiple=32), "none"),
    "LinkNet34, in tiles of 512x512": (LINKNET, Tile(height=512, width=512, overlap=64), "none"),
    "U2-Net small, resized to 320x320": (SMALL, Resize(height=320, width=320), "none"),
}
ALONE = """
import sys
import numpy as np
from maskfold.export.session import OnnxMasker

photo = np.load(sys.argv[2])
masker = OnnxMasker(sys.argv[1], accelerator="cpu")
for _ in range(3):
    masker.answer([photo])
assert "torch" not in sys.modules
print(next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


class Spread(nn.Module):
    """A model whose logits have mean 0 and deviation 2 on a generated photo."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("gain", torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits `(N, 1, H, W)`."""
        return (self.model(images) - self.mean) * self.gain


def branches(name: str, geometry: Geometry, tta: str) -> list[Branch]:
    """Return a network of a case, always the same."""
    torch.manual_seed(0)
    model = Spread(LinkNet(encoder="resnet34", weights=None) if name == LINKNET else U2Net(size="small"))
    network = Network(model).eval()
    photo = torch.from_numpy(generated_photo(320, 480, 0).transpose(2, 0, 1)[None].copy())
    with torch.inference_mode():
        logits = network(photo)
        model.mean, model.gain = logits.mean().clone(), (2 / logits.std()).clone()
    return [Branch(geometry, None, [Voter(network, tta, 1.0, name)])]


def in_torch(case: str) -> NetworkMasker:
    """Return a case's network in this process."""
    return NetworkMasker(branches(*CASES[case]), name=case, identity="0" * 16, accelerator="cpu")


def with_torch(case: str) -> float:
    """Return the seconds of one photo in torch."""
    if case not in _open:
        _open[case] = in_torch(case)
    return seconds(_open[case])


def with_onnxruntime(path: Path) -> float:
    """Return the seconds of one photo in onnxruntime."""
    if path not in _open:
        os.environ["OMP_NUM_THREADS"] = "1"
        _open[path] = OnnxMasker(path, accelerator="cpu")
    return seconds(_open[path])


_open: dict = {}


def seconds(masker: object) -> float:
    """Return how long a masker takes for a photo of 2.4 megapixels."""
    photo = generated_photo(HEIGHT, WIDTH, 0)
    start = time.perf_counter()
    masker.answer([photo])
    return time.perf_counter() - start


def alone(path: Path) -> float:
    """Return the most memory, MiB, of a process that answers the same photo three times, and has no torch."""
    photo = path.with_suffix(".npy")
    np.save(photo, generated_photo(HEIGHT, WIDTH, 0))
    command = [sys.executable, "-c", ALONE, str(path), str(photo)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def apart(case: str, path: Path) -> int:
    """Return how many levels the maps are apart at most, over photos of odd sizes too."""
    maskers = in_torch(case), OnnxMasker(path, accelerator="cpu")
    worst = 0
    for number, size in enumerate(ODD):
        one, other = (masker.answer([generated_photo(*size, number)])[0].mean for masker in maskers)
        assert np.ptp(one) > 100, "a flat map shows no difference"
        worst = max(worst, int(np.abs(one.astype(np.int16) - other).max()))
    return worst


def main() -> None:
    """Measure every case."""
    torch.set_num_threads(1)
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(CASES):
            path = Path(folder, str(number), MODEL)
            path.parent.mkdir()
            start = time.perf_counter()
            path.write_bytes(onnx_file(Graph(branches(*CASES[case])), name=case, identity="0" * 16))
            made = time.perf_counter() - start
            ways = {BASELINE: partial(with_torch, case), "onnxruntime": partial(with_onnxruntime, path)}
            rows = compete(ways, rounds=ROUNDS, clocks=True).assign(case=case)
            own = rows["way"] == "onnxruntime"
            rows.loc[own, "peak_mib"] = alone(path)
            rows.loc[own, "levels_apart"] = apart(case, path)
            rows.loc[own, "file_mb"] = path.stat().st_size / 1e6
            rows.loc[own, "export_s"] = made
            parts.append(rows)
            print(rows.to_string(), flush=True)
    publish("export", pd.concat(parts, ignore_index=True), photo=f"generated, {WIDTH}x{HEIGHT}", cores=1)


if __name__ == "__main__":
    main()
