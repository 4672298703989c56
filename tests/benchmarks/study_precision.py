"""What bf16 does to scores on a CPU: the same runs in float32 and in bf16, on real people and on generated cars.

LinkNet34 from random weights, two folds, three seeds. Scored out of fold; the differences are those of the same photos,
seeds and folds. Writes docs/measured/precision_runs.csv (a row a run) and precision.csv (of each data set the scores,
the mean difference, and its 95 % interval: Student's over the seeds' differences, the wider of the two with that
over photos, whose three seeds are averaged first).

    python tests/benchmarks/study_precision.py ../shared/data/human

Killed and started again, it goes on from what is finished; its runs lie in experiments/studies/.
"""

import os
import platform
import sys

import numpy as np
import pandas as pd
from measure import OUT
from scipy import stats

from maskfold.config import EXPERIMENTS, compose
from maskfold.entry import quiet_console
from maskfold.files import write_text
from maskfold.runs.layout import MemberFolder
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.studio import studio
from maskfold.stages.train import train

RUNS, TABLE = OUT / "precision_runs.csv", OUT / "precision.csv"
STUDIO = "data/precision"
SEEDS = (0, 1, 2)
FOLDS = 2
SIZE = (96, 128)  # pixels, height and width of the network's input
WAYS = ("32-true", "bf16-mixed")
EPOCHS = {"human": (9, 3), "studio": (4, 2)}  # at the higher and at the lower rate
BUDGET = [
    "geometry=resize",
    f"geometry.height={SIZE[0]}",
    f"geometry.width={SIZE[1]}",
    "augment=flip",
    "model.weights=null",
    "trainer.batch_size=4",
    "trainer.accelerator=cpu",
]


def run(data: str, source: list[str], seed: int, way: str) -> pd.DataFrame:
    """Train, predict and score both folds; return a row a photo."""
    name = f"studies/precision/{data}_{way}_{seed}"
    high, low = EPOCHS[data]
    phases = f"schedule.phases=[{{epochs:{high},rate:5.0e-4}},{{epochs:{low},rate:1.0e-4}}]"
    for fold in range(FOLDS):
        own = [f"name={name}", f"fold={fold}", f"seed={seed}", phases, f"trainer.precision={way}"]
        train(compose("train", ["experiment=linknet34", *source, *BUDGET, *own]))
        how = [f"trainer.precision={way}", "trainer.accelerator=cpu", "trainer.batch_size=16"]
        predict(compose("predict", [f"name={name}", f"fold={fold}", "split=oof", *how]))
    evaluate(compose("evaluate", [f"name={name}"]))
    scores = pd.read_parquet(MemberFolder(EXPERIMENTS / name).scores, columns=["image_id", "dice"])
    return scores.assign(data=data, way=way, seed=seed)


def summarise(photos: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each data set: both scores, their difference, and its interval."""
    rows = []
    for data, own in photos.groupby("data", sort=False):
        wide = own.pivot_table(index=["image_id", "seed"], columns="way", values="dice")
        gain = wide[WAYS[1]] - wide[WAYS[0]]
        halves = [half_width(gain.groupby(level).mean().to_numpy()) for level in ("seed", "image_id")]
        row = {"data": data, "photos": own["image_id"].nunique(), "seeds": own["seed"].nunique()}
        row |= {"float32": wide[WAYS[0]].mean(), "bf16": wide[WAYS[1]].mean(), "difference": gain.mean()}
        rows.append(row | {"low": gain.mean() - max(halves), "high": gain.mean() + max(halves)})
    return pd.DataFrame(rows)


def half_width(values: np.ndarray) -> float:
    """Return half the width of Student's 95 % interval of a mean."""
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def main(human: str) -> None:
    """Run the study."""
    quiet_console()
    studio(compose("studio", [f"root={STUDIO}", "cars=12", "test_cars=1", "height=256", "width=384"]))
    named = [f"data.root={human}", "data.name=human", "data.resize_masks=true", "data.on_error=skip"]
    sources = {
        "human": ["data=pairs", *named],
        "studio": ["data=studio", f"data.root={STUDIO}", "data.name=precision"],
    }
    done = []
    for source in sources.values():
        folds(compose("folds", [*source, f"folds.k={FOLDS}"]))
    for seed in SEEDS:
        for data, source in sources.items():
            done += [run(data, source, seed, way) for way in WAYS]
            photos = pd.concat(done)
            means = photos.groupby(["data", "seed", "way"], sort=False)["dice"].mean().reset_index()
            write_text(RUNS, means.to_csv(index=False, float_format="%.6g"))
            print(means.to_string(index=False))
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    table = summarise(photos).assign(size=f"{SIZE[1]}x{SIZE[0]}", folds=FOLDS, machine=machine)
    write_text(TABLE, table.to_csv(index=False, float_format="%.6g"))
    print(table.to_string(index=False))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
