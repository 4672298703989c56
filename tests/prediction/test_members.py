"""Networks rebuilt from their checkpoints alone."""

import pytest
import torch
import yaml
from torch import nn

from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.prediction.members import load_network, refuse_other_classes
from maskfold.runs.run_folder import RunFolder

LAYER = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 1}


def save(path, construction: dict, network: nn.Module) -> None:
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save({"construction": construction, "state_dict": state | {"loss.weight": torch.ones(1)}}, path)


def test_a_network_answers_as_it_did(tmp_path):
    network = Network(nn.Conv2d(3, 1, 1)).eval()
    save(tmp_path / "best.ckpt", LAYER, network)

    loaded = load_network(tmp_path / "best.ckpt")

    photos = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    assert torch.equal(loaded(photos), network(photos))
    assert not loaded.training


def test_the_heads_of_deep_supervision_are_left_behind(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 1, 1))
    network = Network(model, deep=["0"]).eval()
    layers = [LAYER | {"out_channels": 4}, LAYER | {"in_channels": 4}]
    save(tmp_path / "best.ckpt", {"_target_": "torch.nn.Sequential", "_args_": layers}, network)

    loaded = load_network(tmp_path / "best.ckpt")

    photos = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    assert torch.equal(loaded(photos), network(photos))
    assert loaded.state_dict().keys() == {"model.0.weight", "model.0.bias", "model.1.weight", "model.1.bias"}


def test_exclusive_classes_stay_so(tmp_path):
    network = Network(nn.Conv2d(3, 2, 1), exclusive=True).eval()
    save(tmp_path / "best.ckpt", LAYER | {"out_channels": 2}, network)
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    torch.save(checkpoint | {"network": network.settings}, tmp_path / "best.ckpt")

    photos = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    answer = load_network(tmp_path / "best.ckpt")(photos)
    assert torch.equal(answer, network(photos))
    assert (answer.sigmoid().sum(1) < 1).all()

    torch.save(checkpoint | {"network": {"depth": 3}}, tmp_path / "best.ckpt")
    with pytest.raises(MaskfoldError, match=r"best\.ckpt: its network cannot be rebuilt \(.*depth"):
        load_network(tmp_path / "best.ckpt")


def test_pretrained_weights_are_not_fetched_to_be_replaced(tmp_path, monkeypatch):
    class Tiny(nn.Conv2d):
        def __init__(self, weights=None):
            assert weights is None
            super().__init__(3, 1, 1)

    Tiny.__module__ = "maskfold.models.linknet"
    monkeypatch.setattr("maskfold.models.linknet.Tiny", Tiny, raising=False)
    construction = {"_target_": "maskfold.models.linknet.Tiny", "weights": "imagenet"}
    save(tmp_path / "best.ckpt", construction, Network(Tiny()))

    load_network(tmp_path / "best.ckpt")


@pytest.mark.hostile("foreign files")
def test_a_network_inside_another_opens_no_other_weights_either(tmp_path, monkeypatch):
    given = []

    class Inner(nn.Conv2d):
        def __init__(self, **options):
            given.append(options)
            super().__init__(3, 1, 1)

    Inner.__module__ = "maskfold.models.linknet"
    monkeypatch.setattr("maskfold.models.linknet.Inner", Inner, raising=False)
    options = {"checkpoint_path": "x", "pretrained": True, "pretrained_cfg": {"file": "x"}}
    inner = {"_target_": "maskfold.models.linknet.Inner", **options, "pretrained_cfg_overlay": {"file": "x"}}
    outer = {"_target_": "torch.nn.Sequential", "_args_": [inner]}
    save(tmp_path / "best.ckpt", outer, Network(nn.Sequential(nn.Conv2d(3, 1, 1))))

    load_network(tmp_path / "best.ckpt")

    assert given == [dict.fromkeys([*options, "pretrained_cfg_overlay"])]


@pytest.mark.parametrize(
    "construction", [LAYER | {"kernel_size": 3}, LAYER | {"_target_": "maskfold.models.gone"}, LAYER | {"new": 1}]
)
def test_a_network_that_is_not_what_it_was_is_named(tmp_path, construction):
    save(tmp_path / "best.ckpt", construction, Network(nn.Conv2d(3, 1, 1)))

    with pytest.raises(
        MaskfoldError, match=r"best\.ckpt: its (network|model) cannot be rebuilt.*run\.json, or train it again"
    ):
        load_network(tmp_path / "best.ckpt")


def test_the_statistics_of_the_photos_come_back_with_the_weights(tmp_path):
    network = Network(nn.Conv2d(2, 1, 1), mean=[100, 5], std=[10, 2]).eval()
    save(tmp_path / "best.ckpt", LAYER | {"in_channels": 2}, network)
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    torch.save(checkpoint | {"network": network.settings}, tmp_path / "best.ckpt")

    loaded = load_network(tmp_path / "best.ckpt")

    photos = torch.rand(2, 2, 4, 5) * 100
    assert torch.equal(loaded(photos), network(photos))
    assert loaded.channels == 2


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize("settings", [{"model": 1}, {"mean": "words"}, {"mean": [None]}, {"deep": ["a"]}, [1, 2]])
def test_settings_that_are_none_are_refused_by_name(tmp_path, settings):
    save(tmp_path / "best.ckpt", LAYER, Network(nn.Conv2d(3, 1, 1)))
    checkpoint = torch.load(tmp_path / "best.ckpt", weights_only=True)
    torch.save(checkpoint | {"network": settings}, tmp_path / "best.ckpt")

    with pytest.raises(MaskfoldError, match=r"best\.ckpt: its network cannot be rebuilt"):
        load_network(tmp_path / "best.ckpt")


def test_names_that_yaml_reads_as_numbers_are_the_names_of_the_classes(tmp_path):
    run = RunFolder(tmp_path)
    parts = {key: {} for key in ["augment", "geometry", "loss", "model", "preprocess", "tta"]}
    run.config.write_text(yaml.safe_dump({"data": {"classes": [1, 2]}, **parts}))

    refuse_other_classes([run], ("1", "2"))
    with pytest.raises(MaskfoldError, match=r"classes=\[1, 2\], and is to predict with data\.classes=\[2, 1\]"):
        refuse_other_classes([run], ("2", "1"))
