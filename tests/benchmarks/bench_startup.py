"""Measure how long a stage takes until it begins: `python tests/benchmarks/bench_startup.py [<another checkout>]`.

Each stage is imported and composed in a process of its own, as its command does before anything else. With the path of
another checkout of this repository, an older one say, the two take turns.
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
BEGIN = """
import importlib, sys
importlib.import_module(f"maskfold.stages.{sys.argv[1]}")
from maskfold.config import compose
compose(sys.argv[1], sys.argv[2:])
print("torch" in sys.modules)
"""


def start(checkout: Path, stage: str) -> tuple[float, bool]:
    """Return the seconds until a stage of a checkout could begin, and whether it has imported torch by then."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-c", BEGIN, stage, *STAGES[stage]]
    begun = time.perf_counter()
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return time.perf_counter() - begun, answer.split()[-1] == "True"


def measured(checkouts: dict[str, Path], stage: str) -> dict[str, object]:
    """Return a stage's row: of each checkout the median of its seconds, and whether it imports torch.

    The checkouts take turns, and the first round, in which files come from the disk, is not counted. `ratio` is the
    median over rounds of the seconds before divided by those now.
    """
    turns = [{name: start(path, stage) for name, path in checkouts.items()} for _ in range(ROUNDS + 1)][1:]
    row: dict[str, object] = {"stage": stage}
    for name in checkouts:
        row[f"seconds_{name}"] = np.median([turn[name][0] for turn in turns])
        row[f"torch_{name}"] = "yes" if turns[0][name][1] else "no"
    if "before" in checkouts:
        ratios = [turn["before"][0] / turn["now"][0] for turn in turns]
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
