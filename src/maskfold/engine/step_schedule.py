"""Rates that change with every step: a warm-up and a cosine."""

import math

import torch
from torch.optim.lr_scheduler import LambdaLR

from maskfold.errors import MaskfoldError


class StepSchedule:
    """The rate rises evenly from 0, then falls along half a cosine; in each group of parameters by its own rate.

    Args:
        warmup: The share of all steps in which it rises.
        end: What is left of the rate after the last step.

    Raises:
        MaskfoldError: If a share is out of range.
    """

    def __init__(self, *, warmup: float = 0.05, end: float = 0.0) -> None:
        if not 0 <= warmup < 1 or not 0 <= end <= 1:
            raise MaskfoldError(f"schedule: warmup={warmup} is from 0 to below 1, end={end} from 0 to 1.")
        self.warmup, self.end = warmup, end

    def __call__(self, optimizer: torch.optim.Optimizer, *, steps: int) -> LambdaLR:
        """Return the scheduler of a training of that many steps."""
        return LambdaLR(optimizer, lambda step: self.share(step, steps=steps))

    def share(self, step: int, *, steps: int) -> float:
        """Return what a step, counted from 0, has of the rate."""
        rising = round(self.warmup * steps)
        if step < rising:
            return (step + 1) / rising
        along = min(1.0, (step - rising) / max(1, steps - rising))
        return self.end + (1 - self.end) * (1 + math.cos(math.pi * along)) / 2
