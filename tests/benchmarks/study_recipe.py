"""What `make recipe` writes against a plain loop of PyTorch and segmentation_models_pytorch, on real photos.

    python tests/benchmarks/study_recipe.py human=/photos/human ccp=/photos/ccp

The recipe is asked for the loop's size and epochs, with random weights. Its members and the loop (`plain_loop.py`)
learn from one half of the photos, from three seeds, and are scored on the other half at the photos' own size; the
ensemble of a seed is the mean of its members' maps. Seconds are of the processor, on one thread. Where the first member
takes more of them than the loop, a second loop trains for as many epochs more; `three loops` is the vote of the loop's
seeds, once. Writes docs/measured/recipe.csv: a row an arm, with its gain over the loop (each photo's difference
averaged over the seeds) and the 95 % interval of that over groups.

With `seeds=0` before the folders it is of these seeds alone; with `arms=loop` it only trains these arms. Killed and
started again, it goes on from what is finished; its runs lie in experiments/studies/recipe/, and the recipe's files in
conf/ are as it wrote them.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measure import publish
from plain_loop import predict as predict_plainly
from plain_loop import score as score_plainly
from plain_loop import train as train_plainly

from maskfold.config import EXPERIMENTS, build, compose
from maskfold.data.folds import split_path
from maskfold.data.source import Source
from maskfold.ensembling.blend import gain_interval
from maskfold.entry import quiet_console
from maskfold.files import atomic_path
from maskfold.masks.scoring import Judged
from maskfold.prediction.store import ProbabilityStore
from maskfold.pseudo.rows import rows_of_fold
from maskfold.runs.layout import MemberFolder
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.recipe import recipe
from maskfold.stages.train import train

SIZES = {"human": (192, 256), "ccp": (256, 160)}  # height, width
EPOCHS = {"human": 12, "ccp": 8}
SEEDS = (0, 1, 2)
FOLD = 0  # of two
HOURS = 100  # for the recipe: no member is to be left out
LOOP, LONGER, VOTE, ENSEMBLE = "loop", "loop as long", "three loops", "ensemble"


class Study:
    """The arms on one data set.

    Args:
        data: Its name.
        root: Its folder.
    """

    def __init__(self, data: str, root: str) -> None:
        self.data, self.size, self.epochs = data, SIZES[data], EPOCHS[data]
        self.name = f"recipe_{data}"
        self.keys = ["data=pairs", f"data.root={root}", f"data.name={data}", "data.resize_masks=true"]
        self.keys += ["data.on_error=skip"]
        self.source: Source = build(compose("folds", self.keys).data)
        if not split_path(self.source).exists():
            folds(compose("folds", [*self.keys, "folds.k=2"]))
        self.table = self.source.load()
        self.rows = rows_of_fold(self.table, self.source, split_path(self.source), fold=FOLD, pseudo=None)

    def members(self) -> list[str]:
        """Return the members, the recipe's first one first; it is written if it is not there."""
        written = sorted(Path("conf/experiment").glob(f"{self.name}_*.yaml"))
        if not written:
            how = [f"name={self.name}", "weights=none", f"hours={HOURS}", f"epochs={self.epochs}"]
            recipe(compose("recipe", [*self.keys, *how, f"size=[{self.size[0]},{self.size[1]}]"]))
        tree = compose("ensemble", [f"ensemble={self.name}"]).ensemble
        return [member["experiment"] for member in tree.members]

    def family(self, member: str) -> str:
        """Return what a member is called but for the data's name."""
        return member.removeprefix(f"{self.name}_")

    def folder(self, arm: str, seed: int) -> MemberFolder:
        """Return where an arm's run of a seed lies, or its scores alone."""
        return MemberFolder(EXPERIMENTS / f"studies/recipe/{self.data}/{arm.replace(' ', '_')}_{seed}")

    def run_loop(self, seed: int, *, arm: str = LOOP, epochs: int | None = None) -> None:
        """Train and score the loop."""
        if self.folder(arm, seed).scores.exists():
            return
        started = time.process_time()
        network = train_plainly(self.rows.training, size=self.size, epochs=epochs or self.epochs, seed=seed)
        seconds = time.process_time() - started
        masks = predict_plainly(network, self.rows.validation, size=self.size)
        self.keep(arm, seed, masks, seconds=seconds, epochs=epochs or self.epochs)
        np.savez_compressed(self.folder(arm, seed).path / "masks.npz", *masks)

    def run_member(self, member: str, seed: int) -> None:
        """Train, predict and score a member; its maps stay, for the ensemble."""
        folder = self.folder(member, seed)
        if folder.scores.exists():
            return
        name, fold = str(folder.path.relative_to(EXPERIMENTS)), f"fold={FOLD}"
        started = time.process_time()
        train(compose("train", [f"experiment={member}", fold, f"seed={seed}", f"name={name}"]))
        seconds = time.process_time() - started
        predict(compose("predict", [f"name={name}", fold, "split=oof"]))
        self.keep(member, seed, self.masks([member], seed), seconds=seconds, epochs=self.epochs)

    def masks(self, members: Sequence[str], seed: int) -> list[np.ndarray]:
        """Return the masks of the mean of some members' maps."""
        stores = [ProbabilityStore(self.folder(member, seed).run(FOLD).store("oof")) for member in members]
        means = (
            np.mean([store.read(image_id) for store in stores], axis=0) for image_id in self.rows.validation["image_id"]
        )
        return [(mean >= 127.5).astype(np.uint8) for mean in means]

    def keep(self, arm: str, seed: int, masks: list[np.ndarray], *, seconds: float, epochs: int) -> None:
        """Write the scores of an arm's masks."""
        scores = score_plainly(masks, self.rows.validation).assign(seconds=seconds, epochs=epochs)
        folder = self.folder(arm, seed)
        folder.path.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder.scores) as part:
            scores.merge(self.table[["image_id", "group"]], on="image_id").to_parquet(part, index=False)

    def seconds(self, arm: str, seed: int) -> float:
        """Return what an arm's training took."""
        return pd.read_parquet(self.folder(arm, seed).scores)["seconds"].iloc[0]

    def run_rest(self, members: Sequence[str], seeds: Sequence[int]) -> None:
        """Score the ensembles and the vote, and train the longer loops where there is time for one."""
        for seed in seeds:
            seconds = [self.seconds(member, seed) for member in members]
            self.keep(ENSEMBLE, seed, self.masks(members, seed), seconds=sum(seconds), epochs=self.epochs)
            if (more := round(self.epochs * seconds[0] / self.seconds(LOOP, seed))) > self.epochs:
                self.run_loop(seed, arm=LONGER, epochs=more)
        loops = [np.load(self.folder(LOOP, seed).path / "masks.npz") for seed in seeds]
        votes = [2 * sum(loop[key] for loop in loops) > len(loops) for key in loops[0].files]
        seconds = sum(self.seconds(LOOP, seed) for seed in seeds)
        self.keep(VOTE, 0, [vote.astype(np.uint8) for vote in votes], seconds=seconds, epochs=self.epochs)

    def summary(self, members: Sequence[str]) -> list[dict]:
        """Return a row for each arm that is finished."""
        loop = self.scores(LOOP)
        rows = []
        for arm in (LOOP, LONGER, VOTE, *members, ENSEMBLE):
            own = self.scores(arm)
            if own.empty:
                continue
            row = {"data": self.data, "arm": self.family(arm), **own.attrs, "photos": len(own)}
            row |= {"dice": f"{own['dice'].mean():.4f}", "seconds": f"{own['seconds'].mean():.0f}"}
            marks = [Judged("dice").marks(part) for part in (own, loop.loc[own.index])]
            gain = gain_interval(*marks, own["group"], seed=0)
            rows.append(row | {key: f"{value:.4f}" for key, value in zip(("gain", "low", "high"), gain, strict=True)})
        return rows

    def scores(self, arm: str) -> pd.DataFrame:
        """Return each photo's scores by `image_id`, the mean over the seeds that are finished."""
        paths = [self.folder(arm, seed).scores for seed in SEEDS]
        runs = [pd.read_parquet(path).set_index("image_id").sort_index() for path in paths if path.exists()]
        if not runs:
            return pd.DataFrame()
        mean = sum(run[["dice", "seconds"]] for run in runs) / len(runs)
        mean = mean.join(runs[0]["group"])
        dice = [run["dice"].mean() for run in runs]
        mean.attrs = {"seeds": len(runs), "epochs": int(runs[0]["epochs"].iloc[0])}
        mean.attrs |= {"lowest": f"{min(dice):.4f}", "highest": f"{max(dice):.4f}"}
        return mean


def main() -> None:
    """Run the study on each `name=folder` of the command line."""
    quiet_console()
    torch.set_num_threads(1)
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    arms = given.pop("arms", "").split(",")
    seeds = [int(seed) for seed in given.pop("seeds", ",".join(map(str, SEEDS))).split(",")]
    if not given:
        sys.exit(__doc__)
    studies = [Study(data, root) for data, root in given.items()]
    for seed, study in product(seeds, studies):
        runs: dict[str, Callable[[int], None]] = {LOOP: study.run_loop}
        members = study.members()
        runs |= {study.family(member): partial(study.run_member, member) for member in members}
        for arm in runs if arms == [""] else arms:
            runs[arm](seed)
            print(study.data, arm, seed, flush=True)
    if arms != [""]:
        return
    rows = []
    for study in studies:
        study.run_rest(study.members(), seeds)
        rows += study.summary(study.members())
    table = pd.DataFrame(rows)
    publish("recipe", table, sizes=" and ".join(f"{name} {width}x{height}" for name, (height, width) in SIZES.items()))
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
