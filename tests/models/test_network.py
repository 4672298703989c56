import pytest
from torch import nn

from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network


@pytest.mark.parametrize(
    ("model", "stride"),
    [
        (nn.Conv2d(3, 1, 3, stride=2), 1),
        (nn.Sequential(nn.Conv2d(3, 1, 1)), 1),
        (LinkNet(encoder="resnet18", weights=None), 32),
    ],
    ids=["convolution", "sequence", "linknet"],
)
def test_the_multiple_of_an_input_is_a_number_for_any_model(model, stride):
    assert Network(model).stride == stride
