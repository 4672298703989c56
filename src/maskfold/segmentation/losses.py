"""Losses of segmentation: `(logits, target) -> one value per image`.

Every loss here is a module called with logits (N, C, H, W) and a target (N, C, H, W) in 0..1 (a soft label is a
probability) that returns (N,) float32: of several classes the mean of the losses of each. Whoever trains takes the
mean, or a weighted one where images differ in worth.
Sums over millions of pixels lose too much in 16 bits, so everything is computed in float32, under autocast as well.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from maskfold.segmentation.boundary import boundary_weight
from maskfold.segmentation.metrics import bce, each_alone, over_classes, soft_dice


class BCE(nn.Module):
    """Binary cross-entropy in nats, the mean over an image's pixels."""

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return each image's loss, (N,) float32."""
        return bce(logits, target)


class Dice(nn.Module):
    """Soft Dice as a loss: 1 - Dice, or -log Dice.

    Args:
        log: Whether to take the logarithm, which weighs a poorly segmented image more.
        smooth: Pixels added to numerator and denominator.
    """

    def __init__(self, *, log: bool = False, smooth: float = 1.0):
        super().__init__()
        self.log = log
        self.smooth = smooth

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return each image's loss, (N,) float32."""
        dice = soft_dice(*each_alone(logits, target), smooth=self.smooth)
        return over_classes(-dice.log() if self.log else 1 - dice, len(logits))


class BoundaryBCEDice(nn.Module):
    """Boundary-weighted cross-entropy plus 1 - Dice with the squared weights, as the Carvana winners' UNets had it.

    Args:
        factor: Weight of a pixel near the mask's boundary, as a multiple of any other's.
        smooth: Pixels added to the Dice score's numerator and denominator.
    """

    def __init__(self, *, factor: float = 3.0, smooth: float = 1.0):
        super().__init__()
        self.factor = factor
        self.smooth = smooth

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return each image's loss, (N,) float32."""
        images = len(logits)
        logits, target = each_alone(logits, target)
        weight = boundary_weight(target, factor=self.factor)
        losses = bce(logits, target, weight) + 1 - soft_dice(logits, target, weight**2, smooth=self.smooth)
        return over_classes(losses, images)


class CrossEntropy(nn.Module):
    """Cross-entropy in nats of classes that never overlap and the background, the mean over an image's pixels.

    Of one class it is `BCE`. The logits are those that `maskfold.models.network.marginal_logits` gives: what is not a
    class's is the background's.
    """

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return each image's loss, (N,) float32."""
        logits, target = logits.float(), target.float()
        of_classes = (target * F.softplus(-logits)).sum(1)
        background = (1 - target.sum(1)).clamp(min=0)
        return (of_classes + background * _surprise_of_background(logits)).flatten(1).mean(1)


def _surprise_of_background(logits: torch.Tensor) -> torch.Tensor:
    """Return -log(1 - the sum of the probabilities), `(N, H, W)`, of logits `(N, C, H, W)`.

    What the strongest class m leaves is known exactly, 1 - p_m = sigmoid(-z_m); the others take a share of that. Where
    they take all but 1e-6 of it float32 knows no better; the strongest class is still pushed down.
    """
    strongest, place = logits.max(1, keepdim=True)
    left = F.softplus(strongest)  # -log(1 - p_m)
    others = (F.logsigmoid(logits) + left).scatter(1, place, -torch.inf).exp().sum(1)
    return left[:, 0] - torch.log1p(-others.clamp(max=1 - 1e-6))


class PerImage(nn.Module):
    """Any loss of a batch, such as those of segmentation_models_pytorch, asked about each image and class alone.

    Args:
        loss: Module called with logits and target, (1, 1, H, W) float32 each, that returns a scalar.
        hard: Whether the loss is only defined for masks; a soft target is then cut at 0.5.
    """

    def __init__(self, *, loss: nn.Module, hard: bool = False):
        super().__init__()
        self.loss = loss
        self.hard = hard

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return each image's loss, (N,) float32."""
        images = len(logits)
        logits, target = each_alone(logits.float(), (target >= 0.5 if self.hard else target).float())
        with torch.autocast(logits.device.type, enabled=False):
            losses = [self.loss(*mask) for mask in zip(logits.split(1), target.split(1), strict=True)]
        return over_classes(torch.stack(losses), images)


class Sum(nn.Module):
    """A weighted sum of losses.

    Args:
        terms: Losses that return one value per image.
        weights: One factor per term; None for 1 each.

    Raises:
        ValueError: If there are not as many weights as terms.
    """

    def __init__(self, *, terms: Sequence[nn.Module], weights: Sequence[float] | None = None):
        super().__init__()
        self.terms = nn.ModuleList(terms)
        self.weights = [1.0] * len(self.terms) if weights is None else list(weights)
        if len(self.weights) != len(self.terms):
            raise ValueError(f"loss: {len(self.terms)} terms but {len(self.weights)} weights; give one weight per term")

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return each image's loss, (N,) float32."""
        return sum(weight * term(logits, target) for weight, term in zip(self.weights, self.terms, strict=True))
