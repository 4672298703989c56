"""Measure the run-length codec against the usual `np.where` recipe: `python tests/benchmarks/bench_rle.py`."""

from statistics import median
from time import perf_counter

import cv2
import numpy as np

from maskfold.submission.rle import decode, encode, runs

HEIGHT, WIDTH = 1280, 1918
ROUNDS = 101


def car() -> np.ndarray:
    """Draw a car of a usual size: `(1280, 1918)` uint8, about a thousand runs."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (959, 760), (700, 300), 0, 0, 360, 1, -1)
    cv2.rectangle(mask, (500, 350), (1400, 700), 1, -1)
    for x in (560, 1360):
        cv2.circle(mask, (x, 1000), 130, 1, -1)
        cv2.circle(mask, (x, 1000), 90, 0, -1)
    return mask


def recipe_runs(mask: np.ndarray) -> np.ndarray:
    """Find the runs the usual way: compare all neighbours, look where they differ."""
    pixels = np.concatenate([[0], mask.flatten(), [0]])
    values = np.where(pixels[1:] != pixels[:-1])[0] + 1
    values[1::2] -= values[::2]
    return values


def recipe_encode(mask: np.ndarray) -> str:
    """Write the runs the usual way."""
    return " ".join(str(value) for value in recipe_runs(mask))


def milliseconds(function, *arguments) -> float:
    """Time one call."""
    start = perf_counter()
    function(*arguments)
    return 1000 * (perf_counter() - start)


def main() -> None:
    """Print medians over alternating calls, so that both meet the same state of the machine."""
    mask = car()
    assert encode(mask) == recipe_encode(mask)
    print(f"{WIDTH}x{HEIGHT}, {len(runs(mask))} runs, median of {ROUNDS} alternating calls")
    for name, ours, recipe in (("runs", runs, recipe_runs), ("string", encode, recipe_encode)):
        pairs = [(milliseconds(ours, mask), milliseconds(recipe, mask)) for _ in range(ROUNDS)]
        fast, slow = (median(column) for column in zip(*pairs, strict=True))
        ratio = median(theirs / mine for mine, theirs in pairs)
        print(f"{name:>7}: {fast:6.3f} ms, np.where recipe {slow:6.3f} ms, {ratio:.1f} times as fast")
    rle = encode(mask)
    print(f" decode: {median(milliseconds(decode, rle, HEIGHT, WIDTH) for _ in range(ROUNDS)):6.3f} ms")


if __name__ == "__main__":
    main()
