"""What each way to train on product photos is worth, on real photos: networks, augmentation, deep supervision.

Every arm trains from random weights, from three seeds, on one half of the photos, at the same size and for as many
epochs, and is scored on the other half at the photos' own size. Beside them runs a plain loop of PyTorch and
segmentation_models_pytorch (`plain_loop.py`). Writes docs/measured/products.csv: for each data set and arm the mean
Dice and IoU over the seeds, the standard deviation between them, and the gain over the arm it is compared with and over
the loop (each photo's difference averaged over the seeds, with its 95 % interval over groups); products_members.csv,
the networks alone; and products_clusters.csv, the same by cluster, of data with clusters (`make clusters`).

    python tests/benchmarks/study_products.py human=../shared/data/human ccp=../shared/data/ccp

Killed and started again, it goes on from what is finished; its runs lie in experiments/studies/products/. With
`arms=u2net_small,crop` or `seeds=0` before the folders it runs these alone; the tables are of all that is finished.
"""

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from plain_loop import predict as predict_plainly
from plain_loop import score as score_plainly
from plain_loop import train as train_plainly

from maskfold.config import EXPERIMENTS, build, compose
from maskfold.data.folds import split_path
from maskfold.data.source import Source
from maskfold.ensembling.blend import gain_interval
from maskfold.entry import quiet_console
from maskfold.files import atomic_path, write_text
from maskfold.masks.scoring import Judged
from maskfold.pseudo.rows import rows_of_fold
from maskfold.runs.layout import MemberFolder
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.train import train

TABLE, MEMBERS, BY_CLUSTER = (Path(f"docs/measured/products{part}.csv") for part in ("", "_members", "_clusters"))
SPLIT = 2  # folds
FOLDS = (0,)  # those that are trained and scored: a half of the photos
SEEDS = (0, 1, 2)
LOOP = "plain loop"


@dataclass(frozen=True)
class Budget:
    """What every arm has on one data set: the network's input in pixels, and the epochs at each rate."""

    height: int
    width: int
    phases: tuple[tuple[int, float], ...]

    @property
    def epochs(self) -> int:
        return sum(epochs for epochs, _ in self.phases)

    def keys(self, scale: float) -> list[str]:
        """Return it as keys, all rates times `scale`."""
        phases = ",".join(f"{{epochs:{epochs},rate:{rate * scale}}}" for epochs, rate in self.phases)
        size = ["geometry=resize", f"geometry.height={self.height}", f"geometry.width={self.width}"]
        steps = ["schedule=linknet34", f"schedule.phases=[{phases}]", "trainer.batch_size=4", "+optimizer.fused=true"]
        return [*size, *steps]


BUDGETS = {
    "human": Budget(64, 96, ((6, 5.0e-4), (4, 2.0e-4), (2, 5.0e-5))),
    "ccp": Budget(96, 64, ((4, 5.0e-4), (3, 2.0e-4), (1, 5.0e-5))),
}
LINKNET = ["experiment=linknet34", "model.weights=null"]


@dataclass(frozen=True)
class Arm:
    """A way to train: its keys, a factor for the rates, and the arm that it is compared with."""

    keys: list[str]
    beside: str = "linknet34"
    scale: float = 1.0


ARMS = {
    "linknet34": Arm([*LINKNET, "augment=flip"], beside=LOOP),
    "u2net_small": Arm(["experiment=u2net_small", "augment=flip"], scale=2.0),  # its authors' rate to begin with
    "crop": Arm([*LINKNET, "augment=crop"]),
    "backdrop": Arm([*LINKNET, "augment=backdrop"]),
    "combine": Arm([*LINKNET, "augment=combine"]),
    "deep supervision": Arm([*LINKNET, "augment=flip", "deep=3"]),
}


def source_keys(data: str, root: str) -> list[str]:
    return ["data=pairs", f"data.root={root}", f"data.name={data}", "data.resize_masks=true", "data.on_error=skip"]


def run(data: str, source: list[str], arm: str, seed: int) -> None:
    """Train one arm from one seed on every fold, and score it out of fold; what is finished is left alone."""
    name = name_of(data, arm, seed)
    member = MemberFolder(EXPERIMENTS / name)
    if member.scores.exists():
        return
    if arm == LOOP:
        run_plainly(data, build(compose("train", ["experiment=linknet34", *source]).data), member, seed)
        return
    way, budget = ARMS[arm], BUDGETS[data]
    keys = [*way.keys, *source, *budget.keys(way.scale), f"seed={seed}", f"name={name}"]
    for fold in FOLDS:
        train(compose("train", [*keys, f"fold={fold}"]))
        predict(compose("predict", [f"name={name}", f"fold={fold}", "split=oof", "trainer.batch_size=16"]))
    one = [f"fold={FOLDS[0]}"] if len(FOLDS) == 1 else []
    evaluate(compose("evaluate", [f"name={name}", "jobs=1", *one]))


def run_plainly(data: str, source: Source, member: MemberFolder, seed: int) -> None:
    """Train and score the plain loop; its scores and seconds lie where a member's would."""
    table, budget = source.load(), BUDGETS[data]
    size = budget.height, budget.width
    scores = []
    for fold in FOLDS:
        rows = rows_of_fold(table, source, split_path(source), fold=fold, pseudo=None)
        start = time.perf_counter()
        network = train_plainly(rows.training, size=size, epochs=budget.epochs, seed=seed)
        seconds = time.perf_counter() - start
        scored = score_plainly(predict_plainly(network, rows.validation, size=size), rows.validation)
        scores.append(scored.assign(fold=fold, seconds=seconds))
    member.path.mkdir(parents=True, exist_ok=True)
    with atomic_path(member.scores) as part:
        pd.concat(scores).merge(table[["image_id", "group"]], on="image_id").to_parquet(part, index=False)


def name_of(data: str, arm: str, seed: int) -> str:
    return f"studies/products/{data}_{arm.replace(' ', '_')}_{seed}"


def scores_of(data: str, arm: str) -> pd.DataFrame:
    """Return each photo's scores by `image_id`, the mean over the seeds that are finished; their spread in `attrs`."""
    paths = [MemberFolder(EXPERIMENTS / name_of(data, arm, seed)).scores for seed in SEEDS]
    runs = [pd.read_parquet(path).set_index("image_id").sort_index() for path in paths if path.exists()]
    if not runs:
        return pd.DataFrame()
    mean = sum(one[["dice", "iou"]] for one in runs) / len(runs)
    mean = mean.join(runs[0]["group"])
    spread = pd.Series([one["dice"].mean() for one in runs])
    mean.attrs = {"seeds": len(runs), "sd": spread.std(), "lowest": spread.min(), "highest": spread.max()}
    return mean


def compared(own: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    """Return the gain in Dice over another arm, paired by photo, with its interval over groups."""
    marks = [Judged("dice").marks(part) for part in (own, other.loc[own.index])]
    return dict(zip(("gain", "low", "high"), gain_interval(*marks, own["group"], seed=0), strict=True))


def summarise(data: str, clusters: pd.Series | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of one data set, and the same by cluster."""
    arms = {arm: scores for arm in (LOOP, *ARMS) if len(scores := scores_of(data, arm))}
    parts = [("all", None), *([] if clusters is None else [(name, name) for name in sorted({*clusters.dropna()})])]
    rows = []
    for cluster, wanted in parts:
        for arm, scores in arms.items():
            own = scores if wanted is None else scores[clusters.reindex(scores.index) == wanted]
            if own.empty:
                continue
            row = {"data": data, "cluster": cluster, "arm": arm, "photos": len(own), **scores.attrs}
            row |= {"dice": own["dice"].mean(), "iou": own["iou"].mean()}
            beside = ARMS[arm].beside if arm in ARMS else None
            if beside in arms:
                row |= {"beside": beside, **compared(own, arms[beside])}
            if arm != LOOP and LOOP in arms:
                row |= {f"{key}_over_loop": value for key, value in compared(own, arms[LOOP]).items()}
            rows.append(row)
    table = pd.DataFrame(rows)
    of_all = table["cluster"] == "all"
    return table[of_all].drop(columns="cluster"), table[~of_all].drop(columns=["seeds", "sd", "lowest", "highest"])


def main() -> None:
    """Run the study on each `name=folder` of the command line."""
    quiet_console()
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    arms = given.pop("arms", ",".join((LOOP, *ARMS))).split(",")
    seeds = [int(seed) for seed in given.pop("seeds", ",".join(map(str, SEEDS))).split(",")]
    if not given:
        sys.exit(__doc__)
    sources = {data: source_keys(data, root) for data, root in given.items()}
    for source in sources.values():
        if not split_path(build(compose("folds", source).data)).exists():
            folds(compose("folds", [*source, f"folds.k={SPLIT}"]))
    for seed in seeds:
        for arm in arms:
            for data, source in sources.items():
                run(data, source, arm, seed)
                print(data, arm, seed, scores_of(data, arm)["dice"].mean(), flush=True)
    tables, by_cluster = [], []
    for data, source in sources.items():
        table = build(compose("train", ["experiment=linknet34", *source]).data).load()
        clusters = table.set_index("image_id")["cluster"] if "cluster" in table else None
        budget = BUDGETS[data]
        whole, parts = summarise(data, clusters)
        about = {"size": f"{budget.width}x{budget.height}", "epochs": budget.epochs}
        about |= {
            "folds": f"{len(FOLDS)} of {SPLIT}",
            "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        }
        tables.append(whole.assign(**about))
        by_cluster.append(parts)
    table = pd.concat(tables)
    write_text(TABLE, table.to_csv(index=False, float_format="%.6g"))
    networks = table[table["arm"].isin([LOOP, "linknet34", "u2net_small"])]
    write_text(MEMBERS, networks.to_csv(index=False, float_format="%.6g"))
    if any(len(part) for part in by_cluster):
        write_text(BY_CLUSTER, pd.concat(by_cluster).to_csv(index=False, float_format="%.6g"))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
