"""Adam's step in one kernel for all parameters, where that is possible."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

_FUSED = (torch.optim.Adam, torch.optim.AdamW)
_SAID = {"fused", "foreach", "capturable", "differentiable"}  # how a step is taken: whoever says so is not overruled


def in_one_kernel(make: Callable[..., torch.optim.Optimizer], *, scaled: bool) -> Callable[..., torch.optim.Optimizer]:
    """Return what makes the same optimizer, whose step is one kernel if it is Adam's or AdamW's.

    Its steps differ from those of several kernels in the last bits. A checkpoint says how its run takes them, and a run
    that goes on does so as it was begun.

    Args:
        make: What makes the optimizer.
        scaled: Whether a scaler multiplies the loss, as in 16-mixed: the kernel would divide the gradients itself,
            behind the moment when their norm is clipped, which Lightning refuses.
    """
    if scaled or not isinstance(make, partial) or make.func not in _FUSED or make.keywords.keys() & _SAID:
        return make

    def made(*parameters: Any, **options: Any) -> torch.optim.Optimizer:
        try:
            optimizer = make(*parameters, **options, fused=True)
        except RuntimeError:  # this device has no such kernel
            return make(*parameters, **options)
        # There is no scaler here whose factor it could divide by. In bf16 Lightning would refuse to clip all the same.
        optimizer._step_supports_amp_scaling = False
        return optimizer

    return made
