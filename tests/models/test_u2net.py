"""U2-Net against its authors' structure, written down here once more: names, shapes, and what is computed."""

from functools import partial
from math import log

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from maskfold.config import build, compose
from maskfold.errors import MaskfoldError
from maskfold.models.u2net import DILATED, U2Net, residual_u

# Stage: incoming, middle and outgoing channels, levels (F: four dilated ones), parameters.
FULL = {
    "stage1": (3, 32, 64, 7, 206_016),
    "stage2": (64, 32, 128, 6, 305_856),
    "stage3": (128, 64, 256, 5, 1_108_992),
    "stage4": (256, 128, 512, 4, 3_986_688),
    "stage5": (512, 256, 512, "F", 10_034_688),
    "stage6": (512, 256, 512, "F", 10_034_688),
    "stage5d": (1024, 256, 512, "F", 12_393_984),
    "stage4d": (1024, 128, 256, 4, 4_280_064),
    "stage3d": (512, 64, 128, 5, 1_181_952),
    "stage2d": (256, 32, 64, 6, 323_904),
    "stage1d": (128, 16, 64, 7, 139_200),
}
SMALL = {
    "stage1": (3, 16, 64, 7, 67_200),
    "stage2": (64, 16, 64, 6, 95_328),
    "stage3": (64, 16, 64, 5, 88_320),
    "stage4": (64, 16, 64, 4, 81_312),
    "stage5": (64, 16, 64, "F", 81_312),
    "stage6": (64, 16, 64, "F", 81_312),
    "stage5d": (128, 16, 64, "F", 118_176),
    "stage4d": (128, 16, 64, 4, 118_176),
    "stage3d": (128, 16, 64, 5, 125_184),
    "stage2d": (128, 16, 64, 6, 132_192),
    "stage1d": (128, 16, 64, 7, 139_200),
}
SIZES = {
    "full": (FULL, (64, 64, 128, 256, 512, 512), 44_009_869),
    "small": (SMALL, (64,) * 6, 1_131_181),
}


def authors_shapes(stages, sides):
    """Return the shape of every tensor by its name in the authors' state dict."""
    shapes = {}
    for stage, (before, middle, after, levels, _) in stages.items():
        levels = 4 if levels == "F" else levels
        widths = {"in": (before, after), "1": (after, middle), "1d": (2 * middle, after)}
        widths |= {str(level): (middle, middle) for level in range(2, levels + 1)}
        widths |= {f"{level}d": (2 * middle, middle) for level in range(2, levels)}
        for name, (coming, going) in widths.items():
            shapes[f"{stage}.rebnconv{name}.conv_s1.weight"] = (going, coming, 3, 3)
            shapes[f"{stage}.rebnconv{name}.conv_s1.bias"] = (going,)
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{stage}.rebnconv{name}.bn_s1.{tensor}"] = (going,)
            shapes[f"{stage}.rebnconv{name}.bn_s1.num_batches_tracked"] = ()
    for number, width in enumerate(sides, start=1):
        shapes |= {f"side{number}.weight": (1, width, 3, 3), f"side{number}.bias": (1,)}
    return shapes | {"outconv.weight": (1, 6, 1, 1), "outconv.bias": (1,)}


def authors_file(path, size):
    """Write a file with the authors' names and random numbers; return what is in it."""
    stages, sides, _ = SIZES[size]
    torch.manual_seed(4)
    state = {
        name: torch.randn(shape) / (9 * shape[1]) ** 0.5 if len(shape) == 4 else 0.5 + torch.rand(shape)
        for name, shape in authors_shapes(stages, sides).items()
    }
    torch.save(state, path)
    return state


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The small network with the weights of a file, in evaluation, and those weights."""
    path = tmp_path_factory.mktemp("weights") / "u2netp.pth"
    state = authors_file(path, "small")
    return U2Net(size="small", weights=path).eval(), state


@pytest.mark.parametrize("size", SIZES)
def test_tensors_are_the_authors_by_name_and_shape(size):
    stages, sides, parameters = SIZES[size]
    with torch.device("meta"):
        network = U2Net(size=size)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes == authors_shapes(stages, sides)
    assert len(shapes) == 798
    for stage, (*_, count) in stages.items():
        assert sum(parameter.numel() for parameter in network.get_submodule(stage).parameters()) == count, stage
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def u2net(state, images):
    """Compute the small network's seven answers from its state dict, each U by recursion."""

    def convolution(name, features, dilation=1):
        weight, bias = state[f"{name}.conv_s1.weight"], state[f"{name}.conv_s1.bias"]
        features = F.conv2d(features, weight, bias, padding=dilation, dilation=dilation)
        normal = [state[f"{name}.bn_s1.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(features, *normal).relu()

    def pool(features):
        return F.max_pool2d(features, 2, ceil_mode=True)

    def up(features, partner):
        return F.interpolate(features, size=partner.shape[-2:], mode="bilinear", align_corners=False)

    def inner(stage, features, levels, level):
        layer = partial(convolution, features=features)
        if levels == "F":
            if level == 4:
                return layer(f"{stage}.rebnconv4", dilation=8)
            features = layer(f"{stage}.rebnconv{level}", dilation=2 ** (level - 1))
            joined = torch.cat([inner(stage, features, levels, level + 1), features], 1)
            return convolution(f"{stage}.rebnconv{level}d", joined, dilation=2 ** (level - 1))
        if level == levels:
            return layer(f"{stage}.rebnconv{level}", dilation=2)
        features = layer(f"{stage}.rebnconv{level}")
        below = features if level == levels - 1 else pool(features)
        joined = torch.cat([up(inner(stage, below, levels, level + 1), features), features], 1)
        return convolution(f"{stage}.rebnconv{level}d", joined)

    def block(stage, features):
        entering = convolution(f"{stage}.rebnconvin", features)
        return inner(stage, entering, SMALL[stage][3], 1) + entering

    one = block("stage1", images)
    two = block("stage2", pool(one))
    three = block("stage3", pool(two))
    four = block("stage4", pool(three))
    five = block("stage5", pool(four))
    decoded = [block("stage6", pool(five))]
    for stage, skip in (("stage5d", five), ("stage4d", four), ("stage3d", three), ("stage2d", two), ("stage1d", one)):
        decoded.append(block(stage, torch.cat([up(decoded[-1], skip), skip], 1)))
    sides = [
        up(F.conv2d(features, state[f"side{number}.weight"], state[f"side{number}.bias"], padding=1), images)
        for number, features in zip(range(6, 0, -1), decoded, strict=True)
    ][::-1]
    return [F.conv2d(torch.cat(sides, 1), state["outconv.weight"], state["outconv.bias"]), *sides]


@torch.no_grad()
def test_a_file_of_the_authors_gives_their_answers_at_an_odd_size(small):
    network, state = small
    images = torch.randn(1, 3, 33, 47, generator=torch.Generator().manual_seed(1))
    expected = u2net(state, images)
    torch.testing.assert_close(network(images), expected[0])  # one answer in evaluation
    for layer in network.modules():
        layer.training = layer is network  # seven answers, and batch normalisation as in evaluation
    for answer, one in zip(network(images), expected, strict=True):
        torch.testing.assert_close(answer, one)
    network.eval()


@torch.no_grad()
def test_seven_answers_that_know_nothing_cost_seven_times_the_logarithm_of_two():
    loss = build(compose("train", ["experiment=u2net_small"]).loss)
    network = U2Net(size="small").train()
    for name, parameter in network.named_parameters():
        if name.startswith(("side", "outconv")):
            parameter.zero_()
    answers = network(torch.rand(2, 3, 40, 64))
    assert [answer.shape for answer in answers] == [(2, 1, 40, 64)] * 7
    mask = (torch.rand(2, 1, 40, 64) > 0.3).float()
    assert loss(answers, mask).tolist() == pytest.approx([7 * log(2)] * 2, abs=1e-5)  # 4.852030
    assert loss(answers[0], mask).tolist() == pytest.approx([log(2)] * 2, abs=1e-6)


def test_a_file_serves_other_channels_and_classes_too(small, tmp_path):
    state = authors_file(tmp_path / "u2netp.pth", "small")
    network = U2Net(size="small", weights=tmp_path / "u2netp.pth", channels=4, classes=3)
    own = network.state_dict()
    assert own["stage1.rebnconvin.conv_s1.weight"].shape == (64, 4, 3, 3)
    assert own["outconv.weight"].shape == (3, 18, 1, 1)
    torch.testing.assert_close(own["stage6.rebnconv4.conv_s1.weight"], state["stage6.rebnconv4.conv_s1.weight"])


def test_a_block_of_each_kind_compiles_to_one_graph():
    blocks = nn.Sequential(residual_u(4, 3, 2, 4), residual_u(DILATED, 4, 2, 4)).eval()
    images = torch.rand(1, 3, 20, 28)
    torch.compiler.reset()
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(blocks, backend="eager", fullgraph=True)(images), blocks(images))


@pytest.mark.hostile("wrong input")
def test_other_sizes_and_files_are_refused(tmp_path):
    with pytest.raises(MaskfoldError, match=r"model\.size=tiny: choose full or small"):
        U2Net(size="tiny")
    with pytest.raises(MaskfoldError, match=r"random weights, model\.weights=null.*u2netp\.pth for model\.size=small"):
        U2Net(size="small", weights="imagenet")
    authors_file(tmp_path / "u2netp.pth", "small")
    with torch.device("meta"), pytest.raises(MaskfoldError, match="weights of another network"):
        U2Net(weights=tmp_path / "u2netp.pth")
