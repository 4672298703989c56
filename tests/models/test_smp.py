from urllib.error import URLError

import pytest
import torch
from huggingface_hub import constants
from torchvision.models import resnet18

from maskfold.errors import MaskfoldError
from maskfold.models.smp import SMP


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_imagenet_without_a_network_names_both_ways_out(monkeypatch, tmp_path, encoder):
    def refuse(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MaskfoldError, match=rf"{encoder} cannot be had.*model\.weights=null.*model\.weights=/path/to"):
        SMP(architecture="unet", encoder=encoder, weights="imagenet")
    assert not constants.HF_HUB_OFFLINE


def test_local_file_is_loaded(tmp_path):
    torch.manual_seed(3)
    state = resnet18(weights=None).state_dict()
    torch.save(state, tmp_path / "resnet18.pth")
    model = SMP(architecture="FPN", encoder="resnet18", weights=tmp_path / "resnet18.pth")
    torch.testing.assert_close(model.network.encoder.layer1[0].conv1.weight, state["layer1.0.conv1.weight"])


def test_options_reach_the_architecture():
    options = {"encoder_depth": 3, "decoder_channels": (16, 8, 4)}
    model = SMP(architecture="unet", encoder="resnet18", weights=None, **options).eval()
    assert model.stride == 8
    with torch.no_grad():
        assert model(torch.rand(1, 3, 8, 24)).shape == (1, 1, 8, 24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": "unett", "encoder": "resnet18"}, "unett.*unetplusplus"),
        ({"architecture": "unet", "encoder": "resnet17"}, "resnet17.*resnet18"),
        ({"architecture": "unet", "encoder": "tu-resnet17"}, "resnet17"),
        ({"architecture": "linknet", "encoder": "mit_b0"}, "model: Encoder `mit_b0` is not supported for Linknet"),
        ({"architecture": "unet", "encoder": "resnet18", "depth": 3}, r"model\.depth: unet has no .*encoder_depth"),
    ],
)
def test_unknown_names_are_refused(arguments, message):
    with pytest.raises(MaskfoldError, match=message):
        SMP(weights=None, **arguments)
