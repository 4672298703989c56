"""Five months of five Grocery products each: what each way of learning them costs, and what it keeps.

Starts from the Grocery Store Dataset (train.txt, val.txt, classes.csv and their photos), with 56 products at first,
from random weights, and brings in five a month, products of one kind together, which is the hard case. Ways: `enroll`,
no training; `finetune` with replayed photos; `naive`, without; `full`, from the start. Each goes on from its own month
before. Writes docs/measured/product_growth.csv, a row a seed, way and month with images and seconds of its training,
accuracy on the frozen test photos of old and of new products, and what the gate says against the month before; and a
chart of the training's cost against the number of products.

    python tests/benchmarks/study_growth.py --root data/grocery
    python tests/benchmarks/study_growth.py --root data/grocery --seeds 1 --months 1 --full 2 --epochs 1   # a look

It goes on where it was stopped, in --work. Photos are made small once. About twenty minutes of one core.
"""

import argparse
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import pandas as pd
import timm
from measure import one_thread, publish
from torch import nn

from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, drawing
from maskfold.config import build, compose, resolved
from maskfold.corrections.growth import costs_of, frozen_test, said_by
from maskfold.data.class_table import FILE, ClassTable
from maskfold.files import atomic_path
from maskfold.recognition.gate import judge
from maskfold.runs.layout import MemberFolder
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.enroll import enroll
from maskfold.stages.folds import folds
from maskfold.stages.train import train

FIRST, EACH = "2026-01", 5  # month, products a month
LAST = 6
WAYS = ("enroll", "finetune", "naive", "full")
COLOURS = {"enroll": ORANGE, "finetune": BLUE, "naive": "#7a5195", "full": GREY}
TABLE = "measured.csv"  # in the work folder
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


@timm.models.register_model
def four_blocks(pretrained: bool = False, **_: Any) -> nn.Module:
    """Return a small network for small photos: four times convolution, normalisation and half the size."""
    layers: list[nn.Module] = []
    for before, width in ((3, 32), (32, 64), (64, 128), (128, 192)):
        layers += [
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network.num_features = 192
    return network


class Step(NamedTuple):
    """One run of the study: a seed, a way, and the last month whose products it knows."""

    seed: int
    way: str
    month: str

    @property
    def name(self) -> str:
        """Its member's."""
        return f"{self.way}{self.seed}_{self.month}"

    @property
    def run(self) -> RunFolder:
        """Its folder."""
        return MemberFolder(Path("experiments", self.name)).run(0)

    @property
    def before(self) -> "Step":
        """The run of the month before, which a way goes on from."""
        number = int(self.month[-2:]) - 1
        way = "full" if number == 1 else self.way
        return Step(self.seed, way, f"2026-{number:02d}")


def main() -> None:
    """Run every step that has no row yet, and write the table and the chart."""
    options = arguments()
    one_thread()
    root = options.root.resolve()
    options.work.mkdir(parents=True, exist_ok=True)
    with chdir(options.work):
        shrink(root, Path("grocery"), options.shrunk)
        rows = [row for step in steps(options) if (row := done(step, options)) is not None]
    table = pd.DataFrame(rows)
    settings = {"size": options.size, "full_epochs": options.full, "epochs": options.epochs, "replay": options.replay}
    publish("product_growth", table, chart(table), **settings)
    publish("product_growth_means", means(table), **settings)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--root", type=Path, default=Path("data/grocery"))
    parser.add_argument("--work", type=Path, default=Path("/tmp/maskfold_product_growth"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--months", type=int, default=LAST - 1)
    parser.add_argument("--full", type=int, default=12, help="epochs of a full training")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a fine-tune")
    parser.add_argument("--replay", type=int, default=30)
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--shrunk", type=int, default=48, help="the shorter side of the photos as they are kept")
    return parser.parse_args()


def steps(options: argparse.Namespace) -> Iterator[Step]:
    """Yield the runs, each behind the one that it begins with."""
    for seed in range(options.seeds):
        yield Step(seed, "full", FIRST)
        for way in WAYS:
            for number in range(2, 2 + options.months):
                yield Step(seed, way, f"2026-{number:02d}")


def shrink(root: Path, target: Path, side: int) -> None:
    """Write the data with small photos, once."""
    for name in ("train.txt", "val.txt"):
        for line in (root / name).read_text().splitlines():
            path = line.split(",")[0].strip()
            if (target / path).exists():
                continue
            photo = cv2.imread(str(root / path))
            scale = side / min(photo.shape[:2])
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target / path) as part:
                content = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                part.write_bytes(cv2.imencode(".png", content)[1].tobytes())
        shutil.copy(root / name, target)
    shutil.copy(root / "classes.csv", target)


def done(step: Step, options: argparse.Namespace) -> dict[str, Any] | None:
    """Return a step's row; made if there is none yet. The first month of a seed is where all begin."""
    known = pd.read_csv(TABLE) if Path(TABLE).exists() else pd.DataFrame(columns=["run"])
    if not (known["run"] == step.name).any():
        began = time.monotonic()
        make(step, options)
        row = {"run": step.name, "seed": step.seed, "way": step.way, "month": step.month} | measured(step)
        known = pd.concat([known, pd.DataFrame([row])])
        with atomic_path(Path(TABLE)) as part:
            known.to_csv(part, index=False)
        print(
            f"{step.name}: old {row['old']:.3f}, new {row['new']:.3f}, {row['images']:,} images, "
            f"{row['seconds']:.0f} s, gate {row['gate']} ({time.monotonic() - began:.0f} s in all)",
            flush=True,
        )
    return known[known["run"] == step.name].iloc[0].to_dict()


def make(step: Step, options: argparse.Namespace) -> None:
    """Train or enroll a step's run."""
    data = [
        "data=grocery",
        "data.root=grocery",
        "data.months=[5,5,5,5,5]",
        "data.test=0.25",
        f"data.until={step.month}",
    ]
    folds(compose("folds", [*data, "folds=by_label", "twins=0", "overwrite=true"]))
    if step.way == "enroll":
        where = [f"name={step.before.name}", f"month={step.month}", f"to={step.name}"]
        enroll(compose("enroll", [*where, "photos=null", "trainer.batch_size=64", "trainer.accelerator=cpu"]))
        return
    network = ["task=recognition", "framing=produce", "model=classifier", "model.architecture=four_blocks"]
    network += ["model.weights=null", "model.width=128", "model.head=cosine", "optimizer=adamw", "schedule=cosine"]
    network += [f"framing.size={options.size}", f"framing.resize={options.shrunk}", f"seed={step.seed}", "audit=false"]
    trainer = ["trainer.accelerator=cpu", "trainer.num_workers=0", "trainer.batch_size=64"]
    if step.way == "full":
        how = [f"trainer.max_epochs={options.full}", "+optimizer.lr=0.002"]
    else:
        replay = 0 if step.way == "naive" else options.replay
        how = [f"trainer.max_epochs={options.epochs}", "+optimizer.lr=0.001", f"replay={replay}"]
        how.append(f"start_from=experiments/{step.before.name}")
    train(compose("train", [f"name={step.name}", "fold=0", *data, *network, *trainer, *how]))


def measured(step: Step) -> dict[str, Any]:
    """Return what a run has cost and what it says of the frozen test, old and new products apart."""
    source = build(step.run.part("data"))
    classes = source.class_table()
    photos = frozen_test(source.load(), classes)
    first = step.month == FIRST
    known = {*classes.labels} if first else {*ClassTable.read(step.before.run.path / FILE).labels}
    framing = build(step.run.part("framing"))
    options = resolved(compose("grow", ["trainer.batch_size=64", "trainer.accelerator=cpu"]).trainer)
    table = photos[["image_id", "label"]].assign(new=~photos["label"].isin(known))
    for side, run in (("champion", step.run if first else step.before.run), ("challenger", step.run)):
        said = said_by(run, photos, classes, framing, folder=Path("judged"), **options)
        table[side] = said["said"]
    verdict = judge(table)
    right = (table["challenger"] == table["label"]).astype(float)
    return {
        "products": len(classes),
        "all": right.mean(),
        "old": right[~table["new"]].mean(),
        "new": right[table["new"]].mean(),
        "old_macro_fall": verdict.figures["macro_fall"],
        "gate": "passed" if verdict.passed else "refused",
        **costs_of(step.run),
    }


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each way costs and keeps, the mean over seeds and months; `last` is accuracy at the end of all."""
    later = table[table["month"] != FIRST]
    of_way = later.groupby("way", sort=False)
    costs = of_way[["images", "seconds", "old", "new"]].mean()
    costs["passed"] = of_way["gate"].apply(lambda verdicts: (verdicts == "passed").mean())
    last = later[later["month"] == later["month"].max()].groupby("way")["all"]
    costs["last"], costs["sd"] = last.mean(), last.std()
    return costs.round({"images": 0, "seconds": 0}).round(4).reset_index()


def chart(table: pd.DataFrame) -> Any:
    """Draw images and accuracy against the number of products, a line a way, the mean over seeds."""
    mean = table.groupby(["way", "products"], as_index=False)[["images", "all"]].mean()
    with drawing(height=3.4) as first:
        figure = first.figure
        figure.clear()
        figure.set_size_inches(7.2, 3.2)
        panels = figure.subplots(1, 2)
        for way, rows in mean.groupby("way"):
            style = {"marker": "o", "ms": 3.5, "lw": 1.8, "color": COLOURS[str(way)], "label": way}
            panels[0].plot(rows["products"], rows["images"], **style)
            panels[1].plot(rows["products"], rows["all"], **style)
        for panel, title in zip(panels, ("photos a month", "accuracy, all products"), strict=True):
            panel.set_title(title, fontsize=10)
            panel.set_xlabel("products")
            panel.set_ylim(bottom=0)
            panel.grid(color=PALE)
            panel.set_axisbelow(True)
        panels[1].legend(frameon=False, fontsize=9)
        return figure


if __name__ == "__main__":
    sys.exit(main())
