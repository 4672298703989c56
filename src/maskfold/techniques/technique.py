"""What a technique is: a name, and what it changes of a base."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from maskfold.ensembling.means import PROBABILITY, check_mean
from maskfold.errors import MaskfoldError

BASE = "base"
TRAIN, SOUP, PREDICT, ENSEMBLE = KINDS = ("train", "soup", "predict", "ensemble")
_OVER = "over"
_MEAN = "mean="


@dataclass(frozen=True)
class Technique:
    """One line of the table.

    Attributes:
        name: A file name.
        kind: What is done anew, `train`, `soup`, `predict` or `ensemble`.
        overrides: Of that stage; of an ensemble `mean=...` at most.
        over: The technique that it is compared with.
    """

    name: str
    kind: str = TRAIN
    overrides: tuple[str, ...] = ()
    over: str = BASE

    @property
    def mean(self) -> str:
        """How an ensemble's members are averaged."""
        return next((one.removeprefix(_MEAN) for one in self.overrides), PROBABILITY)


def read_techniques(nodes: Mapping[str, Any], only: Sequence[str] | None = None) -> list[Technique]:
    """Return the techniques of a configuration, those first that others are compared with.

    Args:
        nodes: `name -> {train: [overrides]}`, or `soup`, `predict`, `ensemble`; `over` names another technique to
            compare with; a name with null is taken out.
        only: The names that are wanted, with what they are compared with; None for all.

    Raises:
        MaskfoldError: If one is not well made, or nobody has a name that is wanted.
    """
    known = {name: _technique(name, node) for name, node in nodes.items() if node is not None}
    for technique in known.values():
        if technique.over not in {BASE, *known}:
            raise MaskfoldError(f"techniques.{technique.name}.over={technique.over}: {_there_are(known)}")
    unknown = [name for name in only or () if name not in known]
    if unknown:
        raise MaskfoldError(f"only={unknown[0]}: no such technique. {_there_are(known)}")
    wanted: dict[str, Technique] = {}
    for name in known if only is None else only:
        _take(name, known, wanted, ())
    return [*wanted.values()]


def _take(name: str, known: Mapping[str, Technique], wanted: dict[str, Technique], above: tuple[str, ...]) -> None:
    """Add a technique to those that are wanted, behind what it is compared with."""
    if name in above:
        raise MaskfoldError(f"techniques.{name}.over: a ring, {' over '.join((*above, name))}. Compare one with base.")
    if known[name].over != BASE:
        _take(known[name].over, known, wanted, (*above, name))
    wanted.setdefault(name, known[name])


def _technique(name: str, node: Any) -> Technique:
    if not re.fullmatch(r"\w[\w-]*", name) or name == BASE:
        raise MaskfoldError(f"techniques.{name}: give it a name of letters, digits and underscores, other than {BASE}.")
    kinds = [kind for kind in KINDS if isinstance(node, Mapping) and kind in node]
    if len(kinds) != 1 or {*node} - {kinds[0], _OVER} or not isinstance(node[kinds[0]], list | tuple):
        raise MaskfoldError(
            f"techniques.{name}: one of {', '.join(KINDS)} with a list of overrides, as in "
            f"{{train: [mixing.mixup=1]}}, and perhaps {_OVER}: <another technique>."
        )
    (kind,) = kinds
    overrides = tuple(map(str, node[kind]))
    if kind == ENSEMBLE:
        if len(overrides) > 1 or not all(one.startswith(_MEAN) for one in overrides):
            raise MaskfoldError(f"techniques.{name}: of an ensemble {_MEAN}... alone is known.")
        for one in overrides:
            check_mean(one.removeprefix(_MEAN))
    return Technique(name, kind, overrides, str(node.get(_OVER, BASE)))


def _there_are(known: Mapping[str, Technique]) -> str:
    return f"There are {', '.join(known)}."
