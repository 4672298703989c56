"""Pictures without an object: when a mask is taken away, of all classes or of each by a rule of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from maskfold.ensembling.by_class import ByClass, on_planes
from maskfold.errors import MaskfoldError

BLUR = 5  # pixels, so that single bright ones say nothing
KEYS = ("presence", "least_area")
_HOW = f"give {' and '.join(KEYS)}, or those of each class by its name."


@dataclass(frozen=True, kw_only=True)
class EmptyRule:
    """A step that takes a mask away where nothing speaks for an object.

    Args:
        presence: The least presence score, of 255, of a map with an object; 0 asks for none.
        least_area: The least share of the photo that an object covers; 0 asks for none.

    Raises:
        MaskfoldError: If one is out of its range.
    """

    presence: int = 0
    least_area: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not isinstance(self.presence, int) or not 0 <= self.presence <= 255:
            raise MaskfoldError(f"ensemble.empty: presence={self.presence}: give a whole number from 0 to 255.")
        if not isinstance(self.least_area, int | float) or not 0 <= self.least_area < 1:
            raise MaskfoldError(f"ensemble.empty: least_area={self.least_area}: give a share of the photo below 1.")

    @property
    def asks(self) -> bool:
        """Whether it asks for anything."""
        return bool(self.presence or self.least_area)

    def __call__(self, probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return `mask`, `(H, W)` uint8 0/1, or an empty one."""
        small = np.count_nonzero(mask) < self.least_area * mask.size
        if small or (self.presence and presence_of(probability) < self.presence):
            return np.zeros_like(mask)
        return mask


def presence_of(probability: np.ndarray) -> int:
    """Return the largest value of a map `(H, W)` uint8 once it is blurred by a box of `BLUR` pixels."""
    return int(cv2.blur(probability, (BLUR, BLUR), borderType=cv2.BORDER_REPLICATE).max())


def empty_steps(empty: Mapping[str, Any] | None) -> tuple[EmptyRule | ByClass, ...]:
    """Return the steps that a recipe's `empty` stands for.

    Args:
        empty: `presence` and `least_area`, or those of classes by name; None for no rule.

    Raises:
        MaskfoldError: If it is neither, or a value is out of its range.
    """
    if not empty:
        return ()
    if not isinstance(empty, Mapping):
        raise MaskfoldError(f"ensemble.empty={empty}: {_HOW}")
    if all(isinstance(rule, Mapping) for rule in empty.values()):
        return tuple(
            ByClass(classes=(str(name),), step=_rule(rule), what="ensemble.empty") for name, rule in empty.items()
        )
    return (_rule(empty),)


def _rule(keys: Mapping[str, Any]) -> EmptyRule:
    unknown = [key for key in keys if key not in KEYS]
    if unknown:
        raise MaskfoldError(f"ensemble.empty: no such key: {unknown[0]}; {_HOW}")
    return EmptyRule(**keys)


def rules_of(empty: Mapping[str, Any] | None, classes: Sequence[str]) -> list[EmptyRule]:
    """Return the rule that a recipe's `empty` has for each class; of one class, `classes` being empty, the only one.

    Raises:
        MaskfoldError: If there is a rule for a class that there is not.
    """
    rules = dict.fromkeys(classes or [""], EmptyRule())
    for step in empty_steps(empty):
        on_planes(step, classes)  # which refuses other classes
        of_all = isinstance(step, EmptyRule)
        rules |= dict.fromkeys(rules, step) if of_all else dict.fromkeys(step.classes, step.step)
    return list(rules.values())
