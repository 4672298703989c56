"""LinkNet on a ResNet encoder."""

from pathlib import Path

import torch
from torch import nn

from maskfold.errors import MaskfoldError
from maskfold.models.encoders import resnet_encoder
from maskfold.models.sizes import check_size

STEM_CHANNELS = 64  # of every ResNet, in front of layer1
HEAD_CHANNELS = 32


class LinkNet(nn.Module):
    """LinkNet (Chaurasia and Culurciello 2017), in the form that won the Carvana challenge with ResNet-34.

    `(N, channels, H, W) float32 -> (N, classes, H, W)` logits, H and W multiples of `stride`.

    Args:
        encoder: torchvision's name of a ResNet; `resnet34` gives the winners' 21,642,401 parameters.
        weights: Of the encoder: `imagenet`, None for random, or the path of a state dict.
        skip: How an encoder stage joins the decoder: `add`, or `concat` followed by a 1x1 convolution.
        channels: Of the images.
        classes: Of a mask.

    Raises:
        MaskfoldError: If the encoder or `skip` is unknown, the weights cannot be had, or an input has a wrong size.
    """

    stride = 32

    def __init__(
        self,
        *,
        encoder: str = "resnet34",
        weights: str | Path | None = "imagenet",
        skip: str = "add",
        channels: int = 3,
        classes: int = 1,
    ):
        super().__init__()
        if skip not in ("add", "concat"):
            raise MaskfoldError(f"model.skip={skip}: choose add or concat.")
        resnet = resnet_encoder(encoder, weights, channels=channels)
        self.stem = nn.Sequential(resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool)
        self.stages = nn.ModuleList([resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4])
        widths = [_out_channels(stage) for stage in self.stages]
        self.decoder = nn.ModuleList(
            _decoder_block(above, below) for above, below in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.joins = nn.ModuleList(_Addition() if skip == "add" else _Concatenation(below) for below in widths[-2::-1])
        self.last_decoder = _decoder_block(widths[0], STEM_CHANNELS)
        self.head = nn.Sequential(
            nn.ConvTranspose2d(STEM_CHANNELS, HEAD_CHANNELS, 3, stride=2),  # H/2 -> H + 1
            nn.ReLU(inplace=True),
            nn.Conv2d(HEAD_CHANNELS, HEAD_CHANNELS, 3),  # -> H - 1
            nn.ReLU(inplace=True),
            nn.Conv2d(HEAD_CHANNELS, classes, 2, padding=1),  # -> H
        )

    def decoder_stages(self) -> list[str]:
        """See `maskfold.models.deep.chosen_layers`: at H/2, H/4, H/8 and H/16."""
        return ["last_decoder", *(f"joins.{number}" for number in reversed(range(len(self.joins))))]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes, H, W) of normalised images (N, channels, H, W)."""
        # pyrefly: ignore[bad-argument-count]
        check_size(*images.shape[-2:], self.stride)
        features = [self.stem(images)]  # H/4
        for stage in self.stages:
            features.append(stage(features[-1]))  # H/4, H/8, H/16, H/32
        *skips, decoded = features[1:]
        for block, join, skip in zip(self.decoder, self.joins, reversed(skips), strict=True):
            decoded = join(block(decoded), skip)  # H/16, H/8, H/4
        return self.head(self.last_decoder(decoded))


class _Addition(nn.Module):
    """Join a decoder's features and an encoder's by their sum."""

    def forward(self, decoded: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return decoded + skip


class _Concatenation(nn.Module):
    """Join a decoder's features and an encoder's by a learnt 1x1 mixture of both."""

    def __init__(self, channels: int):
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, decoded: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.cat([decoded, skip], dim=1))


def _out_channels(stage: nn.Sequential) -> int:
    """Return the channels a ResNet stage gives: those of its last block's last convolution."""
    return [module for module in stage[-1].modules() if isinstance(module, nn.Conv2d)][-1].out_channels


def _decoder_block(channels: int, out_channels: int) -> nn.Sequential:
    """Double height and width at a quarter of the channels."""
    quarter = channels // 4
    return nn.Sequential(
        nn.Conv2d(channels, quarter, 1),
        nn.BatchNorm2d(quarter),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(quarter, quarter, 3, stride=2, padding=1, output_padding=1),
        nn.BatchNorm2d(quarter),
        nn.ReLU(inplace=True),
        nn.Conv2d(quarter, out_channels, 1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
