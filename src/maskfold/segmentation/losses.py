"""Losses of segmentation: `(logits, target) -> one value per image`.

Every loss here is a module called with logits (N, 1, H, W) and a target (N, 1, H, W) in 0..1 (a soft label is a
probability) that returns (N,) float32. Whoever trains takes the mean, or a weighted one where images differ in worth.
Sums over millions of pixels lose too much in 16 bits, so everything is computed in float32, under autocast as well.
"""

from collections.abc import Sequence

import torch
from torch import nn

from maskfold.segmentation.boundary import boundary_weight
from maskfold.segmentation.metrics import bce, soft_dice


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
        dice = soft_dice(logits, target, smooth=self.smooth)
        return -dice.log() if self.log else 1 - dice


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
        weight = boundary_weight(target, factor=self.factor)
        return bce(logits, target, weight) + 1 - soft_dice(logits, target, weight**2, smooth=self.smooth)


class PerImage(nn.Module):
    """Any loss of a batch, such as those of segmentation_models_pytorch, asked about each image alone.

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
        target = (target >= 0.5 if self.hard else target).float()
        with torch.autocast(logits.device.type, enabled=False):
            return torch.stack(
                [self.loss(*image) for image in zip(logits.float().split(1), target.split(1), strict=True)]
            )


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
