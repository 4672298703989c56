"""Encoders of timm: sizes, weights by name and by file, statistics, stochastic depth; and those of today's members."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from maskfold.data.geometry import Resize
from maskfold.errors import MaskfoldError
from maskfold.models.smp import SMP
from maskfold.models.timm_encoders import window_size

# Counted by segmentation_models_pytorch's and timm's own code, without this package.
MEMBERS = {
    ("unet", "tu-convnext_tiny"): 31_928_753,
    ("segformer", "mit_b0"): 3_714_401,
    ("fpn", "tu-tf_efficientnetv2_s"): 21_607_377,
}
MAXVIT = "tu-maxvit_tiny_tf_512"
NARROW = {"embed_dim": (8, 8, 8, 8), "depths": (1, 1, 1, 1), "stem_width": 8, "transformer_dim_head": 8}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def narrow_maxvit(**options):
    """Return what is MaxViT in everything but its widths."""
    return SMP(architecture="unet", encoder=MAXVIT, **{"weights": None} | NARROW | options)


@pytest.mark.parametrize(("architecture", "encoder"), MEMBERS)
def test_members_of_today_are_as_large_as_their_authors(architecture, encoder):
    with torch.device("cpu" if encoder.startswith("mit") else "meta"):  # shapes without numbers, where they do
        network = SMP(architecture=architecture, encoder=encoder, weights=None)
    assert count(network) == MEMBERS[architecture, encoder]


@pytest.mark.parametrize(
    ("size", "side"),
    [
        ([512, 512], 512),
        ([1024, 1024], 512),  # the windows that its weights were trained with
        ([256, 256], 256),
        ([384, 384], 384),
        ([640, 640], 320),
        ([768, 512], 256),
        ([192, 256], 64),
        ([None, None], None),
        (640, 640),
    ],
)
def test_windows_are_the_largest_squares_that_make_up_the_input(size, side):
    assert window_size(MAXVIT, size) == side


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ([400, 512], r"multiples of 32\. Choose a geometry that gives 384 x 512 or 416 x 512"),
        (100, r"multiples of 32\. Choose a geometry that gives 96 x 96 or 128 x 128"),
        ([512], r"model\.img_size=\[512\]: give one number, or \[height, width\]"),
        ("512", r"model\.img_size=512: give one number"),
    ],
)
def test_sizes_that_windows_cannot_make_up_are_refused_with_the_nearest(size, message):
    with pytest.raises(MaskfoldError, match=message):
        window_size(MAXVIT, size)


def test_an_encoder_of_windows_names_the_right_sizes_before_anything_is_trained():
    with torch.device("meta"):
        model = narrow_maxvit()
    assert model.stride == 512
    with pytest.raises(MaskfoldError, match=r"multiples of 512; the nearest right size is geometry\.height=512"):
        Resize(height=640, width=512).check_stride(model.stride)
    with pytest.raises(MaskfoldError, match=r"256 x 512 .*: both must be multiples of 512"):
        model(torch.zeros(1, 3, 256, 512, device="meta"))


def test_windows_of_a_size_serve_their_multiples(tmp_path):
    state = timm.create_model("maxvit_tiny_tf_512", img_size=128, **NARROW).state_dict()
    save_file(state, tmp_path / "maxvit.safetensors")
    model = narrow_maxvit(img_size=[64, 128], weights=tmp_path / "maxvit.safetensors").eval()

    assert (model.stride, model.only_size) == (64, None)
    with torch.no_grad():
        assert model(torch.rand(1, 3, 64, 128)).shape == (1, 1, 64, 128)
    own = model.network.encoder.state_dict()
    torch.testing.assert_close(own["model.stem.conv1.weight"], state["stem.conv1.weight"], rtol=0, atol=0)
    table = "blocks.0.attn_grid.attn.rel_pos.relative_position_bias_table"
    assert state[f"stages.3.{table}"].shape == (1, 7, 7)  # offsets of -3 to 3 in windows of 4 x 4 cells
    assert own[f"model.stages_3.{table}"].shape == (1, 3, 3)
    torch.testing.assert_close(own[f"model.stages_3.{table}"][0, 1, 1], state[f"stages.3.{table}"][0, 3, 3])


def test_an_encoder_of_one_size_says_which():
    with torch.device("meta"):
        model = SMP(architecture="unet", encoder="tu-coatnet_0_rw_224", weights=None, img_size=[64, 64])
    assert (model.stride, model.only_size) == (64, (64, 64))
    with pytest.raises(MaskfoldError, match=r"128 x 128 .*tu-coatnet_0_rw_224 was built for 64 x 64 alone.*img_size"):
        model(torch.zeros(1, 3, 128, 128, device="meta"))


@pytest.fixture(scope="module")
def convnext(tmp_path_factory):
    """timm's smallest ConvNeXt, and the file of its state dict."""
    torch.manual_seed(4)
    network = timm.create_model("convnext_atto")
    path = tmp_path_factory.mktemp("weights") / "convnext_atto.pth"
    torch.save(network.state_dict(), path)
    return network.eval(), path


def test_a_file_in_timms_own_naming_is_loaded_and_its_classifier_passed_over(convnext):
    whole, path = convnext
    model = SMP(architecture="unet", encoder="tu-convnext_atto", weights=path).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        *_, deepest = model.network.encoder(images)
        torch.testing.assert_close(deepest, whole.forward_intermediates(images, intermediates_only=True)[-1])


@pytest.mark.hostile("wrong input")
def test_a_file_of_another_network_is_refused_by_the_files_own_names(convnext, tmp_path):
    whole, _ = convnext
    state = whole.state_dict()
    del state["stages.3.blocks.1.gamma"]
    torch.save(state | {"stages.9.gamma": torch.zeros(1)}, tmp_path / "cut.pth")
    message = r"cut\.pth: .*another network:\n  missing: stages\.3\.blocks\.1\.gamma\n  foreign: stages\.9\.gamma$"
    with pytest.raises(MaskfoldError, match=message):
        SMP(architecture="unet", encoder="tu-convnext_atto", weights=tmp_path / "cut.pth")
    (tmp_path / "damaged.safetensors").write_bytes(b"\x09")
    with pytest.raises(MaskfoldError, match=r"damaged\.safetensors: not a readable state dict"):
        SMP(architecture="unet", encoder="tu-convnext_atto", weights=tmp_path / "damaged.safetensors")


def test_weights_by_tag_are_asked_of_timm_by_that_name(monkeypatch):
    asked = []
    create = timm.create_model
    monkeypatch.setattr(
        timm,
        "create_model",
        lambda name, **options: (
            asked.append((name, options.get("pretrained"))) or create(name, **options | {"pretrained": False})
        ),
    )
    monkeypatch.setattr("maskfold.models.smp._answers", lambda url: True)
    SMP(architecture="unet", encoder="tu-convnext_atto", weights="d2_in1k")
    assert asked[-1] == ("convnext_atto.d2_in1k", True)
    with pytest.raises(MaskfoldError, match=r"model\.weights=in21k: no such file, and no tag .*tags d2_in1k\."):
        SMP(architecture="unet", encoder="tu-convnext_atto", weights="in21k")


def test_images_are_normalised_as_the_encoders_weights_want_them_and_the_checkpoint_keeps_it():
    model = SMP(architecture="unet", encoder="tu-tf_efficientnetv2_b0", weights=None, own_statistics=True)
    usual_mean, usual_std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    colours = torch.tensor([1.0, 0.25, 0.0])
    shown = (colours - usual_mean) / usual_std
    # timm says of this encoder's weights the same mean and deviation as torchvision's, so that nothing is changed...
    torch.testing.assert_close(model.scale.flatten() * shown + model.shift.flatten(), shown)
    small = SMP(architecture="unet", encoder="tu-tf_efficientnet_lite0", weights=None, own_statistics=True)
    # ... and of this one a half of both.
    torch.testing.assert_close(small.scale.flatten() * shown + small.shift.flatten(), 2 * colours - 1)
    assert {"scale", "shift"} < small.state_dict().keys()
    with pytest.raises(MaskfoldError, match=r"own_statistics: only timm says"):
        SMP(architecture="unet", encoder="resnet18", weights=None, own_statistics=True)
    with pytest.raises(MaskfoldError, match=r"own_statistics: they are of RGB photos, and these have 4 channels"):
        SMP(architecture="unet", encoder="tu-tf_efficientnet_lite0", weights=None, own_statistics=True, channels=4)


@pytest.mark.parametrize(("encoder", "blocks"), [("tu-convnext_atto", 12), ("mit_b0", 8)])
def test_branches_are_left_out_the_more_often_the_deeper_they_are(encoder, blocks):
    model = SMP(architecture="unet", encoder=encoder, weights=None, drop_path_rate=0.22)
    rates = [module.drop_prob for module in model.modules() if hasattr(module, "drop_prob")]
    # Evenly from 0 in the first block, which then has none, to the whole rate in the last.
    expected = [0.22 * number / (blocks - 1) for number in range(blocks)]
    assert sorted({round(rate, 4) for rate in rates} | {0.0}) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"encoder": "resnet18", "drop_path_rate": 0.1},
            r"drop_path_rate: .* resnet18 has no stochastic depth",
        ),
        (
            {"encoder": "tu-vgg11", "drop_path_rate": 0.1},
            r"model\.drop_path_rate: .* tu-vgg11 has no such option",
        ),
        ({"encoder": "tu-convnext_atto", "drop_path_rate": 1.0}, r"drop_path_rate=1\.0: it is from 0 to below 1"),
        ({"encoder": "tu-convnext_atto", "img_size": [64, 64]}, r"model\.img_size: the encoder .* has no such option"),
        ({"encoder": "resnet18", "img_size": [64, 64]}, r"model\.img_size: resnet18 is built for no size"),
    ],
)
def test_what_an_encoder_does_not_have_is_refused(arguments, message):
    with pytest.raises(MaskfoldError, match=message):
        SMP(architecture="unet", weights=None, **arguments)
