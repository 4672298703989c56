"""The learning rate as a table of phases: one mechanism for every schedule of the recipe book."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maskfold.errors import MaskfoldError


@dataclass(frozen=True)
class Epoch:
    """What one epoch trains with."""

    rate: float


class Schedule:
    """A table of phases.

    A phase is `{epochs: n, rate: r}`, or `{repeat: n, phases: [...]}` for a cycle.

    Args:
        phases: The table, in order.

    Raises:
        MaskfoldError: If a phase has other keys, or a number that is not positive.
    """

    def __init__(self, *, phases: Sequence[dict[str, Any]]) -> None:
        self.table = expand(phases)

    def __len__(self) -> int:
        return len(self.table)

    def epoch(self, number: int) -> Epoch:
        """Return the settings of an epoch, counted from 0; the last ones hold beyond the table's end."""
        return self.table[min(number, len(self.table) - 1)]


def expand(phases: Sequence[dict[str, Any]]) -> list[Epoch]:
    """Write a table of phases out epoch by epoch.

    Raises:
        MaskfoldError: If a phase has other keys, or a number that is not positive.
    """
    epochs: list[Epoch] = []
    for row, phase in enumerate(phases):
        numbers = {key: value for key, value in phase.items() if key != "phases"}
        if set(phase) not in ({"epochs", "rate"}, {"repeat", "phases"}) or min(numbers.values()) <= 0:
            raise MaskfoldError(
                f"schedule.phases[{row}] is {phase}: a phase is {{epochs: n, rate: r}} or "
                "{repeat: n, phases: [...]}, with numbers above 0."
            )
        if "repeat" in phase:
            epochs += expand(phase["phases"]) * phase["repeat"]
        else:
            epochs += [Epoch(rate=float(phase["rate"]))] * phase["epochs"]
    if not epochs:
        raise MaskfoldError("schedule.phases is empty: give at least one phase, such as {epochs: 12, rate: 1e-4}.")
    return epochs
