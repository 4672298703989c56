import pytest
import torch

from maskfold.models.unet_vgg11 import UNetVGG11


@pytest.mark.parametrize(("filters", "parameters"), [(32, 22_927_393), (64, 33_554_753)])
def test_parameters_are_those_of_ternausnet_and_of_the_wider_net(filters, parameters):
    with torch.device("meta"):
        model = UNetVGG11(filters=filters, weights=None)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_random_weights_neither_vanish_nor_explode():
    """Without batch normalisation a poor start would leave logits of a random network near 0, or huge."""
    torch.manual_seed(0)
    model = UNetVGG11(weights=None).eval()
    with torch.no_grad():
        spread = model(torch.randn(2, 3, 64, 64)).std()
    assert 0.01 < spread < 10
