"""What an ensemble of the winners' four networks gains over each of them, on real photos at a CPU's size.

Every member trains from random weights with one budget: the same folds, size, epochs, batch and rates; its network,
loss, augmentation and test-time augmentation are its own. Writes docs/measured/members.csv: the pooled out-of-fold Dice
of each, of their plain mean, and of the blend whose weights were fitted on other groups.

    python tests/benchmarks/study_members.py human=../shared/data/human ccp=../shared/data/ccp

Killed and started again, it goes on from what is finished; its runs lie in experiments/studies/.
"""

import os
import platform
import sys
from pathlib import Path

import pandas as pd

from maskfold.config import compose
from maskfold.entry import quiet_console
from maskfold.files import write_text
from maskfold.stages.blend import blend
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.train import train

TABLE = Path("docs/measured/members.csv")
FOLDS = 2
SIZE = 96  # pixels, height and width of the network's input
EPOCHS = "[{epochs:9,rate:5.0e-4},{epochs:3,rate:1.0e-4}]"
BUDGET = [
    "geometry=resize",
    f"geometry.height={SIZE}",
    f"geometry.width={SIZE}",
    "optimizer=adam",
    "schedule=linknet34",
    f"schedule.phases={EPOCHS}",
    "trainer.batch_size=4",
    "trainer.accumulate=1",
    "trainer.gradient_clip=1.0",
]
MEMBERS = {
    "linknet34": ["model.weights=null"],
    "unet_scratch": ["model.widths=[16,32,64,128,256,512,512]"],  # half as wide: the whole one is for full-size photos
    "ternausnet11": ["model.weights=null"],
    "unet_vgg11": ["model.weights=null"],
}


def study(data: str, root: str) -> pd.DataFrame:
    """Train and score the members on one data set, then their mean and their blend."""
    source = ["data=pairs", f"data.root={root}", f"data.name={data}", "data.resize_masks=true", "data.on_error=skip"]
    folds(compose("folds", [*source, f"folds.k={FOLDS}"]))
    rows = []
    for member, own in MEMBERS.items():
        name = f"studies/{data}/{member}"
        for fold in range(FOLDS):
            train(compose("train", [f"experiment={member}", *source, *BUDGET, *own, f"name={name}", f"fold={fold}"]))
            predict(compose("predict", [f"name={name}", f"fold={fold}", "split=oof", "trainer.batch_size=16"]))
        results = evaluate(compose("evaluate", [f"name={name}"]))
        print(results)
        whole = results[results["fold"].astype(str) == "all"].iloc[0]
        seconds = results["seconds"].sum()
        rows.append({"member": member, "dice": whole["dice"], "iou": whole["iou"], "seconds": seconds})
    nodes = ",".join(f"{{experiment:studies/{data}/{member}}}" for member in MEMBERS)
    tree = ["ensemble=linknet34", f"ensemble.name=studies_{data}", f"ensemble.members=[{nodes}]"]
    mean = ensemble(compose("ensemble", [*tree, "split=oof"]))
    rows.append({"member": "mean", "dice": mean["dice"].mean(), "iou": mean["iou"].mean()})
    fitted = blend(compose("blend", tree))
    gain = {"gain": fitted.gain[-1], "low": fitted.low[-1], "high": fitted.high[-1], "accepted": fitted.accepted}
    rows.append({"member": "fitted blend", "dice": fitted.fitted_dice} | gain)
    return pd.DataFrame(rows).assign(data=data, images=len(mean))


def main() -> None:
    """Run the study on each `name=folder` of the command line."""
    quiet_console()
    named = [argument.split("=", 1) for argument in sys.argv[1:]]
    if not named:
        sys.exit(__doc__)
    table = pd.concat([study(data, root) for data, root in named])
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores"
    table = table.assign(size=SIZE, folds=FOLDS, epochs=12, machine=machine)
    columns = ["data", "images", "member", "dice", "iou", "seconds", "gain", "low", "high", "accepted"]
    write_text(TABLE, table[[*columns, "size", "folds", "epochs", "machine"]].to_csv(index=False, float_format="%.6g"))
    print(table[columns].to_string(index=False))


if __name__ == "__main__":
    main()
