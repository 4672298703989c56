"""Networks as eyes: which part of one is its deepest, and what is averaged where."""

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from maskfold.clusters.networks import GivenNetwork, MemberEncoder, deepest_part
from maskfold.clusters.objects import MASK, PHOTO, Whereabouts
from maskfold.data.geometry import Pad
from maskfold.errors import MaskfoldError
from maskfold.models.libraries import timm
from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network
from maskfold.models.smp import SMP
from maskfold.models.unet import UNetScratch

MODEL = "mobilenetv3_small_050"


def test_the_deepest_part_is_the_end_of_the_encoder():
    linknet, unet = LinkNet(encoder="resnet18", weights=None), UNetScratch(widths=(4, 8, 16))
    smp = SMP(architecture="unet", encoder="resnet18", weights=None, decoder_channels=[8, 8, 4, 4, 4])

    assert deepest_part(Network(linknet).eval()) is linknet.stages[-1]
    assert deepest_part(Network(unet).eval()) is unet.centre
    assert deepest_part(Network(smp).eval()) is smp.network.encoder


@pytest.fixture
def halves(tmp_path):
    """A photo whose left half is black and whose right half is white, and a mask of the right quarter."""
    image, mask = np.zeros((16, 32, 3), np.uint8), np.zeros((16, 32), np.uint8)
    image[:, 16:], mask[:, 24:] = 255, 255
    cv2.imwrite(str(tmp_path / "photo.png"), image)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    return tmp_path


class Averages(nn.Module):
    """A network whose encoder averages 4x4 pixels, and that calls black the object."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.AvgPool2d(4)

    def forward(self, images):
        self.encoder(images)
        return -100 * images[:, :1]


def test_features_are_averaged_over_the_object_alone(halves):
    network = Network(Averages(), mean=(127.5,) * 3, std=(127.5,) * 3)
    eye = MemberEncoder(network, geometry=Pad(multiple=4), preprocess=None, key="")
    photo, mask = str(halves / "photo.png"), str(halves / "mask.png")

    masked, bare = Whereabouts("a", photo, mask, MASK), Whereabouts("a", photo, None, PHOTO)
    # White is 1 and black -1; without a mask the network's own prediction says where the object is.
    assert eye.look(eye.prepare(masked)) == pytest.approx([1, 1, 1], abs=1e-3)
    assert eye.look(eye.prepare(bare)) == pytest.approx([-1, -1, -1], abs=1e-3)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_given_network_has_the_weights_of_its_file(tmp_path, halves, suffix):
    torch.manual_seed(0)
    model = timm.create_model(MODEL, pretrained=False).eval()  # with its classifier, which is left out
    path = tmp_path / f"weights.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(model.state_dict(), path)

    eye = GivenNetwork(MODEL, path)
    eye.size = (32, 32)
    seen = eye.look(eye.prepare(Whereabouts("a", str(halves / "photo.png"), str(halves / "mask.png"), MASK)))

    shown = torch.from_numpy(np.full((1, 3, 32, 32), 1.0, np.float32))
    shown[..., :8] = shown[..., 24:] = torch.tensor([124, 116, 104]).view(1, 3, 1, 1) / 255  # ImageNet's mean
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        model.reset_classifier(0)
        assert seen == pytest.approx(model((shown - mean) / std)[0].numpy(), abs=1e-4)


@pytest.mark.hostile("wrong input")
def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")

    with pytest.raises(MaskfoldError, match=f"not the weights of {MODEL}"):
        GivenNetwork(MODEL, tmp_path / "other.pth")
    with pytest.raises(MaskfoldError, match="no such model"):
        GivenNetwork("mobilenet_of_mine", tmp_path / "other.pth")
    with pytest.raises(MaskfoldError, match="no such file"):
        GivenNetwork(MODEL, tmp_path / "none.pth")


@pytest.mark.hostile("foreign files")
def test_weights_that_would_run_code_are_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    torch.save({"state_dict": Evil()}, tmp_path / "evil.pth")

    with pytest.raises(MaskfoldError, match="not a readable state dict"):
        GivenNetwork(MODEL, tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()
