"""What every model of conf/model for masks promises; a new file in that folder is tested without a new line here."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from maskfold.errors import MaskfoldError
from maskfold.models.u2net import U2Net

ALIKE = {"u2net", "smp_timm"}  # larger ones of the same code as another's: u2net_small's, smp_unet's
SAME_GRAPH = {"linknet34": "linknet18", "unet_vgg11": "ternausnet11"}  # with more blocks, or more filters
NO_MASKS = {"classifier"}
CONFIGS = [
    path
    for path in sorted((Path(__file__).parents[2] / "conf" / "model").glob("*.yaml"))
    if path.stem not in ALIKE | NO_MASKS
]


def read_small(path: Path) -> DictConfig:
    """Read a model's configuration, without pretrained weights and, where it says its widths, a quarter as wide."""
    config = OmegaConf.load(path)
    if "weights" in config:
        config.weights = None
    if "widths" in config:  # unet_scratch's 91 million weights take seconds, and promise the same
        config.widths = [width // 4 for width in config.widths]
    return config


@pytest.fixture(scope="module", params=CONFIGS, ids=lambda path: path.stem)
def model(request):
    torch.manual_seed(0)
    return instantiate(read_small(request.param))


@pytest.fixture
def images(model):
    side = max(model.stride, 32)
    return torch.randn(2, 3, side, 2 * side, generator=torch.Generator().manual_seed(1))


def test_logits_have_the_images_size_and_repeat(model, images):
    model.eval()
    with torch.no_grad():
        logits = model(images)
        assert logits.shape == (2, 1, *images.shape[-2:])
        assert logits.dtype == torch.float32
        torch.testing.assert_close(model(images), logits, rtol=0, atol=0)
        assert not torch.equal(logits[0], logits[1])


def test_a_model_of_several_classes_answers_for_each_and_is_the_same_otherwise(model, images, request):
    config = read_small(request.node.callspec.params["model"])
    with torch.device("meta"):  # shapes without numbers
        several = instantiate(config, classes=4).eval()
    assert several(torch.zeros_like(images, device="meta")).shape == (2, 4, *images.shape[-2:])
    shapes, others = ({name: p.shape for name, p in net.named_parameters()} for net in (model, several))
    assert shapes.keys() == others.keys()
    assert {name for name in shapes if shapes[name] != others[name]} == {
        name for name in others if others[name][0] == 4
    }


def test_output_is_logits_not_probabilities(model, images):
    *_, head = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.out_channels == 1]
    model.eval()
    with torch.no_grad():
        logits = model(images)
        for shift in (100, -200, 100):
            head.bias += shift
            logits += shift
            torch.testing.assert_close(model(images), logits, rtol=0, atol=1e-3)


def test_gradient_reaches_every_parameter(model, images):
    model.train()
    model.zero_grad()
    outputs = model(images)  # auxiliary ones among them
    sum(output.square().mean() for output in (outputs if isinstance(outputs, tuple) else [outputs])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if parameter.ndim > 1:
            assert parameter.grad.any(), name
    model.zero_grad()


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, -1)])
def test_wrong_size_is_refused_with_the_right_ones(model, rows, columns):
    stride = model.stride
    if stride == 1:
        pytest.skip("every size is right")
    height, width = 2 * stride + rows, 2 * stride + columns
    with pytest.raises(MaskfoldError) as refusal:
        model(torch.zeros(1, 3, height, width))
    smaller = f"{2 * stride} x {2 * stride if rows else stride}"
    larger = f"{3 * stride if rows else 2 * stride} x {2 * stride}"
    assert f"{height} x {width}" in str(refusal.value)
    assert f"{smaller} or {larger}" in str(refusal.value)


def test_bf16_and_channels_last_give_nearly_the_same(model, images):
    model.eval()
    with torch.no_grad():
        logits = model(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model(images.to(memory_format=torch.channels_last))
    assert rough.shape == logits.shape
    assert (rough - logits).abs().mean() < 0.05 * logits.abs().mean()


def test_compiles_to_one_graph(model, images, request):
    if alike := SAME_GRAPH.get(request.node.callspec.params["model"].stem):
        pytest.skip(f"seconds for the same code as {alike}'s")
    if isinstance(model, U2Net):
        pytest.skip("its 112 convolutions take ten seconds; test_u2net.py compiles a block of each kind")
    model.eval()
    torch.compiler.reset()
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(model, backend="eager", fullgraph=True)(images), model(images))
