"""Deep supervision: auxiliary outputs of a network are compared with the truth as well (Lee et al., AISTATS 2015)."""

from collections.abc import Sequence

import torch
from torch import nn

from maskfold.errors import MaskfoldError


def supervised(loss: nn.Module, *, outputs: int) -> "DeepSupervision":
    """Return a loss over so many outputs: 1 times the main one's, 1/2 the next one's, 1/4 and so on.

    One that is for several outputs already stays as it is, with weights of its own.

    Raises:
        MaskfoldError: If that has another number of weights.
    """
    if not isinstance(loss, DeepSupervision):
        return DeepSupervision(loss=loss, weights=[0.5**number for number in range(outputs)])
    if len(loss.weights) != outputs:
        raise MaskfoldError(
            f"deep: with it the network has {outputs} outputs in training, the main one first, and loss.weights has "
            f"{len(loss.weights)}. Give as many weights; or choose a plain loss, which is weighed 1, 1/2, 1/4, ..."
        )
    return loss


class DeepSupervision(nn.Module):
    """A loss over the main output and the auxiliary ones that a network adds in training.

    In evaluation, where a network answers with one output, it is the plain loss.

    Args:
        loss: `(output, target) -> (N,)`.
        weights: One for each output, the main one first. An output of weight 0 costs nothing, and `[1, 0, ...]` gives
            the plain loss to the bit.

    Raises:
        MaskfoldError: If a weight is negative or all are 0; or, when it is called, the network has not as many outputs
            as there are weights.
    """

    def __init__(self, *, loss: nn.Module, weights: Sequence[float]) -> None:
        super().__init__()
        if not weights or min(weights) < 0 or not any(weights):
            raise MaskfoldError(f"loss.weights={[*weights]}: give one weight an output, 0 or more and not all 0.")
        self.loss = loss
        self.weights = tuple(weights)

    def forward(self, output: torch.Tensor | Sequence[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        """Return each sample's loss, `(N,) float32`."""
        if isinstance(output, torch.Tensor):
            return self.loss(output, target)
        if len(output) != len(self.weights):
            raise MaskfoldError(
                f"loss.weights has {len(self.weights)} weights, the network {len(output)} outputs: give one an output."
            )
        terms = [
            weight * self.loss(one, target) for one, weight in zip(output, self.weights, strict=True) if weight != 0
        ]
        return sum(terms[1:], start=terms[0])
