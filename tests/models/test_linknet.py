import pytest
import torch

from maskfold.errors import MaskfoldError
from maskfold.models.linknet import LinkNet


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_resnet34_has_the_winners_parameters():
    assert parameters(LinkNet(encoder="resnet34", weights=None)) == 21_642_401


def test_concatenation_adds_one_1x1_convolution_per_skip():
    # Weights and biases of 512 -> 256, 256 -> 128 and 128 -> 64 channels.
    extra = (512 * 256 + 256) + (256 * 128 + 128) + (128 * 64 + 64)
    assert parameters(LinkNet(weights=None, skip="concat")) == 21_642_401 + extra


def test_bottleneck_encoders_fit():
    model = LinkNet(encoder="resnet50", weights=None, skip="concat").eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 32, 64)).shape == (1, 1, 32, 64)


def test_skips_reach_the_output():
    """With the deepest stage silenced, what the logits still know of the image came through the skips."""
    torch.manual_seed(0)
    model = LinkNet(encoder="resnet18", weights=None).eval()
    model.stages[3].register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    with torch.no_grad():
        logits = model(torch.randn(2, 3, 64, 64))
    assert not torch.allclose(logits[0], logits[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"encoder": "vgg11"}, "encoder=vgg11.*resnet34"), ({"skip": "multiply"}, "skip=multiply.*add or concat")],
)
def test_unknown_choices_are_refused(arguments, message):
    with pytest.raises(MaskfoldError, match=message):
        LinkNet(weights=None, **arguments)
