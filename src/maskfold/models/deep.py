"""Deep supervision of any decoder: what some of its layers would answer alone, in training (Lee et al., AISTATS 2015).

The layers are listened to from outside, so that the model's own code and weights stay as they are.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from maskfold.errors import MaskfoldError, listing

_LOOK = 128  # pixels: a side of the image by which the layers' channels are seen


class DecoderHeads(nn.Module):
    """A 1x1 convolution for each of some layers of a model, to the model's own number of classes.

    Args:
        model: Whose layers they are; it gives logits `(N, C, H, W)` in evaluation, and runs once on a small image.
        layers: Their names; each gives one map `(N, K, h, w)`.
        channels: Of the images.

    Raises:
        MaskfoldError: If a layer gives something else, or is not run at all; or the model does not take that image.
    """

    def __init__(self, model: nn.Module, layers: Sequence[str], *, channels: int) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self._features: dict[str, torch.Tensor] = {}
        for name in layers:
            model.get_submodule(name).register_forward_hook(partial(self._keep, name))
        classes = _look(model, channels).shape[1]
        self.heads = nn.ModuleList(nn.Conv2d(width, classes, 1) for width in self._widths(type(model).__name__))
        self._features.clear()

    def _widths(self, model: str) -> list[int]:
        """Return each layer's channels."""
        for name in self.layers:
            if getattr(self._features.get(name), "ndim", None) != 4:
                raise MaskfoldError(
                    f"deep: the layer {name} of {model} gives no single map (N, K, h, w). Name another layer of its "
                    "decoder: deep=[...]"
                )
        return [self._features[name].shape[1] for name in self.layers]

    def _keep(self, name: str, layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        if self.training:
            self._features[name] = output

    def forward(self, size: Sequence[int]) -> list[torch.Tensor]:
        """Return logits `(N, C, H, W)` of each layer in the model's last forward pass, which was in training.

        Args:
            size: H and W.
        """
        maps = [head(self._features.pop(name)) for name, head in zip(self.layers, self.heads, strict=True)]
        return [F.interpolate(logits, size=tuple(size), mode="bilinear") for logits in maps]


def chosen_layers(model: nn.Module, deep: int | Sequence[str]) -> list[str]:
    """Return the names of the layers that deep supervision listens to, none where it is off.

    Args:
        model: One whose `decoder_stages()` names the outputs of its decoder's stages, the finest first, but for what
            its last layer alone makes the answer of; or any, where `deep` has names.
        deep: How many stages, or the names of layers.

    Raises:
        MaskfoldError: If there are not so many, or no such layers, with those that there are.
    """
    if not isinstance(deep, int):
        known = [name for name, _ in model.named_modules() if name]
        if unknown := [name for name in deep if name not in known]:
            raise MaskfoldError(f"deep: no layer {', '.join(unknown)}. {_layers(model)}")
        return [*deep]
    stages = getattr(model, "decoder_stages", list)() if deep else []
    if deep and not stages:
        raise MaskfoldError(
            f"deep={deep}: {type(model).__name__} does not say which layers its decoder's stages are. Name them, the "
            f"finest first: deep=[...]. (Outputs of its own that it has in training take loss=deep_supervision and no "
            f"deep.) {_layers(model)}"
        )
    if deep > len(stages):
        raise MaskfoldError(
            f"deep={deep}: the decoder of {type(model).__name__} has {len(stages)} stages to listen to, "
            f"{', '.join(stages)}. Give at most deep={len(stages)}."
        )
    return stages[:deep]


def _layers(model: nn.Module) -> str:
    outer = [name for name, _ in model.named_modules() if name and name.count(".") < 3]
    return f"The layers are:\n{listing(outer, 40)}"


@torch.no_grad()
def _look(model: nn.Module, channels: int) -> torch.Tensor:
    """Return what a model answers to a small image in evaluation, as it was left: no statistics change."""
    stride = getattr(model, "stride", 1)
    side = -(-_LOOK // stride) * stride if isinstance(stride, int) else _LOOK
    device = next((parameter.device for parameter in model.parameters()), None)
    before = model.training
    try:
        return model.eval()(torch.zeros(1, channels, side, side, device=device))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise MaskfoldError(
            f"deep: {type(model).__name__} does not take an image of {side} x {side} pixels, by which deep supervision "
            f"finds the channels of its layers ({str(error).partition(chr(10))[0]}). Train it without: deep=0."
        ) from error
    finally:
        model.train(before)
