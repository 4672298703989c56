"""Layers that do not train: fine-tuning a pretrained network from some depth on.

A frozen layer has no gradient and no place in the optimizer, and its batch normalisation uses its running statistics
without changing them. Lightning's `BaseFinetuning.freeze(train_bn=False)` switches those statistics off instead, so
that the layer normalises by each batch in training and by something else in evaluation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from maskfold.errors import MaskfoldError, listing

_INSIDE = "model."  # a `Network` holds its model under this name, which users need not know


def freeze_layers(network: nn.Module, names: Sequence[str]) -> None:
    """Turn the gradients of some layers off and set them to evaluation.

    Args:
        network: What they are layers of.
        names: Of layers as the model names them, such as `stem`, `stages.0` or `encoder.layer1`.

    Raises:
        MaskfoldError: If there is no such layer, it has no parameters, or nothing would be left to train.
    """
    for layer, name in zip(_layers(network, names), names, strict=True):
        if not any(True for _ in layer.parameters()):
            raise MaskfoldError(f"freeze: {name} has no parameters. Name a layer that has some.")
        layer.requires_grad_(False)
    if names and not trainable(network):
        raise MaskfoldError(f"freeze: [{', '.join(names)}] leaves nothing to train. Name fewer layers.")
    keep_frozen(network, names)


def refuse_random(names: Sequence[str], model: Mapping[str, Any]) -> None:
    """Refuse to freeze layers of a model that is built from random weights: they would never learn anything.

    Args:
        names: The layers to freeze.
        model: How it is built; one that says nothing of `weights` may bring some of its own.

    Raises:
        MaskfoldError: If there are such layers and `weights` is None.
    """
    if names and "weights" in model and model["weights"] is None:
        raise MaskfoldError(
            f"freeze: [{', '.join(names)}] with model.weights=null: layers of random weights that never train stay "
            "random. Give weights, model.weights=imagenet or a file, or start_from=<run>; or train all: freeze=[]."
        )


def keep_frozen(network: nn.Module, names: Sequence[str]) -> None:
    """Set frozen layers to evaluation again, after `network.train()` has set everything to training."""
    if names:
        for layer in _layers(network, names):
            layer.eval()


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that have gradients."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def named_trainable(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return the same with their names."""
    return [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]


def _layers(network: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Find layers by name, inside a `Network` as well as in a bare model."""
    layers = {name.removeprefix(_INSIDE): layer for name, layer in network.named_modules() if name}
    unknown = [name for name in names if name not in layers]
    if unknown:
        outer = [name for name in layers if name.count(".") < 2]
        raise MaskfoldError(f"freeze: no layer {', '.join(unknown)}. The network's layers are:\n{listing(outer, 40)}")
    return [layers[name] for name in names]
