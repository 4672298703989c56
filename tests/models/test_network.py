from math import log

import pytest
import torch
from torch import nn

from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network, marginal_logits


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


def softmax_with_background(logits):
    """Return the probabilities of the classes beside a background of logit 0, in double precision."""
    background = torch.zeros_like(logits[:, :1], dtype=torch.float64)
    return torch.cat([background, logits.double()], dim=1).softmax(1)[:, 1:]


@pytest.mark.parametrize("classes", [1, 2, 4, 12])
def test_exclusive_classes_are_a_softmax_beside_a_background_of_logit_0(classes):
    logits = 3 * torch.randn(2, classes, 5, 6, generator=torch.Generator().manual_seed(classes))
    probability = Network(nn.Identity(), mean=(0,), std=(1,), exclusive=True)(logits).sigmoid()
    torch.testing.assert_close(probability.double(), softmax_with_background(logits), rtol=1e-5, atol=1e-7)


def test_one_class_is_its_own_logit():
    logits = torch.tensor([-40.0, 0.0, 0.3, 40.0]).view(1, 1, 2, 2)
    assert torch.equal(marginal_logits(logits), logits)


def test_a_marginal_logit_keeps_its_precision_where_one_class_is_sure():
    """With logits 30, 20 and 0 the odds of the first are e^30 to e^20 + 1, of the second e^20 to e^30 + 1."""
    logits = torch.tensor([30.0, 20.0]).view(1, 2, 1, 1).requires_grad_()
    marginal = marginal_logits(logits)
    assert marginal.flatten().tolist() == pytest.approx([10.0, -10.0], rel=1e-6)
    extreme = marginal_logits(torch.tensor([[200.0, 200.0, -200.0]]).view(1, 3, 1, 1))
    assert extreme.flatten().tolist() == pytest.approx([0.0, 0.0, -400.0 - log(2)], abs=1e-4)
    marginal.sum().backward()
    assert logits.grad.isfinite().all()


def test_half_precision_and_auxiliary_outputs_are_marginal_too():
    outputs = tuple(torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(seed)) for seed in range(2))

    class Auxiliary(nn.Module):
        def forward(self, image):
            return tuple(output.bfloat16() for output in outputs)

    network = Network(Auxiliary(), exclusive=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        answers = network(torch.zeros(1, 3, 2, 2, dtype=torch.uint8))
    assert [answer.dtype for answer in answers] == [torch.float32] * 2
    for answer, output in zip(answers, outputs, strict=True):
        expected = softmax_with_background(output.bfloat16())
        torch.testing.assert_close(answer.sigmoid().double(), expected, rtol=1e-5, atol=1e-7)


def test_only_what_is_not_the_usual_is_kept_in_a_checkpoint():
    assert Network(nn.Identity()).settings == {}
    assert Network(nn.Identity(), exclusive=True).settings == {"exclusive": True}
