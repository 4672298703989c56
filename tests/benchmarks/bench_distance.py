"""Measure errors' distances in the object's window or the whole photo: `python tests/benchmarks/bench_distance.py`.

The report's look at an image's out-of-fold mask, without reading its maps: exact distances to the boundary on both
sides of it, summed up into the bands that are shown.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import cv2
import numpy as np
from bench_store import HEIGHT, WIDTH, probability_map
from measure import BASELINE, compete, publish

from maskfold.analysis.location import distance_counts, distance_table
from maskfold.masks.scores import histogram

MASKS = 4
ROUNDS = 5
_REACH = 255


def masks() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of a prediction and a truth, `(H, W) uint8` each."""
    drawn = [(probability_map(seed) >= 128).astype(np.uint8) for seed in range(MASKS + 1)]
    return [*pairwise(drawn)]


def whole_counts(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count as `distance_counts`, by distances in the whole photo and up to 255 pixels."""
    wrong = (prediction != truth).astype(np.uint8)
    counts = np.zeros((2, 2, _REACH), np.int64)
    for side, part in enumerate((truth, 1 - truth)):
        distance = cv2.distanceTransform(part, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        step = cv2.convertScaleAbs(np.minimum(distance, _REACH), beta=0.499)
        for row, chosen in enumerate((part & wrong, part)):
            counts[side, row] = histogram(step, chosen)[1:]
    return counts


def tables(count: Callable, pairs: list[tuple[np.ndarray, np.ndarray]]) -> list[list]:
    """Return the rows of the bands of every pair."""
    return [distance_table(count(*pair))[["wrong", "share", "rate"]].to_numpy().tolist() for pair in pairs]


def main() -> None:
    """Measure both ways on the same masks; their tables must be the same."""
    pairs = masks()
    ways = {BASELINE: partial(tables, whole_counts, pairs), "in the window": partial(tables, distance_counts, pairs)}
    table = compete(ways, rounds=ROUNDS, items=MASKS).assign(case="errors by distance")
    publish("distance", table, size=f"{WIDTH}x{HEIGHT}", masks=MASKS, baseline_is="two transforms of the whole photo")


if __name__ == "__main__":
    main()
