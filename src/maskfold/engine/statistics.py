"""The statistics of batch normalisation, computed anew for weights that were never trained: those of a mean."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm  # of one, two and three dimensions, and of several ranks


def normalisers(network: nn.Module) -> list[BatchNorm]:
    """Return the layers that keep running statistics and whose weights train.

    A frozen one has had the statistics of its start all along, which what is behind it has learned from.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, BatchNorm) and layer.track_running_stats]
    return [layer for layer in layers if all(parameter.requires_grad for parameter in layer.parameters())]


@torch.no_grad()
def recompute_statistics(network: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Give every layer that normalises by batches the mean of the statistics that these batches have in it.

    All other layers work as in prediction, without dropout; a layer that no batch reaches keeps what it has.
    Izmailov et al. 2018 do so with the mean of the weights along training.

    Args:
        network: On its device; left in evaluation mode.
        batches: What it is shown, `(N, C, H, W)` each; nothing of it is read where no layer needs them.
    """
    layers = normalisers(network)
    network.eval()
    before = [(_kept(layer), layer.momentum) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch then takes the mean over all batches
        layer.train()
    for image in batches if layers else ():
        network(image)
    for layer, ((mean, var, count), momentum) in zip(layers, before, strict=True):
        if not layer.num_batches_tracked:
            layer.running_mean.copy_(mean)
            layer.running_var.copy_(var)
        layer.num_batches_tracked.copy_(count)
        layer.momentum = momentum
    network.eval()


def _kept(layer: BatchNorm) -> tuple[torch.Tensor, ...]:
    return tuple(part.clone() for part in (layer.running_mean, layer.running_var, layer.num_batches_tracked))
