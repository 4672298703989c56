"""Optimizers whose parameters do not all move alike: rates by layer, and no weight decay where it does harm."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from maskfold.errors import MaskfoldError, listing

_INSIDE = "model."  # a `Network` holds its model under this name, which users need not know


class ParameterGroups:
    """Makes an optimizer with a group of parameters for each rate, with weight decay and without.

    Biases, norms and single numbers have no weight decay: it pulls scales towards zero that the next layer undoes.

    Args:
        optimizer: `(groups, lr=..., weight_decay=...) -> optimizer`.
        lr: The rate of whatever `rates` does not name.
        weight_decay: Of whatever has more than one dimension.
        rates: By how a parameter's name begins, as `encoder.layer4`: its rate is so many times `lr`. The longest name
            that fits counts.

    Raises:
        MaskfoldError: If a number is out of range.
    """

    def __init__(
        self,
        *,
        optimizer: Callable[..., torch.optim.Optimizer],
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.rates = {str(name): float(rate) for name, rate in (rates or {}).items()}
        if lr <= 0 or weight_decay < 0 or any(rate <= 0 for rate in self.rates.values()):
            raise MaskfoldError(f"optimizer: lr={lr} and the rates are above 0, weight_decay={weight_decay} not below.")
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay

    def __call__(self, named: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Return the optimizer of some parameters, given with their names.

        Raises:
            MaskfoldError: If no parameter's name begins as one of `rates`.
        """
        named = [(name.removeprefix(_INSIDE), parameter) for name, parameter in named]
        unused = [start for start in self.rates if not any(_begins(name, start) for name, _ in named)]
        if unused:
            outer = sorted({".".join(name.split(".")[:2]) for name, _ in named})
            raise MaskfoldError(
                f"optimizer.rates: no parameter that trains has a name like {', '.join(unused)}. There are:\n"
                f"{listing(outer, 40)}"
            )
        groups: dict[tuple[float, bool], dict[str, Any]] = {}
        for name, parameter in named:
            factor, decays = self._factor(name), parameter.ndim > 1
            group = groups.setdefault(
                (factor, decays),
                {"params": [], "lr": self.lr * factor, "weight_decay": self.weight_decay * decays, "factor": factor},
            )
            group["params"].append(parameter)
        return self.optimizer([*groups.values()], lr=self.lr, weight_decay=self.weight_decay)

    def _factor(self, name: str) -> float:
        fitting = [start for start in self.rates if _begins(name, start)]
        return self.rates[max(fitting, key=len)] if fitting else 1.0


def _begins(name: str, start: str) -> bool:
    return name == start or name.startswith(f"{start}.")
