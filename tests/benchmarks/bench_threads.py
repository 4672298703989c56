"""Measure how torch's threads wait for one another: `python tests/benchmarks/bench_threads.py`.

Training steps alone, and beside a process that keeps one core busy. Each way of waiting has a process of its own, since
the OpenMP library reads its variables once, when torch is loaded; the processes take turns.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pandas as pd
import torch  # before maskfold, which says how its threads are to wait
from measure import BASELINE, Timed, publish, summary

from maskfold.engine.task import Task
from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network
from maskfold.segmentation.losses import BCE
from maskfold.segmentation.objective import MaskObjective

WAYS = {
    BASELINE: {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "10,000 turns": {"GOMP_SPINCOUNT": "10000"},
}
CASES = ("alone", "beside a busy process")
SIZE = (192, 256)
BATCH = 4
STEPS = 3
ROUNDS = 9
BUSY = "while True: pass"


def work() -> None:
    """Take `STEPS` steps for every line that comes in, and answer with the seconds of one."""
    torch.manual_seed(0)
    task = Task(
        Network(LinkNet(encoder="resnet18", weights=None)),
        objective=MaskObjective(BCE()),
        optimizer=partial(torch.optim.Adam, lr=1e-4),
        channels_last=True,
    )
    optimizer = task.configure_optimizers()
    images = torch.randint(0, 256, (BATCH, 3, *SIZE), dtype=torch.uint8)
    target = (images[:, :1] > 128).float()
    for _ in sys.stdin:
        start = time.perf_counter()
        for _ in range(STEPS):
            optimizer.zero_grad()
            task.objective.loss(task(images), target).mean().backward()
            optimizer.step()
        print((time.perf_counter() - start) / STEPS, flush=True)


def ask(worker: subprocess.Popen) -> Timed:
    """Return the seconds of a worker's step."""
    worker.stdin.write("\n")
    worker.stdin.flush()
    return Timed(None, float(worker.stdout.readline()), 0)


@contextmanager
def workers() -> Iterator[dict[str, subprocess.Popen]]:
    """Start a process for every way of waiting, and end them."""
    plain = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    command = [sys.executable, __file__, "work"]
    started = {
        name: subprocess.Popen(command, env=plain | variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name, variables in WAYS.items()
    }
    try:
        yield started
    finally:
        for worker in started.values():
            worker.kill()


def turn(started: dict[str, subprocess.Popen], case: str, number: int) -> dict[str, Timed]:
    """Let every way take its steps once, each round another one first."""
    names = [*WAYS][number % len(WAYS) :] + [*WAYS][: number % len(WAYS)]
    if case == CASES[0]:
        return {name: ask(started[name]) for name in names}
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        try:
            return {name: ask(started[name]) for name in names}
        finally:
            busy.kill()


def main() -> None:
    """Compare the ways in either case."""
    with workers() as started:
        for worker in started.values():
            ask(worker)
        turns = {case: [] for case in CASES}
        for number in range(ROUNDS):
            for case in CASES:
                turns[case].append(turn(started, case, number))
    rows = [{"case": case} | summary(name, turns[case], 1) for case in CASES for name in WAYS]
    table = pd.DataFrame(rows).drop(columns="peak_mib")
    publish("threads", table, size=f"{SIZE[1]}x{SIZE[0]}", batch=BATCH, threads=torch.get_num_threads())


if __name__ == "__main__":
    work() if sys.argv[1:] == ["work"] else main()
