"""The network as it is stored and shipped: photos in, logits out."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from maskfold.models.deep import DecoderHeads

# Statistics of ImageNet, in units of 8-bit values, that every public pretrained encoder was trained with.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


class Network(nn.Module):
    """A model behind its normalisation, which runs on the device so that photos travel as bytes.

    Args:
        model: `(N, channels, H, W) float32 -> (N, C, H, W)` logits, C classes; in training auxiliary ones may follow in
            a tuple.
        mean: Mean of each channel, in the photos' units; ImageNet's for RGB photos of 8 bits.
        std: Standard deviation of each channel, likewise.
        exclusive: Whether the classes never overlap, see `marginal_logits`.
        deep: Layers of the model whose own answers follow in training, see `maskfold.models.deep`. Prediction needs
            none of that: their weights, `auxiliary.`, are left out there.

    Attributes:
        settings: The arguments that are not the usual ones, as a checkpoint keeps them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        exclusive: bool = False,
        deep: Sequence[str] = (),
    ) -> None:
        super().__init__()
        statistics = {"mean": (mean, IMAGENET_MEAN), "std": (std, IMAGENET_STD)}
        self.settings: dict[str, Any] = {
            name: [*values] for name, (values, usual) in statistics.items() if tuple(values) != usual
        } | ({"exclusive": True} if exclusive else {})
        self.model = model
        self.exclusive = exclusive
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)
        self.auxiliary = DecoderHeads(model, deep, channels=len(mean)) if deep else None

    @property
    def channels(self) -> int | None:
        """How many channels its photos have, read as they are stored; None for RGB of 8 bits, see `read_image`."""
        return len(self.settings["mean"]) if "mean" in self.settings else None

    @property
    def stride(self) -> int:
        """The multiple that an input's height and width must be; 1 for a model that does not say."""
        stride = getattr(self.model, "stride", 1)
        return stride if isinstance(stride, int) else 1  # a bare convolution means something else by it

    def forward(self, image: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Map `(N, channels, H, W)` photos, uint8 or float32, to `(N, C, H, W)` logits.

        Each logit is for its class against all others. What is no number in a photo counts as the mean.
        """
        output = self.model(self._normal(image))
        if self.auxiliary is not None and self.auxiliary.training:
            own = (output,) if isinstance(output, torch.Tensor) else output
            output = (*own, *self.auxiliary(image.shape[-2:]))
        if not self.exclusive:
            return output
        return marginal_logits(output) if isinstance(output, torch.Tensor) else tuple(map(marginal_logits, output))

    @property
    def growing(self) -> tuple[str, ...]:
        """The names of the weights that have a row for each class, so that classes can be added; none for masks."""
        return tuple(f"model.{name}" for name in getattr(self.model, "growing", ()))

    def answer(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map photos, as `forward` takes them, to a classifier's logits `(N, C)` and embeddings `(N, D)`."""
        embedding = self.embed(image)
        return self.model.get_submodule("head")(embedding), embedding

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """Map photos, as `forward` takes them, to a classifier's embeddings `(N, D)`."""
        # pyrefly: ignore[not-callable]
        return self.model.embed(self._normal(image))

    def _normal(self, image: torch.Tensor) -> torch.Tensor:
        normal = (image - self.mean) / self.std
        return normal.nan_to_num(0, 0, 0) if image.is_floating_point() else normal


def marginal_logits(logits: torch.Tensor) -> torch.Tensor:
    """Turn logits of classes that never overlap into the logit of each class against everything else.

    A silent background of logit 0 competes with the C classes, so that the sigmoid of what is returned is the softmax
    over the C + 1. `z_c = l_c - logsumexp(0, l of the others)`, which for one class is the logit itself.

    Args:
        logits: `(N, C, H, W)`, of any floating type.

    Returns:
        `(N, C, H, W) float32`.
    """
    planes = logits.float().unbind(1)
    before = [torch.zeros_like(planes[0])]  # of each class: the background and the classes before it
    for plane in planes[:-1]:
        before.append(torch.logaddexp(before[-1], plane))
    # Rivals are added up and the class never taken out of a sum of all: nothing cancels out.
    behind, marginals = planes[-1], [planes[-1] - before[-1]]
    for plane, rivals in zip(planes[-2::-1], before[-2::-1], strict=True):
        marginals.append(plane - torch.logaddexp(rivals, behind))
        behind = torch.logaddexp(plane, behind)
    return torch.stack(marginals[::-1], dim=1)
