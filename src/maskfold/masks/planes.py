"""Masks and maps of one class, `(H, W)`, and of several, `(C, H, W)`, in one form."""

import numpy as np


def planes(array: np.ndarray) -> np.ndarray:
    """Return a view `(C, H, W)` of a mask or map: of one class, `(H, W)`, C is 1."""
    return array[None] if array.ndim == 2 else array


def joined(array: np.ndarray) -> np.ndarray:
    """Return a view `(H, W)` of `(1, H, W)`, and `(C, H, W)` of several classes as it is: `planes` undone."""
    return array[0] if len(array) == 1 else array


def likeliest(maps: np.ndarray) -> np.ndarray:
    """Return maps `(C, H, W)` with 0 wherever another class is likelier; of equally likely ones the first stays.

    Cut at one threshold for all classes, they are the masks of classes that never overlap.
    """
    return maps * (np.arange(len(maps))[:, None, None] == maps.argmax(axis=0))
