"""How much the demo's scores depend on chance: the whole demo from five seeds, on the same generated photos.

    python tests/benchmarks/study_demo.py <folder>

Each seed has a folder of its own below the given one; two run at a time, on one core each. Killed and started again, it
goes on from what is finished. Writes docs/measured/demo_seeds.csv, a row a seed, and demo.csv, mean and extremes.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path

import pandas as pd
from measure import publish

from maskfold.analysis.standing import WHITE_VAN, planted_ids
from maskfold.analysis.tables import precision_at, ranked
from maskfold.analysis.truth import score_submission
from maskfold.config import EXPERIMENTS, SUBMISSIONS
from maskfold.demo import MEMBERS, ROOT, SUBMISSION
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.layout import MemberFolder
from maskfold.runs.results import pooled

SEEDS = range(5)
AT_A_TIME = 2  # processes, of one thread each


def run(folder: Path, seed: int) -> None:
    """Run the demo from a seed."""
    place = folder / f"seed{seed}"
    place.mkdir(parents=True, exist_ok=True)
    one_thread = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with open(folder / f"seed{seed}.log", "a") as log:
        command = [sys.executable, "-m", "maskfold.demo", f"seed={seed}"]
        subprocess.run(command, cwd=place, env=one_thread, stdout=log, stderr=subprocess.STDOUT, check=True)


def scores(place: Path) -> dict[str, float]:
    """Return what a demo in a folder has come to: out of fold, and the submission against the hidden truth."""
    with chdir(place):
        members = {name: pooled(pd.read_csv(MemberFolder(EXPERIMENTS / name).results)) for name in MEMBERS}
        result = EnsembleFolder(SUBMISSIONS / "demo")
        ranking = ranked(pd.read_parquet(result.test.scores), "unconfidence", descending=True)["image_id"].tolist()
        vans = planted_ids(pd.read_csv(f"{ROOT}/planted.csv"), WHITE_VAN, "test")
        return {
            **{f"{name}_dice": row["dice"] for name, row in members.items()},
            "ensemble_dice": pd.read_parquet(result.oof.scores)["dice"].mean(),
            "submission_dice": score_submission(SUBMISSION, Path(ROOT, "test_truth"))["dice"].mean(),
            "white_vans_in_ten": round(10 * precision_at(ranking, vans, 10)),
        }


def main() -> None:
    """Run all seeds, and write the tables."""
    folder = Path(sys.argv[1]).absolute()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for seed, _ in zip(SEEDS, pool.map(lambda seed: run(folder, seed), SEEDS), strict=True):
            print(f"seed {seed}: done", flush=True)
    write(folder)


def write(folder: Path) -> None:
    """Write the tables of what has been run."""
    seeds = pd.DataFrame([{"seed": seed} | scores(folder / f"seed{seed}") for seed in SEEDS])
    dice = seeds.filter(regex="_dice$").rename(columns=lambda name: name.removesuffix("_dice"))
    spread = dice.agg(["mean", "min", "max"]).T.set_axis(["mean_dice", "lowest_dice", "highest_dice"], axis=1)
    publish("demo_seeds", seeds.map(_written))
    publish("demo", spread.rename_axis("of").reset_index().map(_written), seeds=len(SEEDS))


def _written(value: float | int | str) -> str:
    return f"{value:.5f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
