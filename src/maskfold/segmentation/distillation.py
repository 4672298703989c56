"""Masks that an ensemble has a say in: what it makes of a training photo, mixed into the photo's true mask.

That teaches a network what a mask does not say: which pixels could as well be the other (Hinton et al. 2015).
"""

import numpy as np
import pandas as pd

TAUGHT = "taught"  # column of rows to train on: the file of what the teachers say, a soft mask; missing where nothing
TAUGHT_SHARE = "taught_share"  # column beside it: how much of the target is theirs, 0..1


def lessons_of(table: pd.DataFrame) -> list[tuple[str, float] | None]:
    """Return for each row the file of what its teachers say and their share; None where they say nothing."""
    if TAUGHT not in table:
        return [None] * len(table)
    pairs = zip(table[TAUGHT], table[TAUGHT_SHARE], strict=True)
    return [(path, float(share)) if isinstance(path, str) else None for path, share in pairs]


def blended(truth: np.ndarray, taught: np.ndarray, share: float) -> np.ndarray:
    """Return the mask to learn from, float32 in [0, 1].

    Args:
        truth: `(H, W)` or `(C, H, W)`, uint8 0 or 1.
        taught: What the teachers say, float32 in [0, 1], of the same shape.
        share: How much of the result is theirs.
    """
    return (1 - np.float32(share)) * truth.astype(np.float32) + np.float32(share) * taught
