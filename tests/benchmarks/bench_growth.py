"""Measure how time and memory grow with the work, stage by stage: `python tests/benchmarks/bench_growth.py`.

One, two, four and eight times as many small photos go through every stage, and as many members through the ensemble.
Each stage runs in a process of its own, forked from one that has loaded the libraries, so that what is measured is the
stage. The time should grow with the work or more slowly, and the memory not at all.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from measure import Timed, growth_chart, in_own_process, publish

from maskfold.config import SUBMISSIONS, compose
from maskfold.stages.blend import blend
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.fuse import fuse
from maskfold.stages.predict import predict
from maskfold.stages.studio import studio
from maskfold.stages.train import train

TIMES = (1, 2, 4, 8)
CARS, TEST_CARS = 4, 2  # of 16 photos each
SIZE = (96, 144)
DATA = ["data=studio", "data.root=photos", "data.name=photos"]
CPU = ["trainer.accelerator=cpu", "trainer.num_workers=0"]
MEMBER = ["name=growth", "fold=0"]
EPOCH = [
    "model.widths=[8,16,32]",
    "geometry.height=64",
    "geometry.width=96",
    "schedule.phases=[{epochs:1,rate:2.0e-3}]",
]
ENSEMBLE = ["ensemble=linknet34", "ensemble.name=growth"]


def members(count: int) -> str:
    """Return a tree with the one member so many times."""
    return f"ensemble.members=[{','.join(['{experiment: growth}'] * count)}]"


def stages(times: int) -> list[tuple[Callable[..., Any], list[str]]]:
    """Return every stage with its overrides, in the order in which they build on one another."""
    one = [*ENSEMBLE, members(1)]
    two = [*ENSEMBLE, "ensemble.members=[{experiment: growth}, {experiment: growth, store: plain}]"]
    cars = [f"cars={times * CARS}", f"test_cars={times * TEST_CARS}"]
    return [
        (studio, ["root=photos", *cars, f"height={SIZE[0]}", f"width={SIZE[1]}", "jobs=1"]),
        (folds, [*DATA, "folds.k=2"]),
        (train, ["experiment=demo_unet", *DATA, *MEMBER, *EPOCH, *CPU]),
        (second_fold, []),
        (predict, [*MEMBER, "split=oof", *CPU]),
        (predict, [*MEMBER, "split=test", *CPU]),
        (evaluate, ["name=growth", "jobs=1"]),
        (ensemble, [*one, "jobs=1"]),
        (fuse, [*one, *CPU]),
        (blend, [*two, "k=2", "jobs=1"]),
        (doctor, [f"submission={SUBMISSIONS / 'growth' / 'submission.csv.gz'}"]),
    ]


def second_fold() -> None:
    """Let the first fold's network stand in for the second's, so that every photo has out-of-fold maps of two kinds."""
    shutil.copytree("experiments/growth/fold0", "experiments/growth/fold1")
    predict(compose("predict", ["name=growth", "fold=1", "split=oof", *CPU]))
    for fold in (0, 1):
        predict(compose("predict", ["name=growth", f"fold={fold}", "split=oof", "store=plain", "tta=none", *CPU]))


def measured(stage: Callable[..., Any], overrides: list[str]) -> Timed:
    """Run a stage in a process of its own."""
    return in_own_process(partial(_run, stage, overrides))


def _run(stage: Callable[..., Any], overrides: list[str]) -> None:
    """Run a stage; what it returns stays in its process."""
    stage() if stage is second_fold else stage(compose(stage.__name__, overrides))


def grow_images() -> list[dict[str, Any]]:
    """Return a row for each stage and number of images."""
    rows = []
    for times in TIMES:
        for part in Path().iterdir():
            shutil.rmtree(part)
        for stage, overrides in stages(times):
            name = f"{stage.__name__} {overrides[2]}" if stage is predict else stage.__name__
            found = measured(stage, overrides)
            if stage is not second_fold:
                rows.append(row("images", name, times, found))
    return rows


def grow_members() -> list[dict[str, Any]]:
    """Return a row for each number of members of an ensemble of the images that are there."""
    rows = []
    for times in TIMES:
        found = measured(ensemble, [*ENSEMBLE, members(4 * times), "jobs=1", "ensemble.name=many"])
        rows.append(row("members", "ensemble, members", times, found))
    return rows


def row(grows: str, name: str, times: int, found: Timed) -> dict[str, Any]:
    """Return a row of the table."""
    about = {"grows": grows, "stage": name, "times": times}
    return about | {"seconds": found.seconds, "peak_mib": found.peak / 2**20}


def main() -> None:
    """Let images grow, then members; say for each stage what eight times the work costs."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            table = pd.DataFrame(grow_images() + grow_members())
        finally:
            os.chdir(home)
    first = table[table["times"] == 1].set_index("stage")
    table["time_ratio"] = table["seconds"] / table["stage"].map(first["seconds"])
    table["memory_ratio"] = table["peak_mib"] / table["stage"].map(first["peak_mib"])
    settings = {"images_at_1": 16 * (CARS + TEST_CARS), "size": f"{SIZE[1]}x{SIZE[0]}"}
    chart = growth_chart(table, y="time_ratio", title="Time against work", label="times the seconds")
    publish("growth", table, chart, **settings)
    memory = table[["grows", "stage", "times", "peak_mib", "memory_ratio"]]
    chart = growth_chart(memory, y="memory_ratio", title="Memory against work", label="times the memory")
    publish("growth_memory", memory, chart, **settings)


if __name__ == "__main__":
    main()
