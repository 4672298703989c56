"""Losses on masks of four pixels; the logits ±log 3 and 0 are the probabilities 3/4, 1/4 and 1/2."""

from math import log
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from torch.nn import functional as F

from maskfold.config import compose
from maskfold.models.network import marginal_logits
from maskfold.segmentation.losses import BCE, BoundaryBCEDice, CrossEntropy, Dice, Sum

CONFIGS = [path.stem for path in (Path(__file__).parents[2] / "conf" / "loss").glob("*.yaml")]

LOGITS = torch.tensor([log(3), -log(3), 0, log(3)]).reshape(1, 1, 2, 2)
TARGET = torch.tensor([1.0, 0, 1, 0]).reshape(1, 1, 2, 2)
RIGHT = [3 / 4, 3 / 4, 1 / 2, 1 / 4]  # probability given to each pixel's true class

CROSS_ENTROPY = -sum(log(p) for p in RIGHT) / 4
# Twice the intersection 3/4 + 1/2, over 9/4 predicted and 2 actual pixels, one pixel of smoothing.
SOFT_DICE = (2 * 5 / 4 + 1) / (9 / 4 + 2 + 1)


@pytest.fixture(params=sorted(CONFIGS))
def loss(request):
    return build(request.param)


def build(name):
    return instantiate(compose("train", ["name=any", f"loss={name}"]).loss)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bce", CROSS_ENTROPY),
        ("cross_entropy", CROSS_ENTROPY),  # of one class the same
        ("bce_dice", CROSS_ENTROPY + 1 - SOFT_DICE),
        ("bce_log_dice", CROSS_ENTROPY - log(SOFT_DICE)),
        ("focal", -sum((1 - p) ** 2 * log(p) for p in RIGHT) / 4),
        # 5/4 pixels true positive, 1/4 + 3/4 false positive, 1/4 + 1/2 false negative.
        ("tversky", 1 - (5 / 4 + 1) / (5 / 4 + 0.3 * 1 + 0.7 * 3 / 4 + 1)),
        # At a height of 2 the box is one pixel, so nothing is near a boundary and all weights are 1.
        ("weighted_bce_dice", CROSS_ENTROPY + 1 - SOFT_DICE),
    ],
)
def test_values_by_hand(name, expected):
    loss = build(name)(LOGITS, TARGET)
    assert loss.shape == (1,)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_lovasz_by_hand():
    logits = torch.tensor([2, -1, 0.5, 0]).reshape(1, 1, 2, 2)
    target = torch.tensor([1.0, 0, 0, 1]).reshape(1, 1, 2, 2)
    # Hinge errors -1, 0, 3/2, 1. Wrong pixels in falling order cost 1/3 of IoU (the third: union 3), then 1/3 more.
    assert build("lovasz")(logits, target).item() == pytest.approx(1.5 / 3 + 1 / 3)


def test_lovasz_cuts_a_soft_target_at_a_half():
    soft = torch.tensor([0.9, 0.2, 0.5, 0.4]).reshape(1, 1, 2, 2)
    assert build("lovasz")(LOGITS, soft) == build("lovasz")(LOGITS, TARGET)


def test_boundary_weighted_loss_by_hand():
    """At height 64 the box is 5 wide; half a mask of 8 columns has weights 1/2, and 3/2 in its 4 middle columns."""
    target = torch.zeros(1, 1, 64, 8)
    target[..., :4] = 1
    logits = torch.full_like(target, -log(3))
    logits[..., 2:4] = log(3)
    # Weighted pixels of a row by the probability given to their true class: 7 at 3/4, one at 1/4.
    cross_entropy = -(7 * log(3 / 4) + log(1 / 4)) / 8
    near, far = 9 / 4, 1 / 4  # squared weights
    intersection = 64 * (2 * near * 3 / 4 + 2 * far * 1 / 4)
    predicted = intersection + 64 * (2 * near * 1 / 4 + 2 * far * 1 / 4)
    actual = 64 * (2 * near + 2 * far)
    dice = (2 * intersection + 1) / (predicted + actual + 1)
    loss = BoundaryBCEDice()(logits, target)
    assert loss.item() == pytest.approx(cross_entropy + 1 - dice, rel=1e-5)


def test_sum_weighs_its_terms():
    loss = Sum(terms=[BCE(), Dice(smooth=0)], weights=[0.25, 2])
    expected = 0.25 * CROSS_ENTROPY + 2 * (1 - 2 * 5 / 4 / (9 / 4 + 2))
    assert loss(LOGITS, TARGET).item() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="2 terms but 1 weights"):
        Sum(terms=[BCE(), Dice()], weights=[1.0])


def test_the_loss_inside_deep_supervision_is_chosen_by_its_name():
    chosen = compose("train", ["name=any", "loss=deep_supervision", "loss@loss.loss=bce"]).loss
    assert isinstance(instantiate(chosen).loss, BCE)


def test_soft_target_by_hand():
    target = torch.tensor([1, 0.5, 0.5, 0]).reshape(1, 1, 2, 2)
    cross_entropy = -(log(3 / 4) + (log(1 / 4) + log(3 / 4)) / 2 + log(1 / 2) + log(1 / 4)) / 4
    assert BCE()(LOGITS, target).item() == pytest.approx(cross_entropy, rel=1e-5)
    intersection = 3 / 4 + 1 / 8 + 1 / 4
    assert Dice()(LOGITS, target).item() == pytest.approx(1 - (2 * intersection + 1) / (9 / 4 + 2 + 1), rel=1e-5)


def test_empty_mask_by_hand():
    empty = torch.zeros(1, 1, 2, 2)
    assert Dice()(LOGITS, empty).item() == pytest.approx(1 - 1 / (9 / 4 + 1))
    assert Dice()(empty - 100, empty).item() == pytest.approx(0)
    assert Dice(log=True)(empty - 100, empty).item() == pytest.approx(0)


def test_one_value_per_image_whatever_its_batch(loss):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 1, 64, 48, generator=generator)
    target = torch.zeros(3, 1, 64, 48)
    target[0, :, 10:40, 10:30] = 1
    target[2, :, :20] = 1
    batch = loss(logits, target)
    assert batch.shape == (3,)
    alone = [loss(logits[i : i + 1], target[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(batch, torch.cat(alone))


@pytest.mark.parametrize("kind", ["mask", "empty", "full", "soft"])
def test_extreme_logits_keep_value_and_gradient_finite(loss, kind):
    generator = torch.Generator().manual_seed(0)
    signs = torch.randn(2, 1, 32, 32, generator=generator).sign()
    logits = (100 * signs).requires_grad_()
    target = {
        "mask": (torch.arange(32.0) < 12).float().expand(2, 1, 32, 32),
        "empty": torch.zeros(2, 1, 32, 32),
        "full": torch.ones(2, 1, 32, 32),
        "soft": torch.rand(2, 1, 32, 32, generator=generator),
    }[kind]
    values = loss(logits, target)
    values.mean().backward()
    assert values.isfinite().all()
    assert logits.grad.isfinite().all()


def test_gradient_points_to_the_mask(loss):
    logits = torch.zeros(1, 1, 16, 16, requires_grad=True)
    target = torch.zeros(1, 1, 16, 16)
    target[..., 4:10, 3:12] = 1
    loss(logits, target).mean().backward()
    towards = -logits.grad
    assert towards[target == 1].mean() > 0 > towards[target == 0].mean()


def test_half_precision_logits_are_summed_in_float32(loss):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1, 256, 256, generator=generator).bfloat16()
    target = (torch.rand(1, 1, 256, 256, generator=generator) < 0.1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), target), rtol=1e-6, atol=0)


# Two classes that never overlap and a background, on four pixels: the probabilities of each, and what is true.
SHARES = [[0.7, 0.2, 0.1], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8], [0.4, 0.2, 0.4]]
TRUE = [0, 1, 2, 2]
EXCLUSIVE_LOGITS = torch.tensor([[log(p / (1 - p)) for p in pixel[:2]] for pixel in SHARES]).T.reshape(1, 2, 2, 2)
EXCLUSIVE_TARGET = torch.tensor([[float(true == c) for c in range(2)] for true in TRUE]).T.reshape(1, 2, 2, 2)


def test_several_classes_have_the_mean_of_the_losses_of_each(loss):
    if isinstance(loss, CrossEntropy):  # whose classes compete
        return
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 64, 48, generator=generator)
    target = torch.zeros(2, 3, 64, 48)
    target[0, 0, 10:40, 10:30] = 1
    target[0, 2, 50:] = 1
    target[1, 1, :20] = 1
    alone = [loss(logits[:, c : c + 1], target[:, c : c + 1]) for c in range(3)]
    torch.testing.assert_close(loss(logits, target), torch.stack(alone).mean(0))


def test_dice_of_two_classes_by_hand():
    """The second class is empty and half predicted: a Dice of 1 / (2 + 1) with one pixel of smoothing."""
    logits, target = torch.cat([LOGITS, 0 * LOGITS], dim=1), torch.cat([TARGET, 0 * TARGET], dim=1)
    assert Dice()(logits, target).item() == pytest.approx(1 - (SOFT_DICE + 1 / 3) / 2, rel=1e-5)
    assert Dice(log=True)(logits, target).item() == pytest.approx(-(log(SOFT_DICE) + log(1 / 3)) / 2, rel=1e-5)


def test_lovasz_of_two_classes_by_hand():
    """The first class costs 1.5 / 3 + 1 / 3, see above; the second, empty and with logits -1, nothing but its hinge."""
    logits = torch.tensor([2, -1, 0.5, 0, -3, -3, -3, -3]).reshape(1, 2, 2, 2)
    target = torch.tensor([1.0, 0, 0, 1, 0, 0, 0, 0]).reshape(1, 2, 2, 2)
    assert build("lovasz")(logits, target).item() == pytest.approx((1.5 / 3 + 1 / 3) / 2)


def test_cross_entropy_with_the_background_by_hand():
    expected = -(log(0.7) + log(0.5) + log(0.8) + log(0.4)) / 4
    assert CrossEntropy()(EXCLUSIVE_LOGITS, EXCLUSIVE_TARGET).item() == pytest.approx(expected, rel=1e-5)
    # A soft label: the last pixel half the first class, half background.
    soft = EXCLUSIVE_TARGET.clone()
    soft[0, 0, 1, 1] = 0.5
    expected = -(log(0.7) + log(0.5) + log(0.8) + (log(0.4) + log(0.4)) / 2) / 4
    assert CrossEntropy()(EXCLUSIVE_LOGITS, soft).item() == pytest.approx(expected, rel=1e-5)


def test_cross_entropy_is_torchs_on_the_logits_behind_the_marginal_ones():
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(2, 4, 16, 16, generator=generator)).requires_grad_()
    labels = torch.randint(0, 5, (2, 16, 16), generator=generator)  # 4 is the background
    target = F.one_hot(labels, 5)[..., :4].movedim(-1, 1)
    with_background = torch.cat([logits, torch.zeros(2, 1, 16, 16)], dim=1)
    expected = F.cross_entropy(with_background, labels, reduction="none").mean((1, 2))
    own = CrossEntropy()(marginal_logits(logits), target)
    torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-5)
    (wanted,) = torch.autograd.grad(expected.sum(), logits)
    (gradient,) = torch.autograd.grad(own.sum(), logits)
    torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-5)


def test_cross_entropy_where_two_classes_take_all_of_a_background_pixel_stays_finite():
    logits = torch.tensor([60.0, 60.0, -60.0]).reshape(1, 3, 1, 1).requires_grad_()
    value = CrossEntropy()(marginal_logits(logits), torch.zeros(1, 3, 1, 1))
    value.sum().backward()
    assert value.isfinite().all()
    assert logits.grad.isfinite().all()
