"""A small network of every family of today becomes one ONNX file that says what it says, at any size of photo."""

import pytest
import torch

from maskfold.data.geometry import Pad
from maskfold.export.graph import Graph
from maskfold.export.making import onnx_file
from maskfold.export.parity import refuse_other_maps, trial_sizes
from maskfold.export.session import OnnxMasker
from maskfold.models.network import Network
from maskfold.models.smp import SMP
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.network_masker import NetworkMasker

NARROW = {"embed_dim": (32, 32, 32, 32), "depths": (1, 1, 1, 1), "own_statistics": True}
FAMILIES = {
    "convnext": {"architecture": "unet", "encoder": "tu-convnext_atto"},
    "efficientnetv2": {"architecture": "unet", "encoder": "tu-tf_efficientnetv2_b0", "own_statistics": True},
    "fpn": {"architecture": "fpn", "encoder": "tu-tf_efficientnetv2_b0"},
    "segformer": {"architecture": "segformer", "encoder": "mit_b0"},
    "maxvit": {"architecture": "unet", "encoder": "tu-maxvit_tiny_tf_512", "img_size": [64, 64], **NARROW},
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_exported(family, tmp_path):
    torch.manual_seed(0)
    geometry = Pad(multiple=64)  # the hardest: the network's inputs have no size of their own
    network = Network(SMP(weights=None, **FAMILIES[family])).eval()
    branches = [Branch(geometry, None, [Voter(network, "hflip", 1.0, family)])]
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_file(Graph(branches), name=family, identity="0" * 16))
    networks = NetworkMasker(branches, name=family, identity="0" * 16, accelerator="cpu")
    refuse_other_maps(OnnxMasker(path, accelerator="cpu"), networks, trial_sizes([geometry]))
