"""Padding as TensorFlow's networks have it in timm, made a constant, so that networks can be exported and compiled.

timm works such padding out from each input's size; with sizes that are unknown, exporters follow that arithmetic for
ever. Where every layer's input is a multiple of its stride, as in networks that take multiples of the product of all
strides alone, it is the same for all of them.
"""

import torch
from torch import nn
from torch.nn import functional as F

from maskfold.models.libraries import timm


class PaddedConv2d(nn.Conv2d):
    """A convolution whose input is padded by `max(reach - stride, 0)` in all, the odd pixel below and to the right."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map `(N, C, H, W)` to `(N, K, H / stride, W / stride)`, H and W multiples of the stride."""
        margins: list[int] = []
        for axis in (1, 0):
            reach = (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
            total = max(reach - self.stride[axis], 0)
            margins += [total // 2, total - total // 2]
        return F.conv2d(F.pad(image, margins), self.weight, self.bias, self.stride, (0, 0), self.dilation, self.groups)


def with_constant_padding(module: nn.Module) -> None:
    """Replace timm's layers of such padding in place, the parameters and their names as they were."""
    for parent in [*module.modules()]:
        for name, layer in [*parent.named_children()]:
            if type(layer) is timm.layers.Conv2dSame:
                setattr(parent, name, _padded(layer))
            elif type(layer) is timm.layers.AvgPool2dSame and layer.kernel_size == layer.stride:
                setattr(parent, name, nn.AvgPool2d(layer.kernel_size, layer.stride))


def _padded(layer: nn.Conv2d) -> PaddedConv2d:
    """Return what convolves likewise, with the same parameters."""
    names = ("in_channels", "out_channels", "kernel_size", "stride", "dilation", "groups")
    shape = {name: getattr(layer, name) for name in names}
    padded = PaddedConv2d(**shape, bias=layer.bias is not None, device="meta")
    padded.weight, padded.bias = layer.weight, layer.bias
    return padded.train(layer.training)
