"""UNet on a VGG-11 encoder: TernausNet-11 and its wider relative."""

from pathlib import Path

import torch
from torch import nn

from maskfold.models.encoders import initialise, vgg11_encoder
from maskfold.models.sizes import check_size

SKIP_CHANNELS = (64, 128, 256, 512, 512)  # of VGG-11 in front of each max-pooling


class UNetVGG11(nn.Module):
    """TernausNet (Iglovikov and Shvets 2018): VGG-11 on the way down, transposed convolutions on the way up.

    `(N, channels, H, W) float32 -> (N, classes, H, W)` logits, H and W multiples of `stride`.

    Args:
        filters: Width of the decoder's last level. 32 is TernausNet-11 (22,927,393 parameters), 64 the wider network
            of the Carvana winners (33,554,753).
        weights: Of the encoder: `imagenet`, None for random, or the path of a state dict.
        channels: Of the images.
        classes: Of a mask.

    Raises:
        MaskfoldError: If the weights cannot be had, or an input has a wrong size.
    """

    stride = 32

    def __init__(
        self, *, filters: int = 32, weights: str | Path | None = "imagenet", channels: int = 3, classes: int = 1
    ):
        super().__init__()
        self.encoder = vgg11_encoder(weights, channels=channels).features
        outputs = [filters * factor for factor in (8, 8, 4, 2, 1)]
        self.centre = _up_block(SKIP_CHANNELS[-1], 2 * outputs[0], outputs[0])
        self.decoder = nn.ModuleList(
            _up_block(before + skip, skip, after)
            for before, skip, after in zip(outputs[:-1], SKIP_CHANNELS[:0:-1], outputs[1:], strict=True)
        )
        self.last = nn.Sequential(nn.Conv2d(filters + SKIP_CHANNELS[0], filters, 3, padding=1), nn.ReLU(inplace=True))
        for part in (self.centre, self.decoder, self.last):
            part.apply(initialise)
        self.head = nn.Conv2d(filters, classes, 1)

    def decoder_stages(self) -> list[str]:
        """See `maskfold.models.deep.chosen_layers`: at H, H/2, H/4, H/8 and H/16, each upsampled by its own block."""
        return [*(f"decoder.{number}" for number in reversed(range(len(self.decoder)))), "centre"]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes, H, W) of normalised images (N, channels, H, W)."""
        # pyrefly: ignore[bad-argument-count]
        check_size(*images.shape[-2:], self.stride)
        skips, features = [], images
        for layer in self.encoder:
            if isinstance(layer, nn.MaxPool2d):
                skips.append(features)  # H, H/2, H/4, H/8, H/16
            # pyrefly: ignore[not-callable]
            features = layer(features)
        features = self.centre(features)  # H/32 -> H/16
        for block in self.decoder:
            features = block(torch.cat([features, skips.pop()], dim=1))  # H/8, H/4, H/2, H
        return self.head(self.last(torch.cat([features, skips.pop()], dim=1)))


def _up_block(channels: int, middle: int, out_channels: int) -> nn.Sequential:
    """Mix at full depth, then double height and width."""
    return nn.Sequential(
        nn.Conv2d(channels, middle, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(middle, out_channels, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(inplace=True),
    )
