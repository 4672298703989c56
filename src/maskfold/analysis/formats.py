"""How numbers are written in a report: each kind in one way."""

from collections.abc import Callable

import numpy as np
import pandas as pd

LETTERS = 24  # of the name of a class


def score(value: float) -> str:
    """Write a Dice or an IoU, to the digit in which strong ensembles differ; `-` for NaN."""
    return "-" if pd.isna(value) else f"{value:.5f}"


def gain(value: float) -> str:
    """Write a difference of two scores, with its sign."""
    return f"{value:+.5f}"


def percent(share: float, digits: int = 1) -> str:
    """Write a share of 1 in per cent; `-` for NaN."""
    return "-" if pd.isna(share) else f"{100 * share:.{digits}f} %"


def label(value: object) -> str:
    """Write a metadata value; whole numbers that a table with gaps holds as floats are written as whole."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def doubt(value: float) -> str:
    """Write an unconfidence, which may be infinite."""
    return "infinite" if np.isinf(value) else f"{value:.3g}"


def interval(low: float, high: float, write: Callable[[float], str] = score) -> str:
    """Write an interval; `-` where there is none."""
    return "-" if pd.isna(low) else f"{write(low)} to {write(high)}"


def shortened(name: str) -> str:
    """Cut a name to `LETTERS`, so that what stands beside it has room."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
