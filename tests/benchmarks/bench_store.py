"""Measure lossless codecs on probability maps against PNG: `python tests/benchmarks/bench_store.py`."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import NamedTuple

import blosc2
import cv2
import numpy as np
import pandas as pd
from blosc2 import Codec, Filter
from measure import BASELINE, one_thread, publish, ratio_chart

from maskfold.arrays import COMPRESSION, checked, with_checksum

HEIGHT, WIDTH = 1280, 1918
MAPS = 4  # different ones in turn: a decoder that always meets the same bytes is unduly quick
ROUNDS = 3
READS = (1, 10, 30)  # of a map that is written once: a submission of one network, and the merges of an ensemble


# How far from 0 a network's logits are, and the standard deviation of its doubts.
NETWORKS = {"a trained network": (9, 1.5), "an unsure network": (4, 0.7)}


def probability_map(seed: int, logit: float = 9, doubt: float = 1.5) -> np.ndarray:
    """Draw what a network answers to a photo of a car, `(1280, 1918)` uint8: a soft outline, and doubts all over."""
    rng = np.random.default_rng(seed)
    car = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(car, (959, 760), (700, 300), 0, 0, 360, 1, -1)
    cv2.rectangle(car, (500, 350), (1400, 700), 1, -1)
    for x in (560, 1360):
        cv2.circle(car, (x, 1000), 130, 1, -1)
        cv2.circle(car, (x, 1000), 90, 0, -1)
    logits = (2 * cv2.GaussianBlur(car, (0, 0), 2) - 1) * logit
    doubts = rng.normal(0, doubt, (HEIGHT // 4, WIDTH // 4)).astype(np.float32)
    logits += cv2.resize(doubts, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.rint(255 / (1 + np.exp(-logits))).astype(np.uint8)


class Way(NamedTuple):
    """A way to store a map: its name, how it is written and how it is read."""

    name: str
    write: Callable[[np.ndarray], bytes]
    read: Callable[[bytes], np.ndarray]


def stored() -> Way:
    """Return what the store does: a Blosc2 frame with a checksum behind it."""
    frame = blosc("the store's", COMPRESSION)
    return Way(
        frame.name,
        lambda array: with_checksum(frame.write(array)),
        lambda content: frame.read(checked(content)),
    )


def blosc(name: str, parameters: blosc2.CParams) -> Way:
    """Return a Blosc2 setting as a way to store a map."""
    return Way(
        name,
        lambda array: blosc2.asarray(array, cparams=parameters).to_cframe(),
        lambda content: blosc2.ndarray_from_cframe(content)[...],
    )


def png(level: int) -> Way:
    """Return a level of PNG as a way to store a map."""
    return Way(
        f"png {level}",
        lambda array: cv2.imencode(".png", array, [cv2.IMWRITE_PNG_COMPRESSION, level])[1].tobytes(),
        lambda content: cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED),
    )


def ways() -> list[Way]:
    """Return PNG as OpenCV writes it by default, the store's own way, and its neighbours."""
    found = [png(1), stored(), blosc("the store's, no checksum", COMPRESSION)]
    for codec, level in ((Codec.LZ4, 1), (Codec.LZ4HC, 3), (Codec.LZ4HC, 5), (Codec.ZSTD, 1), (Codec.ZSTD, 5)):
        for kind in (Filter.NOFILTER,) if level > 1 else (Filter.NOFILTER, Filter.BITSHUFFLE):
            parameters = blosc2.CParams(
                codec=codec, clevel=level, typesize=1, filters=[kind], filters_meta=[0], nthreads=1
            )
            found.append(blosc(f"{codec.name.lower()} {level} {kind.name.lower()}", parameters))
    return found


def measure(way: Way, arrays: list[np.ndarray]) -> tuple[float, float, float]:
    """Return the mean kilobytes a map, and the milliseconds to write and to read one."""
    start = perf_counter()
    contents = [way.write(array) for array in arrays]
    written = perf_counter()
    read = [way.read(content) for content in contents]
    end = perf_counter()
    assert all(map(np.array_equal, read, arrays))
    each = 1000 / len(arrays)
    return sum(map(len, contents)) / len(arrays) / 1000, (written - start) * each, (end - written) * each


def table_of(network: str, logit: float, doubt: float) -> pd.DataFrame:
    """Return a row a way: size, times, their sum for so many reads, and how many times as fast as PNG each reads."""
    arrays = [probability_map(seed, logit, doubt) for seed in range(MAPS)]
    rounds = [[measure(way, arrays) for way in ways()] for _ in range(ROUNDS)]
    rows = []
    for number, way in enumerate(ways()):
        size, write, read = (median(column) for column in zip(*(turn[number] for turn in rounds), strict=True))
        ratios = [turn[0][2] / turn[number][2] for turn in rounds]
        ratio = {"ratio": median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
        name = BASELINE if number == 0 else way.name
        totals = {f"total_ms_{reads}": write + reads * read for reads in READS}
        row = {"case": network, "way": name, "kb": size, "write_ms": write, "read_ms": read}
        rows.append(row | totals | ratio)
    return pd.DataFrame(rows)


def main() -> None:
    """Measure all ways in turn in every round, so that they meet the same machine."""
    one_thread()
    table = pd.concat([table_of(name, *shape) for name, shape in NETWORKS.items()], ignore_index=True)
    chart = ratio_chart(table, title=f"Reading a probability map of {WIDTH}x{HEIGHT}")
    publish("store", table, chart, size=f"{WIDTH}x{HEIGHT}", maps=MAPS, rounds=ROUNDS, baseline_is="cv2's PNG")


if __name__ == "__main__":
    main()
