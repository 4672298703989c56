"""Deep supervision of decoders: what a network answers in training and in evaluation, and what is refused."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from maskfold.errors import MaskfoldError
from maskfold.models.deep import chosen_layers
from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network, marginal_logits
from maskfold.models.smp import SMP
from maskfold.models.u2net import U2Net
from maskfold.models.unet import UNetScratch
from maskfold.models.unet_vgg11 import UNetVGG11


def of_smp(architecture):
    narrow = {"decoder_channels": (16, 8, 4)} if architecture != "fpn" else {"decoder_pyramid_channels": 8}
    depth = 3 if architecture != "fpn" else 5
    return lambda: SMP(architecture=architecture, encoder="resnet18", weights=None, encoder_depth=depth, **narrow)


# By name: the model, how many stages its decoder has, and by how much the first three are smaller than the image.
MODELS = {
    "linknet": (lambda: LinkNet(encoder="resnet18", weights=None), 4, (2, 4, 8)),
    "unet": (lambda: UNetScratch(widths=[4, 4, 8, 8, 8]), 4, (2, 4, 8)),
    "unet_vgg11": (lambda: UNetVGG11(filters=2, weights=None), 5, (1, 2, 4)),
    "smp.unet": (of_smp("unet"), 2, (2, 4)),
    "smp.unetplusplus": (of_smp("unetplusplus"), 2, (2, 2)),
    "smp.fpn": (of_smp("fpn"), 4, (4, 8, 16)),
}
STAGES = {  # of others of the library
    "manet": ["blocks.3", "blocks.2", "blocks.1", "blocks.0"],
    "pan": ["gau2", "gau3", "fpa"],
    "deeplabv3plus": ["aspp"],
    "upernet": ["fpn_conv_blocks.2", "fpn_conv_blocks.1", "fpn_conv_blocks.0"],
}


@pytest.mark.parametrize("name", MODELS)
def test_every_decoder_answers_by_its_stages_in_training_and_as_ever_in_evaluation(name):
    make, count, shrinkage = MODELS[name]
    torch.manual_seed(0)
    plain = Network(make())
    torch.manual_seed(0)
    model = make()
    layers = chosen_layers(model, min(count, 3))
    network = Network(model, deep=layers)
    photos = torch.randint(0, 256, (2, 3, 32, 64), generator=torch.Generator().manual_seed(1)).byte()
    kept = {}
    for layer in layers:
        model.get_submodule(layer).register_forward_hook(lambda _, __, output, key=layer: kept.update({key: output}))

    weights = network.state_dict()
    for key, tensor in plain.state_dict().items():  # a look at the channels has changed nothing
        assert torch.equal(weights[key], tensor), key
    with torch.no_grad():
        assert torch.equal(network.eval()(photos), plain.eval()(photos))
    main, *answers = network.train()(photos)
    assert main.shape == (2, 1, 32, 64)
    for head, layer, answer, by in zip(network.auxiliary.heads, layers, answers, shrinkage, strict=True):
        assert kept[layer].shape[-2:] == (32 // by, 64 // by)
        alone = F.conv2d(kept[layer], head.weight, head.bias)
        torch.testing.assert_close(answer, F.interpolate(alone, size=(32, 64), mode="bilinear", align_corners=False))
    sum(answer.square().mean() for answer in answers).backward()
    assert all(head.weight.grad.any() for head in network.auxiliary.heads)
    with pytest.raises(MaskfoldError, match=rf"deep=9: .* has {count} stages .*\. Give at most deep={count}\."):
        chosen_layers(model, 9)


@pytest.mark.parametrize("architecture", STAGES)
def test_stages_of_others_of_the_library_give_maps(architecture):
    with torch.device("meta"):
        model = SMP(architecture=architecture, encoder="resnet18", weights=None)
        assert model.decoder_stages() == [f"network.decoder.{name}" for name in STAGES[architecture]]
        network = Network(model, deep=model.decoder_stages())
    assert len(network.auxiliary.heads) == len(STAGES[architecture])


def test_answers_of_classes_that_never_overlap_are_each_against_all_others():
    torch.manual_seed(0)
    network = Network(UNetScratch(widths=[4, 4, 8], classes=3), deep=["up.0"], exclusive=True)
    plain = Network(network.model)  # the same layers, which are listened to already
    photos = torch.randint(0, 256, (2, 3, 8, 12), dtype=torch.uint8)
    main, answer = network(photos)
    torch.testing.assert_close(main, marginal_logits(plain(photos)))
    assert answer.shape == (2, 3, 8, 12)
    assert (answer.sigmoid().sum(1) < 1).all()


def test_layers_of_any_model_can_be_named():
    model = nn.Sequential(nn.Conv2d(5, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    network = Network(model, mean=[0] * 5, std=[1] * 5, deep=chosen_layers(model, ["1", "0"]))
    assert [answer.shape for answer in network(torch.rand(2, 5, 6, 7))] == [(2, 2, 6, 7)] * 3
    assert network.settings.keys() == {"mean", "std"}
    assert chosen_layers(model, 0) == []


def test_it_compiles_to_one_graph_in_training_and_in_evaluation():
    torch.manual_seed(0)
    network = Network(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1)), deep=["0"])
    photos = torch.randint(0, 256, (2, 3, 8, 12), dtype=torch.uint8)
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    for _ in range(2):
        for answer, expected in zip(compiled(photos), network(photos), strict=True):
            torch.testing.assert_close(answer, expected)
    network.eval()
    torch.testing.assert_close(compiled(photos), network(photos))


class Odd(nn.Module):
    """A model with a layer that gives two maps, and one that is not run."""

    def __init__(self):
        super().__init__()
        self.two = Two()
        self.idle = nn.Identity()
        self.last = nn.Conv2d(3, 1, 1)

    def forward(self, images):
        if images.shape[-1] > 1000:
            raise RuntimeError("too large")
        return self.last(self.two(images)[0])


class Two(nn.Module):
    def forward(self, images):
        return images, images


@pytest.mark.hostile("wrong input")
def test_what_cannot_be_listened_to_is_refused_with_a_way_out():
    with pytest.raises(MaskfoldError, match=r"(?s)deep=1: U2Net does not say .*deep=\[\.\.\.\].*stage1"):
        chosen_layers(U2Net(size="small"), 1)
    with pytest.raises(MaskfoldError, match=r"(?s)deep: no layer up\.7\. The layers are:.*up\.0"):
        chosen_layers(UNetScratch(widths=[4, 4, 8]), ["up.7"])
    for layer in ("two", "idle"):
        with pytest.raises(MaskfoldError, match=rf"the layer {layer} of Odd gives no single map"):
            Network(Odd(), deep=[layer])
    large = Odd()
    large.stride = 1024
    with pytest.raises(MaskfoldError, match=r"Odd does not take an image of 1024 x 1024 pixels.*too large"):
        Network(large, deep=["last"])
