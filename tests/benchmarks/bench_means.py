"""Measure means of logits and of ranks against floats, pixel by pixel: `python tests/benchmarks/bench_means.py`."""

from functools import partial

import numpy as np
import pandas as pd
from bench_store import HEIGHT, WIDTH, probability_map
from measure import BASELINE, compete, publish

from maskfold.ensembling.means import MEANS, mean_of

ROUNDS = 5
MAPS = (5, 20)


def logits_in_floats(maps: list[np.ndarray]) -> np.ndarray:
    """Average logits as is usual: a logarithm and an exponential of every pixel."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for one in maps:
        probability = (one + np.float32(0.5)) / 256
        total += np.log(probability / (1 - probability))
    return (256 / (1 + np.exp(-total / len(maps)))).astype(np.uint8)


def compare(number: int) -> pd.DataFrame:
    """Return the rows of a number of maps."""
    maps = [probability_map(seed) for seed in range(number)]
    ways = {BASELINE: partial(logits_in_floats, maps)}
    ways |= {mean: partial(mean_of, maps, [1] * number, mean=mean) for mean in MEANS}
    apart = np.abs(ways[BASELINE]().astype(int) - ways["logit"]()).max()
    assert apart <= 1, "the means differ by more than how they are rounded"
    return compete(ways, rounds=ROUNDS, check=False).assign(case=f"{number} maps")


def main() -> None:
    """Measure few maps and many."""
    table = pd.concat([compare(number) for number in MAPS], ignore_index=True)
    publish("means", table, None, size=f"{WIDTH}x{HEIGHT}", baseline_is="logits in float32, pixel by pixel")


if __name__ == "__main__":
    main()
