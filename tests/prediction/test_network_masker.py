"""The networks of an ensemble answer with their mean, and with each member's own map."""

import numpy as np
import torch

from maskfold.data.geometry import Resize, Tile
from maskfold.models.network import Network
from maskfold.models.unet import UNetScratch
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.masker import mirrored
from maskfold.prediction.network_masker import NetworkMasker


def networks() -> list[Network]:
    torch.manual_seed(0)
    made = [Network(UNetScratch(widths=[4, 8, 16])).eval() for _ in range(3)]
    for parameter in (parameter for network in made for parameter in network.parameters()):
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)  # as they begin, their maps are flat
    return made


def test_members_are_the_means_of_their_own_networks():
    first, second, third = networks()
    branches = [
        Branch(Resize(height=32, width=48), None, [Voter(first, "none", 0.25, "a"), Voter(second, "none", 0.5, "b")]),
        Branch(Tile(height=32, width=32), None, [Voter(third, "none", 0.25, "a")]),
    ]
    masker = NetworkMasker(branches, name="two", identity="0" * 16, accelerator="cpu")
    photo = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)

    (answer,) = masker.answer([photo], members=True)

    assert masker.members == ("a", "b")
    assert answer.members.shape == (2, 50, 70)
    mean = answer.members.astype(float).mean(axis=0)  # a and b count a half each
    np.testing.assert_allclose(answer.mean, mean, atol=1)
    assert np.ptp(answer.mean) > 0
    (bare,) = masker.answer([photo])
    assert bare.members is None
    np.testing.assert_array_equal(bare.mean, answer.mean)


def test_a_mirrored_map_lies_on_the_photo_again():
    class Left:
        name, identity, members, symmetric = "left", "0" * 16, ("left",), False

        def answer(self, photos, *, members=False):
            from maskfold.prediction.masker import Answer

            return [Answer(photo[..., 0] // 2) for photo in photos]

    photo = np.zeros((4, 6, 3), np.uint8)
    photo[1, 2] = 200

    (turned,) = mirrored(Left(), [photo])

    assert np.argwhere(turned).tolist() == [[1, 2]]
    assert turned[1, 2] == 100


def test_networks_that_look_at_both_views_are_symmetric():
    first, second, third = networks()
    for views, symmetric in (("none", "none"), False), (("none", "hflip"), True), (("mirror", "mirror"), True):
        branch = Branch(Resize(height=32, width=48), None, [Voter(first, views[0], 0.5), Voter(second, views[1], 0.25)])
        last = Branch(Tile(height=32, width=32), None, [Voter(third, "none", 0.25)])
        assert NetworkMasker([branch, last], name="a", identity="0" * 16, accelerator="cpu").symmetric == symmetric
