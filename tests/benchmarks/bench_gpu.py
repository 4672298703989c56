"""Measure on a GPU what users get: `python tests/benchmarks/bench_gpu.py`.

In this order, each by itself with `--only`, as far as `--minutes` go:

1. `bare`: each network of the recipe book at its own size, in prediction and training, photos in memory;
2. `predict`: the same networks over generated photos, with decoding, restoring and writing of maps;
3. `train`: an epoch with loading, samples changed on the host and on the device;
4. `fuse`: all 49 networks of the winners over the photos in one pass, and what that is for 100,064 photos, with its
   95 % interval; and what training all 49 takes, from item 3.

Ours (precision=auto, channels_last, compiled but for `fuse`) against plain float32 eager in the same run. Each row is
in `docs/measured/gpu.csv` as soon as it is measured. `--device cpu --size 64x96 --photos 4 --members linknet34` goes
through all of it small and slowly, into `gpu_dry_run.csv`.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import measure
import pandas as pd
import torch
from gpu_bare import PHOTO, Bench, device_rates, measure_member
from gpu_users import branches_of, draw_photos, driver, experiment, prediction, repeated, training
from measure import BASELINE, one_thread, publish, ratio_chart

from maskfold.config import build, compose, resolved
from maskfold.ensembling.tree import leaf_nodes
from maskfold.files import write_text

MEMBERS = ("linknet34", "linknet34_concat", "ternausnet11", "unet_scratch", "unet_vgg11")
ITEMS = ("bare", "predict", "train", "fuse")
TEST, TRAINING = 100_064, 5_088  # the challenge's photos
FOLDS = {"unet_scratch": 7, "unet_vgg11": 7}  # of the winners; 5 of the others
DRAWN = 64  # photos that are generated; more are the same again
OURS = "maskfold"


class Rows:
    """What was measured, in a file from the first row on.

    Args:
        name: Of the table.
        settings: What stands in every row.
    """

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self.name, self.settings, self.rows = name, settings, []

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row, and write the table."""
        self.rows.append(row)
        rate = "" if "images_per_second" not in row else f": {row['images_per_second']:.4g} images/s"
        print(f"{row['case']}, {row['way']}{rate}", flush=True)
        text = self.table.assign(**self.settings, machine=measure.machine()).to_csv(index=False, float_format="%.4g")
        write_text(measure.OUT / f"{self.name}.csv", text)

    @property
    def table(self) -> pd.DataFrame:
        """All rows, with how many times as fast each is as the baseline of its case."""
        rates = {(row["case"], row["way"]): row["images_per_second"] for row in self.rows}
        return pd.DataFrame([_compared(row, rates) for row in self.rows])

    def publish(self) -> None:
        """Write and print the whole table, and a chart of it."""
        table = self.table
        whole = table[table["ratio"].notna()] if "ratio" in table else table
        publish(self.name, table, ratio_chart(whole, title="Ours against float32 eager"), **self.settings)


def _compared(row: dict[str, Any], rates: Mapping[tuple[str, str], float]) -> dict[str, Any]:
    """Return a row with its ratio, and of a training with loading for how long the device has waited."""
    rate, plain = row["images_per_second"], rates.get((row["case"], BASELINE))
    if "ratio" not in row and plain is not None:
        low, high = (row.get(name, rate) / plain for name in ("low", "high"))
        row = row | {"ratio": rate / plain, "ratio_low": low, "ratio_high": high}
    alone = rates.get((f"{row['member']}, bare training", BASELINE if row["way"] == BASELINE else OURS))
    if row["task"] == "train" and alone is not None:
        row = row | {"device_waits": max(1 - rate / alone, 0)}
    return row


class Measurement:
    """The items of the list, each a sequence of rows.

    Args:
        chosen: The command line.
        photos: A folder for generated photos and for what is written.
    """

    def __init__(self, chosen: argparse.Namespace, photos: Path) -> None:
        self.chosen, self.folder = chosen, photos
        self.device = torch.device(chosen.device)
        self.size = None if chosen.size is None else tuple(map(int, chosen.size.split("x")))
        self.compile = False if chosen.compile == "none" else chosen.compile
        self.accelerator = "gpu" if chosen.device == "cuda" else "cpu"
        self._drawn: pd.DataFrame | None = None

    def photos(self, count: int) -> pd.DataFrame:
        """Return rows of so many photos, generated when they are first asked for."""
        if self._drawn is None:
            drawn = min(DRAWN, max(self.chosen.photos, self.chosen.fuse_photos))
            self._drawn = draw_photos(self.folder / "studio", drawn=drawn, size=self.size or PHOTO)
        return repeated(self._drawn, count)

    def bare(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of item 1."""
        rates = device_rates(self.device, 8192 if self.device.type == "cuda" else 256)
        for member in self.chosen.members:
            bench = Bench(member, self.device, self.size, self.chosen.seconds, self.compile or None)
            for row in measure_member(bench, member, rates):
                yield row | {"matmul_tflops": rates[0] / 1e12, "copy_gbs": rates[1] / 1e9}

    def predict(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of item 2."""
        for member in self.chosen.members:
            config = experiment(member, self.size)
            for way in (BASELINE, OURS):
                taken = self._predicted([config], self.chosen.photos, way, compiled=self.compile)
                yield _named(member, "predict", way) | taken | {"batch": config.trainer.batch_size}

    def train(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of item 3."""
        options = {"accelerator": self.accelerator, "num_workers": self.chosen.workers, "compile": self.compile}
        rows = self.photos(self.chosen.photos)
        for member in self.chosen.members:
            config = experiment(member, self.size)
            for way, place, fast in (
                (BASELINE, "cpu", False),
                ("augmented on the host", "cpu", True),
                ("augmented on the device", "device", True),
            ):
                taken = training(config, rows, self.folder / "run", device=place, fast=fast, options=options)
                yield _named(member, "train", way) | taken | {"batch": config.trainer.batch_size}
                self._let_go()

    def fuse(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of item 4."""
        names = [name for name in winners() if name in self.chosen.members][: self.chosen.networks]
        configs = [experiment(name, self.size) for name in names]
        for way in (OURS, BASELINE):
            # Plain float32 takes several times as long: fewer photos say it as well.
            count = self.chosen.fuse_photos if way == OURS else max(self.chosen.fuse_photos // 5, 2)
            taken = self._predicted(configs, count, way, compiled=False)
            hours = {
                f"hours_test{end}": TEST / taken[rate] / 3600
                for end, rate in (("", "images_per_second"), ("_low", "high"), ("_high", "low"))
            }
            yield _named(f"{len(names)} networks", "fuse", way) | taken | hours

    def _predicted(self, configs: list, count: int, way: str, *, compiled: bool | str) -> dict[str, Any]:
        fast = way == OURS
        taken = prediction(
            branches_of(configs),
            self.photos(count),
            self.folder / "maps",
            batch_size=self.chosen.batch or configs[0].trainer.batch_size,
            num_workers=self.chosen.workers,
            precision="auto" if fast else "32-true",
            accelerator=self.accelerator,
            devices=1,
            channels_last=fast,
            compile=compiled if fast else False,
        )
        self._let_go()
        return taken

    def _let_go(self) -> None:
        """Give back what one case has had of the device's memory and compiled for it."""
        torch.compiler.reset()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _named(member: str, task: str, way: str) -> dict[str, Any]:
    return {"case": f"{member}, {task}", "member": member, "task": task, "way": way}


def winners() -> list[str]:
    """Return the network of the recipe book behind each of the winners' 49, one after another."""
    nodes = leaf_nodes(resolved(compose("ensemble", ["ensemble=carvana"]).ensemble)["members"])
    names = [node["experiment"] for node in nodes]
    return [book(name) for name in names for _ in range(FOLDS.get(name, 5))]


def book(name: str) -> str:
    """Return the network that an experiment of the winners' trains."""
    return "linknet34" if name.startswith("linknet34") else name


def training_hours(table: pd.DataFrame, way: str) -> float | None:
    """Return the hours in which all 49 train their schedules on the challenge's photos; None if not all are known."""
    rows = table[(table["task"] == "train") & (table["way"] == way)].set_index("member")["images_per_second"]
    if not {*winners()} <= {*rows.index}:
        return None
    seconds = 0.0
    for name, count in Counter(winners()).items():
        epochs = len(build(compose("train", [f"experiment={name}"]).schedule))
        seconds += count * epochs * TRAINING * (1 - 1 / FOLDS.get(name, 5)) / rows[name]
    return seconds / 3600


def options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--only", default=",".join(ITEMS), help="items of the list, such as train,fuse")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no further row is begun")
    parser.add_argument("--size", help="height x width of photos and of every network's input, such as 64x96")
    parser.add_argument("--members", nargs="+", default=MEMBERS, choices=MEMBERS)
    parser.add_argument("--photos", type=int, default=200, help="of items 2 and 3, each")
    parser.add_argument("--fuse-photos", type=int, help="of item 4; as many as --photos, at least 500 on a GPU")
    parser.add_argument("--networks", type=int, help="of item 4, the first so many of the 49")
    parser.add_argument("--batch", type=int, help="of predictions; the experiment's own")
    parser.add_argument("--workers", type=int, help="loading processes; as the stages choose")
    parser.add_argument("--seconds", type=float, default=2, help="of each stretch of item 1")
    parser.add_argument("--compile", default="default", help="mode of torch.compile, or none")
    chosen = parser.parse_args(arguments)
    chosen.only = chosen.only.split(",")
    if unknown := {*chosen.only} - {*ITEMS}:
        parser.error(f"--only: no item {', '.join(sorted(unknown))}; there are {', '.join(ITEMS)}")
    if chosen.fuse_photos is None:
        chosen.fuse_photos = max(chosen.photos, 500 if chosen.device == "cuda" else 0)
    return chosen


def about(device: torch.device) -> dict[str, Any]:
    """Return the device, its driver and torch's version, for every row."""
    said = {"torch": torch.__version__, "device": "cpu", "driver": None}
    if device.type == "cuda":
        said |= {"device": torch.cuda.get_device_name(), "driver": driver()}
    return said


def main(arguments: list[str]) -> None:
    """Measure item by item, and print what it means for the whole challenge."""
    chosen = options(arguments)
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("No GPU here: nothing was measured, and docs/measured/gpu.csv is not written.\n")
        return
    end = monotonic() + 60 * chosen.minutes
    device = torch.device(chosen.device)
    if device.type == "cpu":
        one_thread()
    rows = Rows("gpu" if device.type == "cuda" else "gpu_dry_run", about(device) | {"compile": chosen.compile})
    with tempfile.TemporaryDirectory() as folder:
        measurement = Measurement(chosen, Path(folder))
        for item in chosen.only:
            measure_item(getattr(measurement, item), rows, end)
    if rows.rows:
        rows.publish()
    if any(row["task"] == "train" for row in rows.rows):
        for way in dict.fromkeys(rows.table["way"]):
            if hours := training_hours(rows.table, way):
                print(f"training 49 networks, {way}: {hours:.3g} h")


def measure_item(item: Callable[[], Iterator[dict[str, Any]]], rows: Rows, end: float) -> None:
    """Add an item's rows until the time is over."""
    if monotonic() >= end:
        print(f"{item.__name__}: no time is left for it.")
        return
    for row in item():
        rows.add(row)
        if monotonic() >= end:
            print(f"{item.__name__}: the time is over.")
            return


if __name__ == "__main__":
    main(sys.argv[1:])
