import socket
from urllib.error import URLError

import pytest
import torch
from torchvision.models import resnet18

from maskfold.errors import MaskfoldError
from maskfold.models import encoders
from maskfold.models.linknet import LinkNet
from maskfold.models.unet_vgg11 import UNetVGG11

BOTH_WAYS_OUT = r"model\.weights=null.*model\.weights=/path/to/file\.pth"


@pytest.fixture
def whole_resnet(tmp_path):
    """A whole classifier's state dict, as torchvision distributes it, and its path."""
    torch.manual_seed(3)
    state = resnet18(weights=None).state_dict()
    torch.save(state, tmp_path / "resnet18.pth")
    return state, tmp_path / "resnet18.pth"


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """A machine whose downloads fail at once; gives the limit a download would have waited for."""
    waits = []

    def refuse(*args, **kwargs):
        waits.append(socket.getdefaulttimeout())
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    return waits


@pytest.mark.parametrize(("build", "name"), [(LinkNet, "resnet34"), (UNetVGG11, "vgg11")])
def test_imagenet_without_a_network_names_both_ways_out(no_network, build, name):
    with pytest.raises(MaskfoldError, match=rf"{name} cannot be had from .*{name}-.*no route to host.*{BOTH_WAYS_OUT}"):
        build(weights="imagenet")
    assert no_network == [encoders.SILENCE]
    assert socket.getdefaulttimeout() is None


def test_imagenet_weights_are_loaded(monkeypatch, whole_resnet):
    state, _ = whole_resnet
    asked = []
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda url, **_: asked.append(url) or state)
    encoder = encoders.resnet_encoder("resnet18", "imagenet")
    assert [url.rpartition("/")[2] for url in asked] == ["resnet18-f37072fd.pth"]
    torch.testing.assert_close(encoder.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


def test_local_file_is_loaded_and_its_classifier_passed_over(whole_resnet):
    state, path = whole_resnet
    own = encoders.resnet_encoder("resnet18", path).state_dict()
    assert set(state) - set(own) == {"fc.weight", "fc.bias"}
    for name, tensor in own.items():
        torch.testing.assert_close(tensor, state[name])


def test_file_without_batch_counters_is_loaded(whole_resnet, tmp_path):
    state, _ = whole_resnet
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, tmp_path / "old.pth")
    encoder = encoders.resnet_encoder("resnet18", tmp_path / "old.pth")
    torch.testing.assert_close(encoder.conv1.weight, state["conv1.weight"])


def test_weights_of_another_network_are_refused(whole_resnet):
    _, path = whole_resnet
    with pytest.raises(MaskfoldError, match=r"resnet34 .*another network:\n  missing: layer1\.2\.conv1\.weight"):
        encoders.resnet_encoder("resnet34", path)
    with pytest.raises(MaskfoldError, match=r"vgg11 .*\n.*(.*\n)+.*and \d+ more"):
        encoders.vgg11_encoder(path)


def test_weights_of_another_shape_are_refused(whole_resnet, tmp_path):
    state, _ = whole_resnet
    torch.save(state | {"conv1.weight": torch.zeros(64, 1, 7, 7)}, tmp_path / "grey.pth")
    with pytest.raises(MaskfoldError, match=r"conv1.weight: \(64, 1, 7, 7\) instead of \(64, 3, 7, 7\)"):
        encoders.resnet_encoder("resnet18", tmp_path / "grey.pth")


def test_unreadable_files_are_refused_by_name(tmp_path):
    (tmp_path / "text.pth").write_text("not weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save({"epoch": 3, "state_dict": {}}, tmp_path / "checkpoint.pth")
    for name, reason in [
        ("text", "not a readable"),
        ("empty", "not a readable"),
        ("checkpoint", "no plain state dict"),
    ]:
        with pytest.raises(MaskfoldError, match=rf"{name}\.pth: .*{reason}"):
            encoders.resnet_encoder("resnet18", tmp_path / f"{name}.pth")
    with pytest.raises(MaskfoldError, match=r"model\.weights=imagnet: no such file. Weights are imagenet, null"):
        encoders.resnet_encoder("resnet18", "imagnet")
