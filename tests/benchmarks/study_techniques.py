"""What each technique gains over a small UNet, on photos of people, of street fashion and on generated cars.

    python tests/benchmarks/study_techniques.py human=/photos/human ccp=/photos/ccp demo=data/demo

It is `make techniques` on each of these, three seeds, all techniques of `conf/techniques.yaml`, on the first of two
folds. The photos are small, and so is the network, which is trained for twelve epochs: the order of the techniques is
that of such a budget. Writes docs/measured/techniques.csv, a row a technique and data set, techniques_smaller.csv with
the ensembles from all members down to one, and for each data set a chart and a sheet of what the network is shown.

Killed and started again, it goes on from what is finished; its runs lie in experiments/techniques/.
"""

import shutil
import sys

import pandas as pd
from measure import OUT, publish

from maskfold.config import build, compose
from maskfold.data.folds import split_path
from maskfold.entry import quiet_console
from maskfold.processor import cpu_has_bf16
from maskfold.stages.folds import folds
from maskfold.stages.techniques import techniques
from maskfold.techniques.layout import TechniquesFolder

SIZES = {"human": (96, 128), "ccp": (128, 96), "demo": (64, 96)}  # height, width
GENERATED = "demo"
FOLD = 0  # of two
SECONDS = ["training_seconds", "seconds_a_photo", "gpu_hours", "device", "seconds_per_0.0001"]


def data_of(name: str, root: str) -> list[str]:
    """Return what says which photos, and split them if they are not."""
    keys = [f"data.root={root}", f"data.name={name}"]
    if name == GENERATED:
        keys = ["data=studio", *keys]
        split = ["folds=group_stratified", "folds.k=2", "folds.seed=3"]
    else:
        keys = ["data=pairs", *keys, "data.resize_masks=true", "data.on_error=skip"]
        split = ["folds.k=2"]
    if not split_path(build(compose("folds", keys).data)).exists():
        folds(compose("folds", [*keys, *split]))
    return keys


def measure(name: str, root: str, more: list[str]) -> pd.DataFrame:
    """Return the table of a data set."""
    keys, (height, width) = data_of(name, root), SIZES[name]
    train = f"averaging=none keep_best=5 geometry.height={height} geometry.width={width}"
    train += " trainer.precision=bf16-mixed" if cpu_has_bf16() else ""
    asked = [*keys, "base=demo_unet", f"train='{train}'", "predict='trainer.batch_size=16'", f"only_folds=[{FOLD}]"]
    return techniques(compose("techniques", [*asked, *more], choices=True))


def main() -> None:
    """Run the study on each `name=folder` of the command line; `only=[...]` is handed on."""
    quiet_console()
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    more = [f"only={given.pop('only')}"] if "only" in given else []
    if not given:
        sys.exit(__doc__)
    tables, smaller = [], []
    for name, root in given.items():
        tables.append(measure(name, root, more).assign(data=name))
        folder = TechniquesFolder(name)
        smaller.append(pd.read_csv(folder.smaller).assign(data=name))
        for path, suffix in ((folder.chart, ".svg"), (folder.samples, ".jpg")):
            shutil.copyfile(path, OUT / f"techniques_{name}{suffix}")
    sizes = ", ".join(f"{name} {SIZES[name][1]}x{SIZES[name][0]}" for name in given)
    # Seconds are those of a run with others beside it as often as not: they stand in the tables of the run folders.
    publish("techniques", pd.concat(tables).drop(columns=SECONDS), sizes=sizes)
    publish("techniques_smaller", pd.concat(smaller), sizes=sizes)


if __name__ == "__main__":
    main()
