"""Time of the scores of one mask at full size: `python tests/benchmarks/bench_boundary.py`.

A whole frame is the worst case: nothing can be cut away around it.
"""

import time
from collections.abc import Callable

import cv2
import numpy as np

from maskfold.masks.scores import band_width, boundary_scores, threshold_counts

HEIGHT, WIDTH, TIMES = 1280, 1918, 30


def milliseconds(function: Callable[[], object]) -> float:
    """Return the median time of a call."""
    function()
    times = []
    for _ in range(TIMES):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return 1e3 * float(np.median(times))


def car(left: int) -> np.ndarray:
    """An ellipse the size of a car: `(HEIGHT, WIDTH) uint8`, 0 or 1."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    return cv2.ellipse(mask, (left, 700), (650, 300), 0, 0, 360, 1, -1)


def by_erosion(mask: np.ndarray) -> np.ndarray:
    """The rim as the paper's own code finds it."""
    width = band_width(mask.shape)
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return mask - cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]


def main() -> None:
    """Print the time of each score."""
    cv2.setNumThreads(1)
    truth, prediction, whole = car(960), car(964), np.ones((HEIGHT, WIDTH), np.uint8)
    for name, function in (
        ("Dice and IoU at 256 thresholds", lambda: threshold_counts(prediction * 255, truth)),
        ("boundary IoU and trimap Dice", lambda: boundary_scores(prediction, truth)),
        ("the same of a whole frame", lambda: boundary_scores(whole, whole)),
        ("two rims by repeated erosion", lambda: (by_erosion(prediction), by_erosion(truth))),
    ):
        print(f"{name:32} {milliseconds(function):6.2f} ms")


if __name__ == "__main__":
    main()
