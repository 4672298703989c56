"""U2-Net, UNets nested in a UNet, and its small sister."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from maskfold.errors import MaskfoldError
from maskfold.models.encoders import fit_state_dict, read_state_dict

DILATED = 0  # instead of a number of levels: a block of four that dilates instead of pooling
_LEVELS = {1: 7, 2: 6, 3: 5, 4: 4, 5: DILATED}  # of a stage, by its number, on the way down and up
# By size: the middle and the outgoing channels of the six stages on the way down, then of the five on the way up.
_WIDTHS = {
    "full": (
        ((32, 64), (32, 128), (64, 256), (128, 512), (256, 512), (256, 512)),
        ((256, 512), (128, 256), (64, 128), (32, 64), (16, 64)),
    ),
    "small": (((16, 64),) * 6, ((16, 64),) * 5),
}
_ANSWERS = ("side", "outconv")  # what depends on the number of classes


class U2Net(nn.Module):
    """U2-Net (Qin et al., Pattern Recognition 2020) for inputs of any size.

    `(N, channels, H, W) float32 -> (N, classes, H, W)` logits; in training a tuple of seven such, of which the last six
    are what single stages say, from the finest to the coarsest. Parts are named as the authors name them, so that their
    files load. A batch of one image trains from 33 x 33 pixels on, below which batch normalisation has one value.

    Args:
        size: `full` (44,009,869 parameters) or `small` (1,131,181).
        weights: None for random, or the path of a state dict, such as the authors' `u2net.pth` for the full size and
            `u2netp.pth` for the small one. For more than one class the layers that answer stay random.
        channels: Of the images.
        classes: Of a mask.

    Raises:
        MaskfoldError: If there is no such size, or the weights cannot be had.
    """

    stride = 1

    def __init__(
        self, *, size: str = "full", weights: str | Path | None = None, channels: int = 3, classes: int = 1
    ) -> None:
        super().__init__()
        if size not in _WIDTHS:
            raise MaskfoldError(f"model.size={size}: choose {' or '.join(_WIDTHS)}.")
        down, up = _WIDTHS[size]
        before = channels
        for number, (middle, after) in enumerate(down[:-1], start=1):
            self.add_module(f"stage{number}", residual_u(_LEVELS[number], before, middle, after))
            before = after
        middle, after = down[-1]
        self.stage6 = residual_u(DILATED, before, middle, after)
        before = after
        answering = [before]  # channels of what the sides see, from the coarsest stage
        for number, (middle, after) in zip(range(5, 0, -1), up, strict=True):
            skip = down[number - 1][1]
            self.add_module(f"stage{number}d", residual_u(_LEVELS[number], before + skip, middle, after))
            before = after
            answering.append(after)
        for number, width in enumerate(reversed(answering), start=1):
            self.add_module(f"side{number}", nn.Conv2d(width, classes, 3, padding=1))
        self.outconv = nn.Conv2d(6 * classes, classes, 1)
        if weights is not None:
            self._load(weights)

    def _load(self, weights: str | Path) -> None:
        if weights == "imagenet":
            raise MaskfoldError(
                "model.weights=imagenet: U2-Net is trained from random weights, model.weights=null; or name the "
                "authors' file: model.weights=/path/to/u2net.pth, u2netp.pth for model.size=small."
            )
        state = read_state_dict(Path(weights))
        if self.outconv.out_channels > 1:
            state |= {name: own for name, own in self.state_dict().items() if name.startswith(_ANSWERS)}
        fit_state_dict(self, state, f"U2-Net with weights={weights}")

    def forward(self, images: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Return the logits (N, classes, H, W) of normalised images (N, channels, H, W), in training seven of them."""
        features, skips = images, []
        for number in range(1, 6):
            skips.append(getattr(self, f"stage{number}")(features))  # H, H/2, ..., H/16, rounded up
            features = _halved(skips[-1])
        stages = [self.stage6(features)]  # H/32
        for number, skip in zip(range(5, 0, -1), reversed(skips), strict=True):
            stages.append(getattr(self, f"stage{number}d")(_beside(stages[-1], skip)))  # H/16, ..., H
        sides = [
            _resized(getattr(self, f"side{number}")(stage), images)
            for number, stage in enumerate(reversed(stages), start=1)
        ]
        main = self.outconv(torch.cat(sides, dim=1))
        return (main, *sides) if self.training else main


class _ResidualU(nn.Module):
    """A small UNet that is added to its own first convolution; its last level dilates instead of halving.

    Args:
        levels: How many there are.
        channels: Coming in.
        middle: Inside.
        out_channels: Going out.
    """

    def __init__(self, levels: int, channels: int, middle: int, out_channels: int) -> None:
        super().__init__()
        self.levels = levels
        self.rebnconvin = _Convolution(channels, out_channels, 1)
        for name, before, after, dilation in self._convolutions(middle, out_channels):
            self.add_module(name, _Convolution(before, after, dilation))

    def _convolutions(self, middle: int, out_channels: int) -> Iterator[tuple[str, int, int, int]]:
        """Yield name, channels before and after, and dilation of each convolution but the first."""
        for level in range(1, self.levels + 1):
            yield f"rebnconv{level}", out_channels if level == 1 else middle, middle, self._dilation(level)
        for level in range(self.levels - 1, 0, -1):
            yield f"rebnconv{level}d", 2 * middle, out_channels if level == 1 else middle, self._dilation(level)

    def _dilation(self, level: int) -> int:
        return 2 if level == self.levels else 1

    def _down(self, features: torch.Tensor, level: int) -> torch.Tensor:
        """Return what a level's convolution is given of the level before it."""
        return features if level in (1, self.levels) else _halved(features)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        entering = self.rebnconvin(images)
        features, skips = entering, []
        for level in range(1, self.levels + 1):
            features = getattr(self, f"rebnconv{level}")(self._down(features, level))
            skips.append(features)
        skips.pop()
        for level in range(self.levels - 1, 0, -1):
            features = getattr(self, f"rebnconv{level}d")(_beside(features, skips.pop()))
        return features + entering


class _DilatedU(_ResidualU):
    """The same of four levels of one size, each twice as dilated as the one before it."""

    def __init__(self, channels: int, middle: int, out_channels: int) -> None:
        super().__init__(4, channels, middle, out_channels)

    def _dilation(self, level: int) -> int:
        return 2 ** (level - 1)

    def _down(self, features: torch.Tensor, level: int) -> torch.Tensor:
        return features


class _Convolution(nn.Module):
    """A 3x3 convolution, batch normalisation and a ReLU."""

    def __init__(self, channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(channels, out_channels, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = nn.BatchNorm2d(out_channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn_s1(self.conv_s1(images)), inplace=True)


def residual_u(levels: int, channels: int, middle: int, out_channels: int) -> nn.Module:
    """Build a stage: `(N, channels, H, W) -> (N, out_channels, H, W)`, of so many levels or `DILATED`."""
    if levels == DILATED:
        return _DilatedU(channels, middle, out_channels)
    return _ResidualU(levels, channels, middle, out_channels)


def _halved(features: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(features, 2, ceil_mode=True)


def _resized(features: torch.Tensor, partner: torch.Tensor) -> torch.Tensor:
    """Resize features to a partner's height and width."""
    size = partner.shape[-2:]
    return features if features.shape[-2:] == size else F.interpolate(features, size=size, mode="bilinear")


def _beside(features: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """Join features, resized, and a skip."""
    return torch.cat([_resized(features, skip), skip], dim=1)
