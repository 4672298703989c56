"""Measure the start of `maskfold predict` to its first map: `python tests/benchmarks/bench_first_map.py`.

With `--against <git ref>` another state of this repository, put into a temporary worktree, takes turns with this one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from measure import publish

HERE = Path(__file__).parents[2]
ROUNDS = 5
DATA = ["data=studio", "data.root=photos", "data.name=first"]
NAME = "first_map"


@contextmanager
def worktree(ref: str) -> Iterator[Path]:
    """Yield a checkout of another state of this repository."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "checkout")
        subprocess.run(["git", "-C", HERE, "worktree", "add", "--detach", "-f", path, ref], check=True)
        try:
            yield path
        finally:
            subprocess.run(["git", "-C", HERE, "worktree", "remove", "--force", path], check=True)


def stage(checkout: Path, folder: Path, *words: str) -> subprocess.Popen:
    """Start a stage of a checkout in a folder."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-m", "maskfold", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def prepare(checkout: Path, folder: Path, cars: int) -> None:
    """Generate photos, and train a small network on them for an epoch."""
    size = ["height=256", "width=384"]
    for words in (
        ["studio", "root=photos", f"cars={cars}", "test_cars=2", *size],
        ["folds", *DATA, "folds.k=2"],
        ["train", "experiment=demo_unet", f"name={NAME}", "trainer.max_epochs=1", *DATA],
    ):
        if stage(checkout, folder, *words).wait():
            raise RuntimeError(f"maskfold {' '.join(words)} failed in {folder}")


def first_map(checkout: Path, folder: Path) -> float:
    """Return the seconds from the start of the command to the first map that is there; the rest is not waited for."""
    store = f"at{time.monotonic_ns()}"
    begun = time.perf_counter()
    process = stage(checkout, folder, "predict", f"name={NAME}", "fold=0", "split=test", f"store={store}")
    try:
        while not [*folder.glob(f"experiments/{NAME}/fold0/predictions/{store}/[!.]*.b2nd")]:
            if process.poll() is not None:
                raise RuntimeError(f"maskfold predict ended in {folder} without a map")
            time.sleep(0.01)
        return time.perf_counter() - begun
    finally:
        process.wait()


def main() -> None:
    """Measure every checkout in turn, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", help="another state of this repository, as git names it")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--cars", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as checkouts:
        others = {"before": checkouts.enter_context(worktree(options.against))} if options.against else {}
        turns = measured(others | {"now": HERE}, Path(folder), options)
    row = {f"seconds_{name}": np.median([turn[name] for turn in turns]) for name in turns[0]}
    if options.against:
        ratios = [turn["before"] / turn["now"] for turn in turns]
        row |= {"ratio": np.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
    publish("first_map", pd.DataFrame([row]), rounds=options.rounds, against=options.against or "")


def measured(checkouts: dict[str, Path], folder: Path, options: argparse.Namespace) -> list[dict[str, float]]:
    """Let checkouts take turns; the first round, in which files come from the disk, is not counted.

    Each has a folder of its own, with a network that it has trained: none need know the other's keys.
    """
    for name, checkout in checkouts.items():
        (folder / name).mkdir()
        prepare(checkout, folder / name, options.cars)
    turns = range(options.rounds + 1)
    return [{name: first_map(path, folder / name) for name, path in checkouts.items()} for _ in turns][1:]


if __name__ == "__main__":
    main()
