"""What a run is judged by, which its task decides and its folder remembers."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isnan
from typing import Literal


@dataclass(frozen=True)
class Monitor:
    """The metric by which epochs are compared.

    Attributes:
        name: As it is logged, such as `val/accuracy`.
        mode: Whether larger or smaller values are better.
        label: What users call it.
    """

    name: str
    mode: Literal["max", "min"]
    label: str

    def best(self, rows: Iterable[dict[str, float]]) -> dict[str, float]:
        """Return the row of the best epoch, the first of equal ones; one without a number is the worst."""
        return self.ranked(rows)[0]

    def ranked(self, rows: Iterable[dict[str, float]]) -> list[dict[str, float]]:
        """Return the rows, the best first, of equal ones the earlier first; those without a number come last."""
        sign, worst = (-1, inf) if self.mode == "max" else (1, inf)
        return sorted(rows, key=lambda row: worst if isnan(row[self.name]) else sign * row[self.name])


UNKNOWN = Monitor(name="epoch", mode="max", label="score unknown")
"""Of a training on all photos, where nothing is left to judge epochs by: its last epoch is what it leaves."""
