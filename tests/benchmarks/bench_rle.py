"""Measure the run-length codec against the usual `np.where` recipe: `python tests/benchmarks/bench_rle.py`."""

from functools import partial

import cv2
import numpy as np
import pandas as pd
from measure import BASELINE, compete, publish, ratio_chart

from maskfold.masks.rle import decode, encode, runs

HEIGHT, WIDTH = 1280, 1918
ROUNDS = 9
CALLS = 20


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


def sorted_runs(mask: np.ndarray) -> np.ndarray:
    """Return our runs in the recipe's form: one after another."""
    return runs(mask).ravel()


def recipe_encode(mask: np.ndarray) -> str:
    """Write the runs the usual way."""
    return " ".join(str(value) for value in recipe_runs(mask))


def repeat(function, mask: np.ndarray):
    """Call a function many times on one mask, and return what the last call does."""
    for _ in range(CALLS - 1):
        function(mask)
    return function(mask)


def decode_again(mask: np.ndarray) -> np.ndarray:
    """Draw the mask from its string."""
    return decode(encode(mask), *mask.shape)


def main() -> None:
    """Compare the codec with the usual recipe: the runs alone, and with the text that is written."""
    mask = car()
    assert np.array_equal(decode_again(mask), mask)
    parts = []
    for case, ours, recipe in (("runs", sorted_runs, recipe_runs), ("string", encode, recipe_encode)):
        ways = {BASELINE: partial(repeat, recipe, mask), "maskfold": partial(repeat, ours, mask)}
        parts.append(compete(ways, rounds=ROUNDS, items=CALLS).assign(case=case))
    table = pd.concat(parts, ignore_index=True)
    title = f"Run-length encoding of {WIDTH}x{HEIGHT}, {len(runs(mask))} runs"
    publish("rle", table, ratio_chart(table, title=title), size=f"{WIDTH}x{HEIGHT}", baseline_is="np.where")


if __name__ == "__main__":
    main()
