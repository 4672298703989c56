"""Measure small gains against what was done before, in one run: `python tests/benchmarks/bench_small.py [rows]`.

Writing a submission, checking it, the running average of the weights, Adam's step, and a step of validation.
"""

import csv
import gzip
import io
import re
import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from bench_rle import HEIGHT, WIDTH, car
from measure import BASELINE, compete, publish, ratio_chart
from torch.nn import functional

from maskfold.engine.averaging import ema
from maskfold.engine.fused import in_one_kernel
from maskfold.engine.once import working_once
from maskfold.masks import rle, rules
from maskfold.models.linknet import LinkNet
from maskfold.segmentation.losses import BCE, Dice, Sum
from maskfold.segmentation.objective import MaskObjective
from maskfold.submission import doctor
from maskfold.submission.writer import write_submission

ROWS = 10_000  # the doctor works alone for two seconds, and shares only what is left then
ROUNDS = 3
STEPS = 10
BATCH, SIDE = 4, 512


@cache
def texts() -> list[str]:
    """Return the texts of some cars whose outlines are as rough as predicted ones, 9 KB each."""
    random = np.random.default_rng(0)
    mask = car()
    shifts = [random.integers(-3, 4, HEIGHT) for _ in range(20)]
    return [rle.encode(np.stack([np.roll(*pair) for pair in zip(mask, shift, strict=True)])) for shift in shifts]


def rows(count: int) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of a submission."""
    return ((f"{number:012d}_01.jpg", "", texts()[number % 20]) for number in range(count))


def write_before(path: Path, count: int) -> None:
    """Write it with the csv module, compressed at level 6."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file,
        io.TextIOWrapper(file, encoding="utf-8", newline="") as text,
    ):
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("img", "rle_mask"))
        table.writerows(rules.Rules().row(photo, runs) for photo, _, runs in rows(count))


def write(path: Path, count: int, *, before: bool) -> float:
    """Return the seconds that writing takes."""
    texts()
    began = perf_counter()
    if before:
        write_before(path, count)
    else:
        write_submission(path, rows(count))
    return perf_counter() - began


def check(path: Path, *, jobs: int, before: bool = False) -> list[str]:
    """Return what the doctor finds; before, it looked at each character of each row by itself, in one process."""
    if before:
        rle._is_plain = never
        rules._pattern = pattern_before
    report = doctor.examine(path, None, sizes=(HEIGHT, WIDTH), jobs=jobs)
    return [*report.errors, *report.warnings, str(report.images)]


def never(text: str) -> bool:
    """Have the slow look taken at every text."""
    return False


def pattern_before(template: str, classes: tuple[str, ...]) -> re.Pattern[str]:
    """Return what cells looked like."""
    return re.compile(r"(?P<runs>[\s\S]*)" if "runs" in template else r"(?P<file>.+)")


@cache
def network() -> LinkNet:
    """Return the network of the challenge's winners."""
    torch.manual_seed(0)
    return LinkNet(weights=None)


def average_before(average: dict[str, torch.Tensor], weights: dict[str, torch.Tensor]) -> None:
    """Move the average by a call a tensor."""
    for name, tensor in weights.items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor, 0.1)
        else:
            average[name].copy_(tensor)


def average(*, before: bool) -> float:
    """Return the seconds that some moves of the average take."""
    averaging = ema(decay=0.9)
    averaging._average(network())
    began = perf_counter()
    for _ in range(STEPS):
        if before:
            average_before(averaging.other, network().state_dict())
        else:
            averaging._average(network())
    return perf_counter() - began


def step(*, before: bool) -> float:
    """Return the seconds that some of Adam's steps take."""
    make = partial(torch.optim.Adam, lr=1e-4)
    optimizer = (make if before else in_one_kernel(make, scaled=False))([*network().parameters()])
    for parameter in network().parameters():
        parameter.grad = torch.full_like(parameter, 1e-3)
    optimizer.step()
    began = perf_counter()
    for _ in range(STEPS):
        optimizer.step()
    return perf_counter() - began


def validate(*, before: bool) -> list[float]:
    """Return loss and metrics of some batches, whose logits are there."""
    objective = MaskObjective(Sum(terms=[BCE(), Dice()]))
    torch.manual_seed(0)
    logits = torch.randn(BATCH, 1, SIDE, SIDE)
    batch = {"mask": functional.interpolate((logits[..., ::8, ::8] > 0).float(), SIDE).mul(255).byte()}
    total = 0.0
    for _ in range(STEPS):
        if before:
            losses = objective.losses(logits, batch)
            objective.measure(logits, batch)
        else:
            with working_once():
                losses = objective.losses(logits, batch)
                objective.measure(logits, batch)
        total += float(losses.sum())
    return [total, *(float(value) for value in objective.metric.compute().values())]


def cases(path: Path, count: int) -> Iterator[pd.DataFrame]:
    """Yield a table a case."""
    pair = {BASELINE: True, "maskfold": False}

    def clocked(work, **keys) -> pd.DataFrame:
        return compete({way: partial(work, before=before) for way, before in pair.items()}, clocks=True, **keys)

    written = partial(write, path.with_name("new.csv.gz"), count)
    yield clocked(written, rounds=ROUNDS, items=count).assign(case="a row written")
    looks = {BASELINE: partial(check, path, jobs=1, before=True)}
    looks |= {f"{jobs} processes": partial(check, path, jobs=jobs) for jobs in (1, 2)}
    yield compete(looks, rounds=ROUNDS, items=count).assign(case="a row checked")
    yield clocked(average, rounds=ROUNDS, items=STEPS).assign(case="average of LinkNet34")
    yield clocked(step, rounds=ROUNDS, items=STEPS).assign(case="Adam on LinkNet34")
    ways = {way: partial(validate, before=before) for way, before in pair.items()}
    yield compete(ways, rounds=ROUNDS, items=STEPS).assign(case=f"validation, {BATCH} of {SIDE}x{SIDE}")


def main(count: int = ROWS) -> None:
    """Compare each with what was done before."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "submission.csv.gz")
        write_submission(path, rows(count))
        before = Path(folder, "before.csv.gz")
        write_before(before, count)
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(before.read_bytes())
        larger = path.stat().st_size / before.stat().st_size
        table = pd.concat(cases(path, count), ignore_index=True)
    chart = ratio_chart(table, title="Small gains, against what was done before")
    publish("small", table, chart, rows=count, larger=larger)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
