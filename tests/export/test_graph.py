"""The graph's maps are those of prediction in memory, of all networks and of each member."""

import cv2
import numpy as np
import pytest
import torch

from maskfold.data.geometry import Pad, Resize, Tile
from maskfold.data.preprocessing import ClaheLuma, Unchanged
from maskfold.errors import MaskfoldError
from maskfold.export.graph import Graph
from maskfold.models.network import Network
from maskfold.models.unet import UNetScratch
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.network_masker import NetworkMasker


def unet(seed: int) -> Network:
    torch.manual_seed(seed)
    network = Network(UNetScratch(widths=[4, 8, 16])).eval()
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)  # as they begin, their maps are flat
    return network


def branches() -> list[Branch]:
    return [
        Branch(
            Resize(height=64, width=96), None, [Voter(unet(3), "hflip", 0.25, "a"), Voter(unet(0), "none", 0.25, "b")]
        ),
        Branch(Tile(height=32, width=32, overlap=8), Unchanged(), [Voter(unet(1), "hflip", 0.3, "b")]),
        Branch(Pad(multiple=32), None, [Voter(unet(2), "none", 0.2, "c")]),
    ]


def test_the_graph_says_what_the_networks_say():
    networks = branches()
    graph = Graph(networks)
    masker = NetworkMasker(networks, name="three", identity="0" * 16, accelerator="cpu")
    rng = np.random.default_rng(0)
    for height, width in [(97, 141), (61, 45), (33, 120)]:
        photo = cv2.resize(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), (width, height))

        with torch.inference_mode():
            maps, members = graph(torch.from_numpy(np.stack([photo, photo[:, ::-1]])))

        (answer,) = masker.answer([photo], members=True)
        assert graph.members == masker.members
        assert maps.dtype == members.dtype == torch.uint8
        assert np.abs(maps[0].numpy().astype(int) - answer.mean).max() <= 1
        assert np.abs(members[:, 0].numpy().astype(int) - answer.members).max() <= 1
        assert np.ptp(answer.mean) > 5
        assert maps.shape == (2, height, width)
        assert not torch.equal(maps[0], maps[1])


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("branch", "message"),
    [
        (
            Branch(Pad(), ClaheLuma(), [Voter(unet(0), "none", 1, "dark")]),
            "preprocess: ClaheLuma, which dark was trained",
        ),
        (
            Branch(
                Pad(), None, [Voter(Network(torch.nn.Conv2d(4, 1, 1), mean=[0] * 4, std=[1] * 4), "none", 1, "bands")]
            ),
            r"as they are stored \(data\.channels\)",
        ),
    ],
    ids=["preprocess", "channels"],
)
def test_what_a_file_cannot_hold_is_refused_by_name(branch, message):
    with pytest.raises(MaskfoldError, match=message):
        Graph([branch])
