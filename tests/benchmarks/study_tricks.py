"""What hard-negative mining, pseudo-labels and averaged weights gain, each on and off, where few cars are labelled.

Six generated cars have masks, twelve have none; `demo_unet` at 64x96 trains on two folds with one budget, the number of
optimizer steps, from three seeds. Scored out of fold, and against the hidden truth of the twelve (the mean of both
folds). Writes docs/measured/tricks_runs.csv (a row a seed) and tricks.csv (mean and standard deviation of each, and of
its paired difference from the plain run of the same seed).

    python tests/benchmarks/study_tricks.py

Killed and started again, it goes on from what is finished; its runs lie in experiments/studies/.
"""

import os
import platform
from pathlib import Path

import pandas as pd

from maskfold.config import SUBMISSIONS, compose
from maskfold.entry import quiet_console
from maskfold.files import write_text
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.pseudo import pseudo
from maskfold.stages.score import score
from maskfold.stages.studio import studio
from maskfold.stages.train import train

RUNS, TABLE = Path("docs/measured/tricks_runs.csv"), Path("docs/measured/tricks.csv")
ROOT, NAME = "data/tricks", "tricks"
DATA = ["data=studio", f"data.root={ROOT}", f"data.name={NAME}"]
SEEDS = (0, 1, 2)
FOLDS = (0, 1)
SIZE = (64, 96)  # pixels, height and width of the network's input
# 48 photos a fold in batches of 4 are 12 steps an epoch; one more with mining, 36 with 96 pseudo-labels beside them.
EPOCHS = {"plain": 30, "hard negatives": 28, "pseudo-labels": 10, "EMA": 30}
PLAIN = ["model.widths=[8,16,32,64,128]", "averaging=none"]
OWN = {
    "plain": [],
    "hard negatives": ["trainer.hard_negatives_every=10"],
    "pseudo-labels": [],
    "EMA": ["averaging=ema", "averaging.decay=0.98"],
}


def run(trick: str, seed: int) -> dict:
    """Train, predict and score one trick from one seed."""
    name = f"studies/{NAME}/{trick.replace(' ', '_')}_{seed}"
    last = max(1, EPOCHS[trick] // 4)
    phases = f"[{{epochs:{EPOCHS[trick] - last},rate:2.0e-3}},{{epochs:{last},rate:4.0e-4}}]"
    size = [f"geometry.height={SIZE[0]}", f"geometry.width={SIZE[1]}"]
    own = [*OWN[trick], *([f"pseudo={_labels(seed)}"] if trick == "pseudo-labels" else [])]
    budget = [*size, f"schedule.phases={phases}", f"seed={seed}", f"name={name}"]
    for fold in FOLDS:
        train(compose("train", ["experiment=demo_unet", *DATA, *PLAIN, *budget, *own, f"fold={fold}"]))
        for split in ("oof", "test"):
            predict(compose("predict", [f"name={name}", f"fold={fold}", f"split={split}", "trainer.batch_size=16"]))
    results = evaluate(compose("evaluate", [f"name={name}"]))
    tree = _tree(name, f"studies_{NAME}")
    ensemble(compose("ensemble", tree))
    submission = SUBMISSIONS / f"studies_{NAME}" / "submission.csv.gz"
    truth = score(compose("score", [f"submission={submission}", f"truth={ROOT}/test_truth"]))
    oof = results.loc[results["fold"].astype(str) == "all", "dice"].item()
    return {"trick": trick, "seed": seed, "oof_dice": oof, "test_dice": truth["dice"].mean()}


def _tree(name: str, ensemble_name: str) -> list[str]:
    return ["ensemble=linknet34", f"ensemble.name={ensemble_name}", f"ensemble.members=[{{experiment:{name}}}]"]


def _labels(seed: int) -> Path:
    """Let the plain runs of a seed label the half of the test photos that they are surest of."""
    made = pseudo(compose("pseudo", [*_tree(f"studies/{NAME}/plain_{seed}", f"plain_{seed}"), "quantile=0.5"]))
    return made.path


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each trick: mean and standard deviation of its scores and of what it gains over `plain`."""
    rows = []
    plain = runs[runs["trick"] == "plain"].set_index("seed")
    for trick, own in runs.groupby("trick", sort=False):
        row = {"trick": trick, "seeds": len(own)}
        for column in ("oof_dice", "test_dice"):
            gain = own.set_index("seed")[column] - plain[column]
            row |= {column: own[column].mean(), f"{column}_sd": own[column].std()}
            if trick != "plain":
                row |= {f"{column}_gain": gain.mean(), f"{column}_gain_sd": gain.std()}
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Run the study."""
    quiet_console()
    shape = ["cars=6", "test_cars=12", "height=256", "width=384", "planted=false"]
    studio(compose("studio", [f"root={ROOT}", *shape]))
    folds(compose("folds", [*DATA, f"folds.k={len(FOLDS)}"]))
    runs = pd.DataFrame([run(trick, seed) for seed in SEEDS for trick in EPOCHS])
    table = summarise(runs).assign(machine=f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores")
    write_text(RUNS, runs.to_csv(index=False, float_format="%.6g"))
    write_text(TABLE, table.to_csv(index=False, float_format="%.6g"))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
