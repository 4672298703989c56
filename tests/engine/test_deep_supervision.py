import pytest
import torch
from torch import nn

from maskfold.engine.deep_supervision import DeepSupervision, supervised
from maskfold.errors import MaskfoldError


class Distance(nn.Module):
    """The mean squared distance of each sample."""

    def forward(self, output, target):
        return (output - target).square().flatten(1).mean(1)


TARGET = torch.zeros(2, 1)
OUTPUTS = (torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [0.0]]), torch.tensor([[0.0], [1.0]]))


def test_losses_of_all_outputs_are_added_up_by_their_weights():
    loss = DeepSupervision(loss=Distance(), weights=[1, 0.5, 2])
    assert loss(OUTPUTS, TARGET).tolist() == [1 + 0.5 * 9 + 0, 4 + 0 + 2 * 1]


def test_one_output_as_in_evaluation_has_the_plain_loss():
    assert DeepSupervision(loss=Distance(), weights=[0.3, 1])(OUTPUTS[0], TARGET).tolist() == [1.0, 4.0]


def test_weights_of_one_and_zeros_give_the_plain_loss_and_gradient_to_the_bit():
    torch.manual_seed(0)
    outputs = [torch.randn(4, 3, requires_grad=True) for _ in range(3)]
    target = torch.randn(4, 3)
    plain = Distance()(outputs[0], target)
    plain.sum().backward()
    expected = outputs[0].grad.clone()
    outputs[0].grad = None
    supervised = DeepSupervision(loss=Distance(), weights=[1, 0, 0])(outputs, target)
    supervised.sum().backward()
    assert torch.equal(supervised, plain)
    assert torch.equal(outputs[0].grad, expected)
    assert outputs[1].grad is None


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_weights_that_mean_nothing_are_refused(weights):
    with pytest.raises(MaskfoldError, match=r"loss\.weights"):
        DeepSupervision(loss=Distance(), weights=weights)


def test_another_number_of_outputs_than_weights_is_refused():
    with pytest.raises(MaskfoldError, match="2 weights, the network 3 outputs"):
        DeepSupervision(loss=Distance(), weights=[1, 1])(OUTPUTS, TARGET)


def test_a_plain_loss_weighs_every_further_output_half():
    loss = supervised(Distance(), outputs=3)
    assert loss(OUTPUTS, TARGET).tolist() == [1 + 0.5 * 9 + 0, 4 + 0 + 0.25 * 1]


def test_weights_of_ones_own_are_kept_and_have_to_be_as_many():
    own = DeepSupervision(loss=Distance(), weights=[1, 0.3])
    assert supervised(own, outputs=2) is own
    with pytest.raises(MaskfoldError, match=r"3 outputs in training.*loss\.weights has 2"):
        supervised(own, outputs=3)
