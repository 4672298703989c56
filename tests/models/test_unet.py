import pytest
import torch
from torch.nn import functional as F

from maskfold.errors import MaskfoldError
from maskfold.models.unet import UNetScratch


def test_default_has_the_winners_parameters():
    with torch.device("meta"):  # counts without 91 million random numbers
        model = UNetScratch()
    assert sum(parameter.numel() for parameter in model.parameters()) == 91_238_817
    assert model.stride == 32


def test_widths_set_depth_and_stride():
    model = UNetScratch(widths=(4, 8, 8)).eval()
    # 3x3 convolutions with bias and batch normalisation: in * out * 9 + 3 * out parameters each.
    convolutions = [(3, 4), (4, 4), (4, 8), (8, 8)]  # down
    convolutions += [(8, 8), (8, 8)]  # centre
    convolutions += [(16, 8), (8, 8), (8, 8), (12, 4), (4, 4), (4, 4)]  # up
    expected = sum(before * after * 9 + 3 * after for before, after in convolutions) + (4 + 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected
    assert model.stride == 2
    for size in [(4, 12), (2, 6), (6, 10)]:  # the last level of the others is odd
        assert model(torch.zeros(1, 3, *size)).shape == (1, 1, *size)
    with pytest.raises(MaskfoldError, match="multiples of 2"):
        model(torch.zeros(1, 3, 5, 12))


def test_where_all_levels_are_even_every_step_halves_and_doubles():
    torch.manual_seed(0)
    model = UNetScratch(widths=(2, 4, 4)).eval()
    images = torch.randn(1, 3, 8, 12)
    with torch.no_grad():
        top = model.down[0](images)
        below = model.down[1](F.max_pool2d(top, 2))
        features = model.centre(F.max_pool2d(below, 2))
        for block, skip in [(model.up[0], below), (model.up[1], top)]:
            doubled = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = block(torch.cat([doubled, skip], dim=1))
        assert torch.equal(model(images), model.head(features))
