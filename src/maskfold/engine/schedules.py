"""The learning rate as a table of phases: one mechanism for every schedule of the recipe book."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from maskfold.errors import MaskfoldError
from maskfold.phases import expand

NAME = "schedule.phases"


@dataclass(frozen=True)
class Plateau:
    """When validation loss has not improved for `patience` epochs, the rate is multiplied by `factor`."""

    factor: float
    patience: int


@dataclass(frozen=True)
class Epoch:
    """What one epoch trains with.

    Attributes:
        rate: The learning rate, before what a plateau takes from it.
        begins: Whether its phase begins here.
        restart: Whether the optimizer forgets its state (moments) before it.
        snapshot: Whether the weights are kept after it, as one member of a snapshot ensemble.
        plateau: The phase's plateau rule.
    """

    rate: float
    begins: bool = False
    restart: bool = False
    snapshot: bool = False
    plateau: Plateau | None = None


class Schedule:
    """A table of phases.

    A phase is `{epochs: n, rate: r}`, or `{repeat: n, phases: [...]}` for cycles. Either may have `restart: true` (the
    optimizer begins afresh with it) and `snapshot: true` (the weights at its end, and at the end of each cycle, are
    kept); the first may have `plateau: {factor: 0.5, patience: 2}`.

    Args:
        phases: The table, in order.

    Raises:
        MaskfoldError: If a phase has other keys, or a number that is out of range.
    """

    def __init__(self, *, phases: Sequence[dict[str, Any]]) -> None:
        rows = expand(
            phases, name=NAME, needed=["rate"], optional=["plateau"], at_start=["restart"], at_end=["snapshot"]
        )
        self.table = [Epoch(**row | {"rate": _rate(row["rate"]), "plateau": _plateau(row)}) for row in rows]

    def __len__(self) -> int:
        return len(self.table)

    def epoch(self, number: int) -> Epoch:
        """Return the settings of an epoch, counted from 0; the last rate holds beyond the table's end."""
        if number < len(self.table):
            return self.table[number]
        return replace(self.table[-1], begins=False, restart=False, snapshot=False)

    def snapshots_before(self, number: int) -> int:
        """Return how many snapshots are taken before an epoch."""
        return sum(epoch.snapshot for epoch in self.table[:number])


def number_of_epochs(max_epochs: int | None, schedule: object) -> int | None:
    """Return how many epochs a training has, or None where nobody says it.

    Args:
        max_epochs: As given; None for the schedule's own length.
        schedule: A `Schedule`, or what has no length.

    Raises:
        MaskfoldError: If it is less than one.
    """
    if max_epochs is None:
        return len(schedule) if isinstance(schedule, Schedule) else None
    if max_epochs < 1:
        raise MaskfoldError(f"trainer.max_epochs={max_epochs}: give 1 or more, or null for the schedule's own number.")
    return max_epochs


def _rate(rate: float) -> float:
    if not isinstance(rate, int | float) or not rate > 0:
        raise MaskfoldError(f"{NAME}: the rate {rate!r} is not a number above 0 (YAML wants 1.0e-4, not 1e-4).")
    return float(rate)


def _plateau(row: dict[str, Any]) -> Plateau | None:
    rule = row.get("plateau")
    if rule is None:
        return None
    if set(rule) != {"factor", "patience"} or not 0 < rule["factor"] < 1 or rule["patience"] < 1:
        raise MaskfoldError(
            f"{NAME}: plateau is {rule}; it is {{factor: f, patience: n}} with f between 0 and 1 and n at least 1."
        )
    return Plateau(**rule)


@dataclass
class PlateauWatch:
    """How validation loss has gone since the phase began: the part of a schedule that no table can give in advance.

    Attributes:
        best: The lowest loss so far.
        waited: Epochs without improvement since then, or since the last reduction.
        scale: What the phase's rate is multiplied by.
    """

    best: float = math.inf
    waited: int = 0
    scale: float = 1.0

    def see(self, loss: float, plateau: Plateau) -> None:
        """Take an epoch's loss into account."""
        if loss < self.best:
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited >= plateau.patience:
            self.scale, self.waited = self.scale * plateau.factor, 0

    def state(self) -> dict[str, float]:
        """Return the arguments that make this watch again."""
        return asdict(self)
