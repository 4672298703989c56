"""What is left of twice the speed when two ranks train together: each on one core of its own, with one thread.

    .venv/bin/python tests/benchmarks/study_ranks.py [--repeats 5] [--steps 12] [--networks resnet18 resnet152]

Every repeat times, one after another on an otherwise idle machine,

    one         a rank alone on one core
    apart       two such trainings at once, one a core, that know nothing of one another: what the machine itself takes
    two         two ranks of one training through gloo
    two, bf16   the same with compressed gradients

so that each is compared with the `one` of its own repeat. Efficiency is images a second over twice those of `one`. The
network sees generated photos in memory through the engine as `make train` has it: real steps, real checkpoints.
Writes docs/measured/ranks.csv, a row a network and way, and ranks.svg.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

NETWORKS = {
    "resnet18": {"architecture": "resnet18", "classes": 500, "freeze": []},
    "resnet152": {
        "architecture": "resnet152",
        "classes": 13_333,
        "freeze": ["encoder.conv1", "encoder.bn1", "encoder.layer1", "encoder.layer2", "encoder.layer3"],
    },
}
WAYS = {"one": (1, None), "apart": (1, None), "two": (2, None), "two, bf16": (2, "bf16")}  # ranks, compression
GOAL = 0.9
KEPT = 64  # photos in memory, which come again


def train(folder: Path, task: dict) -> None:
    """Train a rank, and have the first one's log in a folder."""
    import torch
    from torch import nn
    from torch.utils.data import Dataset
    from torchmetrics import MeanMetric, MetricCollection

    from maskfold.engine.engine import Engine
    from maskfold.engine.loaders import EpochLoader
    from maskfold.engine.objective import Objective
    from maskfold.engine.schedules import Schedule
    from maskfold.engine.task import Task
    from maskfold.models.classifier import Classifier
    from maskfold.models.network import Network
    from maskfold.runs.monitor import Monitor
    from maskfold.runs.run_folder import RunFolder

    class Photos(Dataset):
        def __init__(self, length: int) -> None:
            random = torch.Generator().manual_seed(0)
            shape = (KEPT, 3, task["size"], task["size"])
            self.photos = torch.randint(0, 256, shape, generator=random, dtype=torch.uint8)
            self.length = length

        def __len__(self) -> int:
            return self.length

        def __getitem__(self, key: tuple[int, ...]) -> dict[str, torch.Tensor]:
            return {"image": self.photos[key[1] % KEPT], "label": torch.tensor(key[1] % task["classes"])}

    class Classes(Objective):
        monitor = Monitor(name="val/loss", mode="min", label="validation loss")

        def __init__(self) -> None:
            super().__init__()
            self.metric = MetricCollection({"entropy": MeanMetric()})

        def losses(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            return nn.functional.cross_entropy(output, batch["label"], reduction="none")

        def measure(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> None:
            self.metric.update(self.losses(output, batch))

    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Network(Classifier(architecture=task["architecture"], classes=task["classes"]))
    sgd = partial(torch.optim.SGD, lr=1e-3, momentum=0.9)
    module = Task(network, optimizer=sgd, objective=Classes(), freeze=task["freeze"], channels_last=True)
    load = partial(EpochLoader, batch_size=task["batch"], num_workers=0)
    images = task["batch"] * task["steps"] * int(os.environ.get("WORLD_SIZE", "1"))
    Engine(accelerator="cpu", precision="32-true", compress_gradients=task["compress"]).fit(
        module,
        load(Photos(images), shuffle=True),
        load(Photos(2)),
        folder=RunFolder(folder),
        schedule=Schedule(phases=[{"epochs": task["epochs"], "rate": 1e-3}]),
        seed=0,
    )


def rank(number: int, ranks: int, core: int, port: int, folder: Path, task: dict) -> subprocess.Popen:
    """Start a rank, as torchrun does, on one core with one thread."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if ranks > 1:
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
        own = {"RANK": number, "LOCAL_RANK": number, "GROUP_RANK": 0, "TORCHELASTIC_RUN_ID": "study"}
        environment |= {name: str(value) for name, value in (shared | own).items()}
    command = [sys.executable, __file__, "--train", str(folder), json.dumps(task)]
    pinned = partial(os.sched_setaffinity, 0, {core})
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, preexec_fn=pinned)


def speed(way: str, task: dict, cores: Sequence[int]) -> float:
    """Return the images a second of a way, all its processes together, in the median epoch behind the first.

    Args:
        way: One of `WAYS`.
        task: What is trained.
        cores: Two of them; what needs one takes the first.
    """
    ranks, compress = WAYS[way]
    task = task | {"compress": compress}
    with tempfile.TemporaryDirectory() as place, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        runs = [Path(place, str(number)) for number in range(2 if way == "apart" else 1)]
        started = [
            rank(number, ranks, core, port, run, task)
            for run, taken in zip(runs, [cores[:1], cores[1:]] if way == "apart" else [cores[:ranks]], strict=True)
            for number, core in enumerate(taken)
        ]
        statuses = [process.wait() for process in started]
        if any(statuses):
            raise SystemExit(f"{way}: a rank has ended with {statuses}")
        return sum(pd.read_csv(run / "metrics.csv")["images_per_second"][1:].median() for run in runs)


def summary(timed: pd.DataFrame) -> pd.DataFrame:
    """Return a row a network and way from a row a network, repeat and way with `images_per_second`."""
    alone = timed[timed["way"] == "one"].set_index(["network", "repeat"])["images_per_second"]
    twice = 2 * alone.loc[pd.MultiIndex.from_frame(timed[["network", "repeat"]])].to_numpy()
    efficiency = (timed["images_per_second"] / twice).where(timed["way"] != "one")
    groups = timed.assign(efficiency=efficiency).groupby(["network", "way"], sort=False)
    return groups.agg(
        images_per_second=("images_per_second", "median"),
        efficiency=("efficiency", "median"),
        efficiency_low=("efficiency", "min"),
        efficiency_high=("efficiency", "max"),
        repeats=("repeat", "size"),
    ).reset_index()


def chart(table: pd.DataFrame) -> Figure:
    """Draw the efficiency of each network and way, with the extremes of the repeats."""
    from maskfold.analysis.charts import BLUE, GREY, ORANGE, drawing

    rows = table[table["way"] != "one"].reset_index(drop=True)
    with drawing(height=1.4 + 0.36 * len(rows)) as axes:
        for place, row in rows.iterrows():
            colour = GREY if row["way"] == "apart" else BLUE
            axes.plot([row["efficiency_low"], row["efficiency_high"]], [place, place], color=colour, lw=2.5)
            axes.plot(row["efficiency"], place, "o", color=colour, ms=7)
            axes.annotate(
                f"{row['efficiency']:.2f}",
                (row["efficiency_high"], place),
                (7, 0),
                textcoords="offset points",
                va="center",
            )
        for at, label in ((1, "twice one rank"), (GOAL, "goal")):
            axes.axvline(at, color=ORANGE if at == GOAL else GREY, lw=1, ls=":")
            axes.annotate(
                label, (at, 1), (2, 2), xycoords=("data", "axes fraction"), textcoords="offset points", size=8
            )
        axes.set_yticks(range(len(rows)), [f"{row['network']}: {row['way']}" for _, row in rows.iterrows()])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(min(0.5, rows["efficiency_low"].min() - 0.05), max(1.15, rows["efficiency_high"].max() + 0.1))
        axes.set_xlabel("images a second of both, over twice those of one")
        axes.set_title("Two ranks, each on one core, through gloo", pad=18)
        return axes.figure


def main() -> None:
    """Time all networks in all ways, and write the table and the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="the first is not timed")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=64, help="pixels")
    parser.add_argument("--networks", nargs="+", default=[*NETWORKS], choices=[*NETWORKS])
    parser.add_argument("--cores", nargs=2, type=int, default=[0, 1])
    options = parser.parse_args()
    from measure import publish

    shape = {"batch": options.batch, "steps": options.steps, "size": options.size, "epochs": options.epochs}
    timed = []
    for repeat in range(options.repeats):
        cores = options.cores[:: 1 if repeat % 2 == 0 else -1]  # `one` is on either core in turn
        for name in options.networks:
            for way in WAYS:
                images = speed(way, NETWORKS[name] | shape, cores)
                timed.append({"network": name, "repeat": repeat, "way": way, "images_per_second": images})
                print(f"repeat {repeat}: {name}, {way}: {images:.2f} images/s", flush=True)
    table = summary(pd.DataFrame(timed))
    publish("ranks", table, chart(table), **shape, through="gloo, a core and a thread a rank")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        main()
