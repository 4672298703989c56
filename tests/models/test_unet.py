import pytest
import torch

from maskfold.errors import MaskfoldError
from maskfold.models.unet import UNetScratch


def test_default_has_the_winners_parameters():
    with torch.device("meta"):  # counts without 91 million random numbers
        model = UNetScratch()
    assert sum(parameter.numel() for parameter in model.parameters()) == 91_238_817
    assert model.stride == 64


def test_widths_set_depth_and_stride():
    model = UNetScratch(widths=(4, 8, 8)).eval()
    # 3x3 convolutions with bias and batch normalisation: in * out * 9 + 3 * out parameters each.
    convolutions = [(3, 4), (4, 4), (4, 8), (8, 8)]  # down
    convolutions += [(8, 8), (8, 8)]  # centre
    convolutions += [(16, 8), (8, 8), (8, 8), (12, 4), (4, 4), (4, 4)]  # up
    expected = sum(before * after * 9 + 3 * after for before, after in convolutions) + (4 + 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    assert model.stride == 4
    assert model(torch.zeros(1, 3, 4, 12)).shape == (1, 1, 4, 12)
    with pytest.raises(MaskfoldError, match="multiples of 4"):
        model(torch.zeros(1, 3, 6, 12))
