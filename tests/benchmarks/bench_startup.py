"""Measure a stage's command beside its work: `python tests/benchmarks/bench_startup.py [<another checkout>]`.

Each command begins, composes its configuration, prints that (`--cfg job`) and ends, in a process of its own. With the
path of another checkout of this repository, an older one say, the two take turns.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from measure import publish

STAGES = {
    "doctor": ["submission=submission.csv.gz"],
    "ensemble": ["ensemble=linknet34"],
    "evaluate": ["name=linknet34"],
    "report": ["ensemble=linknet34"],
    "blend": ["ensemble=linknet34"],
    "pick": [],
    "pseudo": ["ensemble=linknet34"],
    "folds": ["data=carvana"],
    "studio": [],
    "train": ["experiment=linknet34"],
    "predict": ["name=linknet34"],
}
ROUNDS = 5
LOADED = "import importlib, sys; importlib.import_module(sys.argv[1]); print('torch' in sys.modules)"


def run(checkout: Path, *words: str) -> str:
    """Run Python on a checkout; return what it printed."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=True).stdout


def seconds(checkout: Path, stage: str) -> float:
    """Return the seconds from a command's start to its end, without its work."""
    begun = time.perf_counter()
    run(checkout, "-m", f"maskfold.stages.{stage}", "--cfg", "job", *STAGES[stage])
    return time.perf_counter() - begun


def measured(checkouts: dict[str, Path], stage: str) -> dict[str, object]:
    """Return a stage's row: of each checkout the median of its seconds, and whether it imports torch.

    The checkouts take turns, and the first round, in which files come from the disk, is not counted. `ratio` is the
    median over rounds of the seconds before divided by those now.
    """
    turns = [{name: seconds(path, stage) for name, path in checkouts.items()} for _ in range(ROUNDS + 1)][1:]
    row: dict[str, object] = {"stage": stage}
    for name, path in checkouts.items():
        row[f"seconds_{name}"] = np.median([turn[name] for turn in turns])
        row[f"torch_{name}"] = (
            "yes" if run(path, "-c", LOADED, f"maskfold.stages.{stage}").split()[-1] == "True" else "no"
        )
    if "before" in checkouts:
        ratios = [turn["before"] / turn["now"] for turn in turns]
        row |= {"ratio": np.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
    return row


def main() -> None:
    """Measure every stage, and write the table."""
    checkouts = {"now": Path(__file__).parents[2]}
    if len(sys.argv) > 1:
        checkouts = {"before": Path(sys.argv[1]).resolve()} | checkouts
    publish("startup", pd.DataFrame([measured(checkouts, stage) for stage in STAGES]), rounds=ROUNDS)


if __name__ == "__main__":
    main()
