import torch
from timm.layers import AvgPool2dSame, Conv2dSame
from torch import nn

from maskfold.models.same_padding import with_constant_padding


def test_maps_stay_bit_for_bit_and_the_layers_know_nothing_of_sizes():
    torch.manual_seed(0)
    network = nn.Sequential(
        Conv2dSame(3, 4, 3, stride=2), Conv2dSame(4, 4, 5, stride=2, groups=2, bias=False), AvgPool2dSame(2, 2)
    )
    weights = {name: parameter.clone() for name, parameter in network.named_parameters()}
    images = [torch.rand(2, 3, 16, 24), torch.rand(1, 3, 8, 8)]
    before = [network(image) for image in images]
    with_constant_padding(network)

    assert {name: parameter.shape for name, parameter in network.named_parameters()} == {
        name: weight.shape for name, weight in weights.items()
    }
    assert not any(isinstance(layer, Conv2dSame | AvgPool2dSame) for layer in network)
    for image, maps in zip(images, before, strict=True):
        assert torch.equal(network(image), maps)
