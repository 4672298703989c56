"""Optimizers whose parameters do not all move alike: rates by layer, and no weight decay where it does harm."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from maskfold.engine.layer_decay import layer_factors
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
        layer_decay: So many times the next deeper stage's rate has each stage of the encoder, see
            `maskfold.engine.layer_decay`; times that of `rates`. 1 leaves the rates alone.

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
        layer_decay: float = 1.0,
    ) -> None:
        self.rates = {str(name): float(rate) for name, rate in (rates or {}).items()}
        if lr <= 0 or weight_decay < 0 or any(rate <= 0 for rate in self.rates.values()):
            raise MaskfoldError(f"optimizer: lr={lr} and the rates are above 0, weight_decay={weight_decay} not below.")
        if not 0 < layer_decay <= 1:
            raise MaskfoldError(f"optimizer.layer_decay={layer_decay}: it is above 0 and at most 1, which is none.")
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.layer_decay = layer_decay

    def __call__(self, named: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Return the optimizer of some parameters, given with their names.

        Raises:
            MaskfoldError: If no parameter's name begins as one of `rates`, or none is an encoder's to decay.
        """
        named = [(name.removeprefix(_INSIDE), parameter) for name, parameter in named]
        unused = [start for start in self.rates if not any(_begins(name, start) for name, _ in named)]
        if unused:
            outer = sorted({".".join(name.split(".")[:2]) for name, _ in named})
            raise MaskfoldError(
                f"optimizer.rates: no parameter that trains has a name like {', '.join(unused)}. There are:\n"
                f"{listing(outer, 40)}"
            )
        decayed = self._decayed([name for name, _ in named])
        groups: dict[tuple[float, bool], dict[str, Any]] = {}
        for name, parameter in named:
            factor, decays = self._factor(name) * decayed.get(name, 1.0), parameter.ndim > 1
            group = groups.setdefault(
                (factor, decays),
                {"params": [], "lr": self.lr * factor, "weight_decay": self.weight_decay * decays, "factor": factor},
            )
            group["params"].append(parameter)
        return self.optimizer([*groups.values()], lr=self.lr, weight_decay=self.weight_decay)

    def _decayed(self, names: Sequence[str]) -> dict[str, float]:
        """Return the factors of parameters in the encoder's stages."""
        if self.layer_decay == 1:
            return {}
        factors = layer_factors(names, self.layer_decay)
        if not factors:
            raise MaskfoldError(
                f"optimizer.layer_decay={self.layer_decay}: no parameter that trains is of an encoder, whose stages "
                "would have rates of their own. Set it to 1, or name rates yourself: optimizer.rates={...}."
            )
        return factors

    def _factor(self, name: str) -> float:
        fitting = [start for start in self.rates if _begins(name, start)]
        return self.rates[max(fitting, key=len)] if fitting else 1.0


def _begins(name: str, start: str) -> bool:
    return name == start or name.startswith(f"{start}.")
