"""The network as it is stored and shipped: photos in, logits out."""

from collections.abc import Sequence

import torch
from torch import nn

# Statistics of ImageNet, in units of 8-bit values, that every public pretrained encoder was trained with.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Network(nn.Module):
    """A model behind its normalisation, which runs on the device so that photos travel as bytes.

    Args:
        model: `(N, C, H, W) float32 -> (N, 1, H, W)` logits.
        mean: Mean of each channel, in the photos' units; ImageNet's for RGB photos of 8 bits.
        std: Standard deviation of each channel, likewise.

    Attributes:
        settings: The arguments that are not the usual ones, as a checkpoint keeps them.
    """

    def __init__(
        self, model: nn.Module, *, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        super().__init__()
        statistics = {"mean": (mean, IMAGENET_MEAN), "std": (std, IMAGENET_STD)}
        self.settings = {name: [*values] for name, (values, usual) in statistics.items() if tuple(values) != usual}
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def channels(self) -> int | None:
        """How many channels its photos have, read as they are stored; None for RGB of 8 bits, see `read_image`."""
        return len(self.settings["mean"]) if "mean" in self.settings else None

    @property
    def stride(self) -> int:
        """The multiple that an input's height and width must be; 1 for a model that does not say."""
        stride = getattr(self.model, "stride", 1)
        return stride if isinstance(stride, int) else 1  # a bare convolution means something else by it

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map `(N, C, H, W)` photos, uint8 or float32, to `(N, 1, H, W)` logits; no number counts as the mean."""
        normal = (image - self.mean) / self.std
        return self.model(normal.nan_to_num(0, 0, 0) if image.is_floating_point() else normal)
