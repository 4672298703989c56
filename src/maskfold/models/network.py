"""The network as it is stored and shipped: photos in, logits out."""

import torch
from torch import nn

# Statistics of ImageNet, in units of 8-bit values, that every public pretrained encoder was trained with.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Network(nn.Module):
    """A model behind its normalisation, which runs on the device so that photos travel as bytes.

    Args:
        model: `(N, 3, H, W) float32 -> (N, 1, H, W)` logits.
        mean: Mean of each RGB channel, 0..255.
        std: Standard deviation of each RGB channel, 0..255.
    """

    def __init__(
        self, model: nn.Module, *, mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    @property
    def stride(self) -> int:
        """The multiple that an input's height and width must be; 1 for a model that does not say."""
        stride = getattr(self.model, "stride", 1)
        return stride if isinstance(stride, int) else 1  # a bare convolution means something else by it

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map `(N, 3, H, W) uint8` RGB photos to `(N, 1, H, W)` logits."""
        return self.model((image - self.mean) / self.std)
