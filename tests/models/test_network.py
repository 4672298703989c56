import pytest
import torch
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


def test_photos_reach_the_model_less_the_mean_and_by_the_standard_deviation():
    # 10, 20 and 30 less 4, 8 and 30, by 2, 6 and 5.
    network = Network(nn.Identity(), mean=(4, 8, 30), std=(2, 6, 5))
    photo = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1)
    assert network(photo).flatten().tolist() == [3, 2, 0]

    photo = torch.tensor([255, 0, 200], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (200 / 255 - 0.406) / 0.225]  # as torchvision states them
    assert Network(nn.Identity())(photo).flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_what_is_no_number_counts_as_the_mean():
    network = Network(nn.Identity(), mean=(100, 5), std=(10, 2))
    assert network.channels == 2
    photo = torch.tensor([[[120, float("nan")]], [[float("inf"), 1]]])[None]
    assert network(photo).tolist() == [[[[2, 0]], [[0, -2]]]]


def test_only_what_is_not_usual_is_kept_of_a_network():
    assert Network(nn.Identity()).settings == {}
    assert Network(nn.Identity()).channels is None
    assert Network(nn.Identity(), mean=[1, 2], std=[3, 4]).settings == {"mean": [1, 2], "std": [3, 4]}
