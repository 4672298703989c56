"""UNet trained from scratch, after the Carvana winners'."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from maskfold.models.sizes import check_size


class UNetScratch(nn.Module):
    """UNet (Ronneberger et al. 2015) with batch normalisation and bilinear upsampling, without a pretrained encoder.

    `(N, channels, H, W) float32 -> (N, classes, H, W)` logits, H and W multiples of `stride`. Each width but the last
    is a level: two convolutions and max-pooling on the way down; upsampling, the skip joined by concatenation and three
    convolutions on the way up. The last width is that of the two convolutions between. The last pooling rounds up and
    its upsampling goes back to the skip's own size, so that half of 2^levels is a good enough `stride`.

    Args:
        widths: Channels of each level, then of the centre; the default is the winners' network of six levels with
            91,238,817 parameters.
        channels: Of the images.
        classes: Of a mask.

    Raises:
        MaskfoldError: If an input has a wrong size.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 128, 256, 512, 1024, 1024),
        channels: int = 3,
        classes: int = 1,
    ):
        super().__init__()
        *levels, centre = widths
        self.stride = 2 ** (len(levels) - 1)
        self.down = nn.ModuleList(
            _convolutions(before, width, 2) for before, width in zip([channels, *levels[:-1]], levels, strict=True)
        )
        self.centre = _convolutions(levels[-1], centre, 2)
        below = [*levels[1:], centre]
        self.up = nn.ModuleList(
            _convolutions(deeper + width, width, 3) for deeper, width in zip(below[::-1], levels[::-1], strict=True)
        )
        self.head = nn.Conv2d(levels[0], classes, 1)

    def decoder_stages(self) -> list[str]:
        """See `maskfold.models.deep.chosen_layers`: at H/2, H/4 and so on, then what lies between down and up."""
        return [*(f"up.{number}" for number in reversed(range(len(self.up) - 1))), "centre"]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes, H, W) of normalised images (N, channels, H, W)."""
        # pyrefly: ignore[bad-argument-count]
        check_size(*images.shape[-2:], self.stride)
        skips, features = [], images
        for block in self.down:
            skips.append(block(features))  # H, H/2, ...
            features = F.max_pool2d(skips[-1], 2, ceil_mode=True)
        features = self.centre(features)  # H/(2 stride), rounded up
        for block, skip in zip(self.up, reversed(skips), strict=True):
            upsampled = F.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            features = block(torch.cat([upsampled, skip], dim=1))  # ..., H/2, H
        return self.head(features)


def _convolutions(channels: int, out_channels: int, count: int) -> nn.Sequential:
    """Stack `count` times a 3x3 convolution, batch normalisation and a ReLU, all but the first of equal width."""
    layers: list[nn.Module] = []
    for _ in range(count):
        # The bias is idle in front of batch normalisation; the winners' network has it, and so its parameter count.
        layers += [nn.Conv2d(channels, out_channels, 3, padding=1), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
        channels = out_channels
    return nn.Sequential(*layers)
