"""Which members fit the hours that there are, and for how many epochs each."""

from collections.abc import Sequence
from dataclasses import dataclass

RESERVE = 0.15  # of the hours, which stay free: a probe of a few steps is an estimate


@dataclass(frozen=True)
class MemberCost:
    """What a member costs, all its folds together; seconds.

    Attributes:
        name: Of the member.
        fixed: What does not depend on how long it is trained: starts and predictions.
        epoch: An epoch of all folds.
        wanted: Epochs, by the rules.
        least: Epochs; shorter trainings are not worth a member.
    """

    name: str
    fixed: float
    epoch: float
    wanted: int
    least: int

    def seconds(self, epochs: int) -> float:
        """Return what a training of so many epochs costs, with all that belongs to it."""
        return self.fixed + epochs * self.epoch


def usable(hours: float) -> float:
    """Return the seconds of a budget that members may take."""
    return hours * 3600 * (1 - RESERVE)


def fitting(costs: Sequence[MemberCost], seconds: float) -> dict[str, int]:
    """Return members and their epochs that fit; empty where not even one does.

    All are shortened by the same share, none below its least; then the last is dropped, and so on. A first one that
    does not fit alone makes room for those behind it.

    Args:
        costs: The most valuable first.
        seconds: That may be taken.
    """
    for first in range(len(costs)):
        for last in range(len(costs), first, -1):
            if epochs := _shortened(costs[first:last], seconds):
                return epochs
    return {}


def _shortened(costs: Sequence[MemberCost], seconds: float) -> dict[str, int]:
    if sum(cost.seconds(cost.least) for cost in costs) > seconds:
        return {}
    left = seconds - sum(cost.seconds(cost.least) for cost in costs)
    more = sum((cost.wanted - cost.least) * cost.epoch for cost in costs)
    share = min(1.0, left / more) if more else 1.0
    return {cost.name: cost.least + int((cost.wanted - cost.least) * share) for cost in costs}


def least_hours(costs: Sequence[MemberCost]) -> float:
    """Return the smallest budget by which some member fits."""
    return min(cost.seconds(cost.least) for cost in costs) / 3600 / (1 - RESERVE)
