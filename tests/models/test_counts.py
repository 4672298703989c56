"""Models for photos of other channels than RGB and for several classes, and pretrained filters for them."""

import pytest
import torch
from hydra.utils import instantiate
from torchvision.models import resnet18, vgg11

from maskfold.errors import MaskfoldError
from maskfold.models.counts import with_counts
from maskfold.models.encoders import inflate, resnet_encoder, vgg11_encoder

OWN = [
    {"_target_": "maskfold.models.linknet.LinkNet", "encoder": "resnet18", "weights": None},
    {"_target_": "maskfold.models.unet.UNetScratch", "widths": [4, 8, 16]},
    {"_target_": "maskfold.models.unet_vgg11.UNetVGG11", "filters": 2, "weights": None},
    {"_target_": "maskfold.models.smp.SMP", "architecture": "unet", "encoder": "resnet18", "weights": None},
]
LAYER = {"_target_": "torch.nn.Conv2d", "out_channels": 1, "kernel_size": 1}


@pytest.mark.parametrize("model", OWN, ids=lambda model: model["_target_"].rpartition(".")[2])
@pytest.mark.parametrize("channels", [1, 5])
def test_our_models_take_any_number_of_channels(model, channels):
    node = with_counts(model, channels=channels)
    assert node == model | {"channels": channels}
    network = instantiate(node).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, channels, 32, 32)).shape == (1, 1, 32, 32)


def test_of_three_channels_nothing_is_said():
    assert with_counts(OWN[0], channels=3) is OWN[0]
    foreign = {"_target_": "torch.nn.Identity"}
    assert with_counts(foreign, channels=3) is foreign


def test_the_librarys_own_name_of_the_number_is_taken():
    assert with_counts(LAYER, channels=5) == LAYER | {"in_channels": 5}
    assert with_counts(LAYER | {"in_channels": 5}, channels=5) == LAYER | {"in_channels": 5}
    timm = {"_target_": "timm.create_model", "model_name": "x", "in_chans": 4}  # behind **kwargs, but given
    assert with_counts(timm, channels=4) is not None


@pytest.mark.hostile("wrong input")
def test_a_model_that_cannot_be_told_or_is_told_otherwise_is_refused():
    with pytest.raises(MaskfoldError, match=r"model\.in_channels=3, and the data has 5 channels"):
        with_counts(LAYER | {"in_channels": 3}, channels=5)
    with pytest.raises(MaskfoldError, match=r"timm\.create_model has no argument channels or in_channels or in_chans"):
        with_counts({"_target_": "timm.create_model", "model_name": "x"}, channels=5)
    with pytest.raises(MaskfoldError, match=r"model\.classes=7, and the data has 4 classes"):
        with_counts(OWN[0] | {"classes": 7}, classes=4)


def test_filters_are_repeated_in_turn_and_scaled():
    weight = torch.tensor([1.0, 10.0, 100.0]).view(1, 3, 1, 1)
    assert inflate(weight, 5).flatten().tolist() == pytest.approx([0.6, 6, 60, 0.6, 6])
    assert inflate(weight, 2).flatten().tolist() == pytest.approx([1.5, 15])
    assert inflate(weight, 1).flatten().tolist() == [111]


@pytest.mark.parametrize(
    ("whole", "build", "first"),
    [
        (resnet18, lambda path: resnet_encoder("resnet18", path, channels=4), "conv1.weight"),
        (vgg11, lambda path: vgg11_encoder(path, channels=4), "features.0.weight"),
    ],
    ids=["resnet", "vgg"],
)
def test_pretrained_weights_of_rgb_are_inflated(tmp_path, whole, build, first):
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in whole().state_dict().items()}
    state = {key: torch.rand(shape) for key, shape in shapes.items() if not key.startswith("classifier")}
    torch.save(state, tmp_path / "rgb.pth")
    own = build(tmp_path / "rgb.pth").state_dict()
    torch.testing.assert_close(own[first], 0.75 * state[first][:, [0, 1, 2, 0]])
    other = next(key for key in own if key != first)
    torch.testing.assert_close(own[other], state[other])


@pytest.mark.parametrize(
    ("target", "argument"),
    [
        ("maskfold.models.linknet.LinkNet", "classes"),
        ("segmentation_models_pytorch.Unet", "classes"),
        ("torchvision.models.segmentation.fcn_resnet50", "num_classes"),
    ],
)
def test_a_model_is_told_of_several_classes_by_the_name_it_has_for_them(target, argument):
    model = {"_target_": target, "encoder": "resnet18"}
    assert with_counts(model, classes=1) == model
    assert with_counts(model, classes=4) == model | {argument: 4}


@pytest.mark.parametrize("target", ["torch.nn.Conv2d", "maskfold.models.gone", "maskfold.models.linknet.gone"])
def test_a_model_without_such_an_argument_stays_as_it_is(target):
    assert with_counts({"_target_": target}, classes=4) == {"_target_": target}
