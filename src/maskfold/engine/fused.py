"""Adam's step in one kernel for all parameters, where that is possible."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision

_FUSED = (torch.optim.Adam, torch.optim.AdamW)
_SAID = {"fused", "foreach", "capturable", "differentiable"}  # how a step is taken: whoever says so is not overruled


def refuses_the_kernel(trainer: Trainer) -> bool:
    """Tell whether a trainer takes no kernel of this kind: in mixed precision, with a scaler or clipped gradients.

    The kernel would divide gradients by the scaler's factor itself, behind the moment when their norm is clipped.
    Lightning refuses it wherever mixed precision clips, in bf16 too, which has no scaler.
    """
    plugin = trainer.precision_plugin
    return isinstance(plugin, MixedPrecision) and (plugin.scaler is not None or bool(trainer.gradient_clip_val))


def in_one_kernel(make: Callable[..., torch.optim.Optimizer], *, usual: bool) -> Callable[..., torch.optim.Optimizer]:
    """Return what makes the same optimizer, whose step is one kernel if it is Adam's or AdamW's.

    Its steps differ from those of several kernels in the last bits. A checkpoint says how its run takes them, and a run
    that goes on does so as it was begun.

    Args:
        make: What makes the optimizer.
        usual: Whether it is left as it is, see `refuses_the_kernel`.
    """
    if usual or not isinstance(make, partial) or make.func not in _FUSED or make.keywords.keys() & _SAID:
        return make

    def made(*parameters: Any, **options: Any) -> torch.optim.Optimizer:
        try:
            return make(*parameters, **options, fused=True)
        except RuntimeError:  # this device has no such kernel
            return make(*parameters, **options)

    return made
