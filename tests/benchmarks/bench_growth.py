"""Measure how time and memory grow with the work, stage by stage: `python tests/benchmarks/bench_growth.py`.

    python tests/benchmarks/bench_growth.py --images 480 1920 7680 19968     # the second part alone, of so many

One, two, four and eight times as many small photos go through every stage, and as many members through the ensemble.
Each stage runs in a process of its own, forked from one that has loaded the libraries, so that what is measured is the
stage. The time should grow with the work or more slowly, and the memory not at all. The networks hardly learn: those
that had learned from more photos would make other maps.

Then up to 20,000 tiny photos go through every stage, by two workers where a stage has any, and the exponent of each is
fitted: time ~ start + images^e. One above `STEEPEST` ends the benchmark with an error, after its table is written.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from measure import Timed, exponent, growth_chart, in_own_process, publish

from maskfold import parallel
from maskfold.config import SUBMISSIONS, compose
from maskfold.stages.blend import blend
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.fuse import fuse
from maskfold.stages.predict import predict
from maskfold.stages.report import report
from maskfold.stages.studio import studio
from maskfold.stages.train import train

TIMES = (1, 2, 4, 8)
CARS, TEST_CARS = 4, 2  # of 16 photos each
SIZE = (96, 144)
PHOTOS = 16 * (CARS + TEST_CARS)
TINY = (32, 48)
MANY = tuple(PHOTOS * times for times in (5, 20, 80, 208))
WORKERS = 2
STEEPEST = 1.1
DATA = ["data=studio", "data.root=photos", "data.name=photos"]
CPU = ["trainer.accelerator=cpu", "trainer.num_workers=0"]
MEMBER = ["name=growth", "fold=0"]
EPOCH = [
    "model.widths=[8,16,32]",
    "geometry.height=64",
    "geometry.width=96",
    "schedule.phases=[{epochs:1,rate:1.0e-9}]",
]
ENSEMBLE = ["ensemble=linknet34", "ensemble.name=growth"]


def members(count: int) -> str:
    """Return a tree with the one member so many times."""
    return f"ensemble.members=[{','.join(['{experiment: growth}'] * count)}]"


def stages(times: int, *, size: tuple[int, int] = SIZE, jobs: int = 1) -> list[tuple[Callable[..., Any], list[str]]]:
    """Return every stage with its overrides, in the order in which they build on one another."""
    one = [*ENSEMBLE, members(1)]
    two = [*ENSEMBLE, "ensemble.members=[{experiment: growth}, {experiment: growth, store: plain}]"]
    cars = [f"cars={times * CARS}", f"test_cars={times * TEST_CARS}"]
    return [
        (studio, ["root=photos", *cars, f"height={size[0]}", f"width={size[1]}", f"jobs={jobs}"]),
        (folds, [*DATA, "folds.k=2"]),
        (train, ["experiment=demo_unet", *DATA, *MEMBER, *EPOCH, *CPU]),
        (second_fold, []),
        (predict, [*MEMBER, "split=oof", *CPU]),
        (predict, [*MEMBER, "split=test", *CPU]),
        (evaluate, ["name=growth", f"jobs={jobs}"]),
        (ensemble, [*one, f"jobs={jobs}"]),
        (ensemble, [*one, f"jobs={jobs}", "split=oof"]),
        (report, [*one, f"jobs={jobs}"]),
        (fuse, [*one, *CPU]),
        (blend, [*two, "k=2", f"jobs={jobs}"]),
        (doctor, [f"submission={SUBMISSIONS / 'growth' / 'submission.csv.gz'}"]),
    ]


def second_fold() -> None:
    """Train and predict the other fold, so that every photo has out-of-fold maps of two kinds."""
    train(compose("train", ["experiment=demo_unet", *DATA, "name=growth", "fold=1", *EPOCH, *CPU]))
    for split in ("oof", "test"):
        predict(compose("predict", ["name=growth", "fold=1", f"split={split}", *CPU]))
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
        for name, timed in through_all(stages(times)):
            rows.append(row("images", name, times, timed))
    return rows


def through_all(every: list[tuple[Callable[..., Any], list[str]]]) -> list[tuple[str, Timed]]:
    """Run every stage in an empty folder; return what each took under its name."""
    for part in Path().iterdir():
        shutil.rmtree(part)
    took = []
    for stage, overrides in every:
        timed = measured(stage, overrides)
        if stage is not second_fold:
            split = [one for one in overrides if one.startswith("split=")]
            took.append((" ".join([stage.__name__, *split]), timed))
    return took


def grow_tiny(images: Sequence[int]) -> pd.DataFrame:
    """Return a row a stage: the seconds it takes for each number of tiny images, and the exponent."""
    parallel.START_UP_S = 0  # the workers do it all, from the first image on
    through_all(stages(images[0] // PHOTOS, size=TINY, jobs=WORKERS))  # the very first run finds the libraries' files
    seconds: dict[str, list[float]] = {}
    for count in images:
        for name, timed in through_all(stages(count // PHOTOS, size=TINY, jobs=WORKERS)):
            seconds.setdefault(name, []).append(timed.seconds)
    rows = [
        {"stage": name, "exponent": exponent(images, took)}
        | {f"s_{count}": one for count, one in zip(images, took, strict=True)}
        for name, took in seconds.items()
    ]
    return pd.DataFrame(rows)


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Let images grow, then members, then tiny images far; say for each stage what the work costs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", help=f"tiny ones, multiples of {PHOTOS}; only this part")
    few = parser.parse_args(arguments).images
    if few is None:
        in_a_folder_of_its_own(measure_ratios)
    steep = in_a_folder_of_its_own(partial(measure_exponents, few or MANY))
    if steep:
        sys.exit(f"faster than images^{STEEPEST}: {', '.join(steep)}")


def in_a_folder_of_its_own(work: Callable[[Callable[[], None]], Any]) -> Any:
    """Call `work` in an empty folder with what leads back to this one."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            return work(partial(os.chdir, home))
        finally:
            os.chdir(home)


def measure_exponents(images: Sequence[int], back: Callable[[], None]) -> list[str]:
    """Publish the exponents; return the stages whose are above `STEEPEST`."""
    table = grow_tiny(images)
    back()
    publish("growth_exponents", table, size=f"{TINY[1]}x{TINY[0]}", workers=WORKERS)
    return [f"{row.stage} ({row.exponent:.2f})" for row in table.itertuples() if row.exponent > STEEPEST]


def measure_ratios(back: Callable[[], None]) -> None:
    """Publish what eight times the work costs each stage."""
    table = pd.DataFrame(grow_images() + grow_members())
    back()
    first = table[table["times"] == 1].set_index("stage")
    table["time_ratio"] = table["seconds"] / table["stage"].map(first["seconds"])
    table["memory_ratio"] = table["peak_mib"] / table["stage"].map(first["peak_mib"])
    settings = {"images_at_1": PHOTOS, "size": f"{SIZE[1]}x{SIZE[0]}"}
    chart = growth_chart(table, y="time_ratio", title="Time against work", label="times the seconds")
    publish("growth", table, chart, **settings)
    memory = table[["grows", "stage", "times", "peak_mib", "memory_ratio"]]
    chart = growth_chart(memory, y="memory_ratio", title="Memory against work", label="times the memory")
    publish("growth_memory", memory, chart, **settings)


if __name__ == "__main__":
    main()
