"""Every stage, killed at random moments and started again, leaves what an undisturbed run leaves, byte for byte."""

import json
import random
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from fork_client import Server

from maskfold.files import LOCK

TIMINGS = ["seconds", "images_per_second"]
MEMBER = ["experiment=demo_unet", "name=tiny", "data=carvana", "data.name=tiny", "data.root=photos", "seed=3"]
MEMBER += ["model.widths=[8,8]", "geometry.height=32", "geometry.width=48", "trainer.accelerator=cpu"]
TRAIN = ["train", *MEMBER, "trainer.max_epochs=8", "averaging=ema", "trainer.hard_negatives_every=2"]
PREDICT = ["predict", "name=tiny", "split=test", "trainer.accelerator=cpu", "trainer.batch_size=3"]
REPAIR = "{_target_: maskfold.ensembling.recipe.Repair, worst: 40, threshold: 55}"
RECIPE = ["ensemble=linknet34", "ensemble.members=[{experiment: tiny, folds: [0]}]"]
FUSE = ["fuse", *RECIPE, *PREDICT[3:]]
ENSEMBLE = ["ensemble", *RECIPE, f"ensemble.repair={REPAIR}", "jobs=1"]
PSEUDO = ["pseudo", *RECIPE, "empty=true", "jobs=1"]

# What is killed, in the order in which a later one needs what an earlier one has left.
STAGES = {"train": TRAIN, "predict": PREDICT, "fuse": FUSE, "ensemble": ENSEMBLE, "pseudo": PSEUDO}


@dataclass
class Undisturbed:
    """A run that nobody killed: the folder it began with, what it left, and the seconds between which it worked."""

    before: Path
    after: dict[str, object]
    works: tuple[float, float]


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory) -> dict[str, Undisturbed]:
    """Every stage's undisturbed run; each begins with what the one before it left."""
    root = tmp_path_factory.mktemp("kill")
    work = root / "work"
    draw_photos(work / "photos")
    runs = {}
    for stage, arguments in STAGES.items():
        before = shutil.copytree(work, root / stage)
        run = server.finish(work, arguments)
        begun = max(lock.stat().st_mtime for lock in work.rglob(LOCK))  # of the folder that the stage writes to
        runs[stage] = Undisturbed(before, contents(work), (begun - run["started"], run["ended"] - run["started"]))
    return runs


def draw_photos(root: Path) -> None:
    """Draw photos with an ellipse each in Carvana's layout, 24 to train on and 144 to predict, beside a split."""
    rng = np.random.default_rng(0)
    for folder in ("train", "train_masks", "test"):
        (root / folder).mkdir(parents=True)
    for number in range(168):
        split, name = "train" if number < 24 else "test", f"{number:012x}_01"
        photo = rng.integers(0, 90, (40, 60, 3), dtype=np.uint8)
        mask = np.zeros((40, 60), np.uint8)
        cv2.ellipse(mask, (30, 20), tuple(rng.integers(8, 18, 2).tolist()), 0, 0, 360, 255, -1)
        photo[mask > 0] += 120
        cv2.imwrite(str(root / split / f"{name}.jpg"), photo)
        if split == "train":
            cv2.imwrite(str(root / "train_masks" / f"{name}_mask.png"), mask)
    rows = [f"{number:012x}_01,{number:012x},{number % 2}\n" for number in range(24)]
    split = root.parent / "data/tiny/folds.csv"
    split.parent.mkdir(parents=True)
    split.write_text("".join(["image_id,group,fold\n", *rows]))


def contents(work: Path) -> dict[str, object]:
    """Return what a run has left, by name: bytes, but of files with times in them what is not a time."""
    of_times = (LOCK, "checked.parquet", "best.sha256.json")
    found = [path for path in sorted(work.rglob("*")) if path.is_file() and path.name not in of_times]
    return {str(path.relative_to(work)): _content(path) for path in found}


def _content(path: Path) -> object:
    if path.suffix == ".ckpt":
        state = torch.load(path, weights_only=True)["state_dict"]
        return {name: tensor.numpy().tobytes() for name, tensor in state.items()}
    if path.name == "metrics.csv":
        return pd.read_csv(path).drop(columns=TIMINGS).to_csv()
    if path.name == "run.json":
        run = json.loads(path.read_text())
        return run | {"best": {key: value for key, value in run.get("best", {}).items() if key not in TIMINGS}}
    return path.read_bytes()


def kill_and_run_again(server: Server, whole: Undisturbed, work: Path, stage: str, share: float) -> tuple[bool, list]:
    """Kill a stage at a share of its work, and run it again; return whether the kill hit, and what differs."""
    shutil.copytree(whole.before, work)
    begins, ends = whole.works
    run = server.run(work, STAGES[stage], kill_after=begins + share * (ends - begins))
    server.finish(work, STAGES[stage])
    left = contents(work)
    shutil.rmtree(work)
    differing = [name for name in left.keys() | whole.after.keys() if left.get(name) != whole.after.get(name)]
    return run["status"] == -signal.SIGKILL, differing


def kill_often(server: Server, whole: Undisturbed, work: Path, stage: str, kills: int) -> int:
    """Kill a stage at so many random moments, spread over its work; return how many runs ended with a difference."""
    moments = random.Random(f"{stage} {kills}")
    differences = 0
    for number in range(kills):
        share, hit = (number + moments.random()) / kills, False
        while not hit:  # no two runs take equally long: a moment that came after the end is drawn again
            hit, differing = kill_and_run_again(server, whole, work, stage, share)
            differences += bool(differing)
            share *= moments.random()
    return differences


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_run_again_it_ends_as_if_nothing_had_been(server, undisturbed, tmp_path, stage):
    assert kill_often(server, undisturbed[stage], tmp_path / "work", stage, 1) == 0


@pytest.mark.slow  # half a minute a stage
@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_twenty_moments(server, undisturbed, tmp_path, stage, capsys):
    differences = kill_often(server, undisturbed[stage], tmp_path / "work", stage, 20)
    begins, ends = undisturbed[stage].works
    with capsys.disabled():
        print(f"\n{stage}: 20 kills during its {ends - begins:.1f} s of work, {differences} differences")
    assert differences == 0
