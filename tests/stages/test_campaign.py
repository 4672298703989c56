"""A campaign from photos to a submission: skips what is there, tries again what failed, goes on after a kill."""

import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
from distributed import LocalCluster
from test_kill import contents

from maskfold.campaign import clusters, worker
from maskfold.campaign.standings import State
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.files import LOCK
from maskfold.stages.campaign import campaign
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.fuse import fuse
from maskfold.stages.predict import predict
from maskfold.stages.train import train

STAGES = {"train": train, "predict": predict, "fuse": fuse, "evaluate": evaluate, "ensemble": ensemble}
TRAIN = "data=carvana data.name=tiny data.root=photos scale=smoke trainer.accelerator=cpu"
TRAIN += " geometry.height=32 geometry.width=48 model.widths=[8,8]"
OVERRIDES = ["ensemble=demo", f"train='{TRAIN}'", "predict='trainer.accelerator=cpu'", "merge='jobs=1'", "poll=0.25"]
MEMBERS = ("demo_unet", "demo_unet_wide")


@pytest.fixture
def ran(monkeypatch) -> list[str]:
    """Run the jobs in threads, not in processes that each import torch; return the names of those that ran."""
    names = []

    def start(job, *, log, environment):
        names.append(job.name)
        try:
            STAGES[job.command[0]](compose(job.command[0], list(job.command[1:])))
        except MaskfoldError as error:
            log.write_text(f"\n{error}")
            return ended(1)
        return ended(0)

    def ended(status):
        return SimpleNamespace(poll=lambda: status, kill=lambda: None, wait=lambda: status)

    def workers(jobs):
        return LocalCluster(n_workers=jobs, threads_per_worker=1, processes=False, dashboard_address=":0")

    monkeypatch.setattr(worker, "start_stage", start)
    monkeypatch.setattr(clusters, "local", workers)
    return names


def test_everything_is_made_once_and_what_is_lost_is_made_again(trained, ran, capsys):
    # A step that looks at the mean of one member, of which the one pass keeps a map a photo as well.
    step = "step:{_target_:maskfold.ensembling.postprocess.FillHoles}"
    holes = f"{{_target_:maskfold.ensembling.recipe.ByMembers,members:[{{experiment:demo_unet}}],{step}}}"
    command = [*OVERRIDES, (only := f"ensemble.postprocess=[{holes}]"), f"merge='jobs=1 {only}'"]
    campaign(compose("campaign", command))

    folds = [f"{member}.fold{fold}" for member in MEMBERS for fold in (0, 1)]
    every = {f"{fold}.{part}" for fold in folds for part in ("train", "oof")}
    every |= {f"{member}.evaluate" for member in MEMBERS} | {"ensemble.fuse", "ensemble.oof", "ensemble.test"}
    assert set(ran) == every
    assert len(ran) == len(every)
    for fold in folds:
        assert ran.index(f"{fold}.train") < min(ran.index(f"{fold}.oof"), ran.index("ensemble.fuse"))
    assert not [*Path("experiments").glob("demo_unet*/fold?/predictions/test")]
    assert len([*Path("submissions/demo/fused").glob("*.b2nd")]) == 8  # one a photo, not four
    (part,) = Path("submissions/demo").glob("fused_*")
    assert len([*part.glob("*.b2nd")]) == 8
    assert ran.index("demo_unet.evaluate") > ran.index("demo_unet.fold1.oof")
    assert len(pd.read_parquet("submissions/demo/scores.parquet")) == 8
    shown = capsys.readouterr().out
    assert "demo_unet.fold0.train: done in" in shown
    assert "13 jobs: 13 done" in shown

    ran.clear()
    campaign(compose("campaign", command))
    assert ran == []

    (part / "000000000006_01.b2nd").unlink()
    campaign(compose("campaign", command))
    assert ran == ["ensemble.fuse"]  # the same maps, the same merge

    ran.clear()
    photo = Path("photos/test/000000000006_01.jpg")
    photo.write_bytes(Path("photos/test/000000000007_01.jpg").read_bytes())
    with pytest.raises(MaskfoldError, match="demo/fused: 1 photos are not the files any more that its maps were made"):
        campaign(compose("campaign", command))
    for store in Path("submissions/demo").glob("fused*"):
        (store / f"{photo.stem}.b2nd").unlink()
    campaign(compose("campaign", command))
    assert ran == ["ensemble.fuse", "ensemble.test"]  # other maps of the same weights

    ran.clear()
    Path("experiments/demo_unet/fold1/finished").unlink()  # trained anew, its weights would be others
    with pytest.raises(MaskfoldError, match=r"demo_unet/fold1 is not trained to its end\. Delete the folder"):
        campaign(compose("campaign", command))
    assert ran == []


def test_a_campaign_that_was_begun_with_members_own_maps_goes_on_with_these(trained, ran, caplog):
    only = "ensemble.members=[{experiment:demo_unet}]"
    command = [*OVERRIDES, only, f"merge='jobs=1 {only}'"]
    tests = ["demo_unet.fold0.test", "demo_unet.fold1.test"]
    campaign(compose("campaign", [*command, "own_maps=true"]))
    assert {*tests, "ensemble.test"} <= {*ran}
    assert "ensemble.fuse" not in ran
    submitted = pd.read_csv("submissions/demo/submission.csv.gz")

    ran.clear()
    caplog.set_level("INFO")
    campaign(compose("campaign", command))
    assert ran == []
    assert "2 of 2 networks have maps of their own, the first in experiments/demo_unet/fold0" in caplog.text
    shutil.rmtree("experiments/demo_unet/fold1/predictions/test")
    campaign(compose("campaign", command))
    assert ran == tests[1:]

    ran.clear()
    for store in Path("experiments/demo_unet").glob("fold?/predictions/test"):
        shutil.rmtree(store)
    campaign(compose("campaign", command))
    assert ran == ["ensemble.fuse", "ensemble.test"]
    assert pd.read_csv("submissions/demo/submission.csv.gz")["img"].equals(submitted["img"])


@pytest.mark.hostile("stale maps")
def test_a_clock_that_was_ahead_skips_no_evaluation(trained, ran):
    only = "ensemble.members=[{experiment:demo_unet}]"
    command = [*OVERRIDES, only, f"merge='jobs=1 {only}'"]
    campaign(compose("campaign", command))
    path = Path("experiments/demo_unet/scores.parquet")
    scores = pd.read_parquet(path)
    scores.attrs["maps"][1] = "that of other maps"
    scores.to_parquet(path)
    ahead = time.time() + 10**6
    for name in (path, path.with_name("results.csv")):
        os.utime(name, (ahead, ahead))
    ran.clear()

    campaign(compose("campaign", command))
    assert ran == ["demo_unet.evaluate"]

    for store in Path("experiments/demo_unet").glob("fold*/predictions/oof"):
        os.utime(store, (ahead + 1, ahead + 1))
    campaign(compose("campaign", command))
    assert ran == ["demo_unet.evaluate"]  # the same maps, though their folder seems newer


def test_what_fails_is_tried_again_and_told_in_the_end_while_the_others_go_on(trained, ran, monkeypatch):
    def broken(config):
        if config.name == "demo_unet" and config.fold == 1:
            raise MaskfoldError("photos/test/000000000006_01.jpg: cannot be read")
        return predict(config)

    monkeypatch.setitem(STAGES, "predict", broken)
    with pytest.raises(MaskfoldError) as error:
        campaign(compose("campaign", [*OVERRIDES, "retries=2", "own_maps=true"]))

    assert ran.count("demo_unet.fold1.test") == 3
    assert "ensemble.test" not in ran
    assert "demo_unet_wide.evaluate" in ran
    told = str(error.value)
    assert told.startswith("2 jobs failed and 3 that need them were left out; the others are done.")
    assert "demo_unet.fold1.test (3 tries, submissions/demo/campaign/demo_unet.fold1.test.log):" in told
    assert "cannot be read" in told

    monkeypatch.setitem(STAGES, "predict", predict)
    ran.clear()
    standings = campaign(compose("campaign", OVERRIDES))  # the other maps are there, and so it goes on with them
    assert set(ran) == {
        "demo_unet.fold1.oof",
        "demo_unet.fold1.test",
        "demo_unet.evaluate",
        "ensemble.oof",
        "ensemble.test",
    }
    assert {standing.state for standing in standings.values()} == {State.DONE}


def test_a_finished_run_of_another_configuration_is_refused_before_anything_runs(trained, ran):
    train(compose("train", ["experiment=demo_unet", "fold=1", *TRAIN.split(), "seed=5"]))
    with pytest.raises(
        MaskfoldError, match=r"demo_unet/fold1 was trained with another configuration(.|\n)*seed: 5 before"
    ):
        campaign(compose("campaign", OVERRIDES))
    assert ran == []


def test_folds_that_the_ensemble_leaves_out_are_not_trained_and_not_scored(trained, ran):
    members = "ensemble.members=[{experiment:demo_unet,folds:[1]}]"
    campaign(compose("campaign", [*OVERRIDES, members, f"merge='jobs=1 {members}'"]))
    assert ran == [*(f"demo_unet.fold1.{part}" for part in ("train", "oof", "test")), "ensemble.test"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "ensemble.members=[{experiment: nobody}]",
            "experiment nobody: there is neither conf/experiment/nobody.yaml nor",
        ),
        ("ensemble.members=[{experiment: demo_unet, folds: [7]}]", "fold 7 is beyond data/tiny/folds.csv"),
        ("jobs=0", "jobs=0: give a whole number of 1 or more"),
        ("merge='fused=true'", "merge: fused= follows from own_maps"),
    ],
)
def test_what_cannot_be_is_told_before_anything_runs(trained, ran, override, message):
    with pytest.raises(MaskfoldError, match=message):
        campaign(compose("campaign", [*OVERRIDES, override]))
    assert ran == []


@pytest.mark.slow  # a dozen processes that import torch
def test_a_campaign_that_is_killed_goes_on(trained):
    command = [sys.executable, "-m", "maskfold.stages.campaign", *OVERRIDES, "jobs=2", "poll=0.2"]
    command.append("ensemble.members=[{experiment: demo_unet}]")
    first = Path("experiments/demo_unet/fold0/predictions/oof/store.json")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while not first.exists():
            assert run.poll() is None
            time.sleep(0.05)
        run.kill()
    trained_first = Path("experiments/demo_unet/fold0/finished").stat().st_mtime_ns

    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)

    assert again.returncode == 0, again.stdout + again.stderr
    assert "8 jobs: 8 done" in again.stdout
    assert Path("experiments/demo_unet/fold0/finished").stat().st_mtime_ns == trained_first
    assert Path("submissions/demo/submission.csv.gz").exists()


COSTS = ["seconds", "images_per_second"]
LONG = [f"train='{TRAIN} trainer.max_epochs=30'", "ensemble.members=[{experiment: demo_unet}]", "jobs=2", "poll=0.2"]


def start(folder: Path) -> subprocess.Popen:
    """Start a campaign of two workers in a folder."""
    command = [sys.executable, "-m", "maskfold.stages.campaign", *OVERRIDES, *LONG]
    with (folder / "said.log").open("w") as said:
        return subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)


def stages_at_work(campaign: int) -> list[psutil.Process]:
    """Return the processes of a campaign's jobs that hold the folder they write to: beyond their imports."""
    found = []
    for process in psutil.Process(campaign).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            is_stage = any(part.startswith("maskfold.stages.") for part in process.cmdline())
            if is_stage and any(file.path.endswith(LOCK) for file in process.open_files()):
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def lose_workers(campaign: subprocess.Popen, folder: Path, times: int) -> None:
    """Kill the worker under a job, at seeded random moments; no training may have fewer epochs than it has had."""
    moments, lost, epochs = random.Random(times), 0, {}
    while lost < times:
        assert campaign.poll() is None, (folder / "said.log").read_text()
        time.sleep(0.05)
        for path in folder.glob("experiments/demo_unet/*/metrics.csv"):
            trained = len(path.read_text().splitlines())
            assert trained >= epochs.get(path, 0)
            epochs[path] = trained
        if stages_at_work(campaign.pid):
            time.sleep(moments.uniform(0, 1.5))
            if stages := stages_at_work(campaign.pid):
                moments.choice(stages).parent().kill()
                lost += 1


def artefacts(folder: Path) -> dict[str, object]:
    """Return what a campaign has left, but its logs, what its trainings have cost, and the state of this checkout."""
    left = {name: content for name, content in contents(folder).items() if not name.endswith(".log")}
    left = {name: {**run, "commit": ""} if name.endswith("run.json") else run for name, run in left.items()}
    results = "experiments/demo_unet/results.csv"
    return left | {results: pd.read_csv(folder / results).drop(columns=COSTS).to_csv()}


@pytest.mark.slow  # two campaigns of nine processes that import torch
def test_a_worker_that_is_lost_five_times_changes_nothing(trained):
    shutil.rmtree("experiments")
    disturbed = shutil.copytree(trained, trained.with_name("disturbed"))
    undisturbed = start(trained)
    assert undisturbed.wait(500) == 0, Path("said.log").read_text()

    campaign = start(disturbed)
    try:
        lose_workers(campaign, disturbed, 5)
        assert campaign.wait(500) == 0
    finally:
        campaign.kill()
    said = (disturbed / "said.log").read_text()
    assert said.count("its worker is lost, goes on elsewhere") == 5, said
    assert "failed" not in said

    expected, left = artefacts(trained), artefacts(disturbed)
    kinds = ("best.ckpt", "metrics.csv", ".b2nd", "results.csv", "submission.csv.gz", "finished")
    assert all(any(name.endswith(kind) for name in expected) for kind in kinds)
    assert [name for name in left.keys() | expected.keys() if left.get(name) != expected.get(name)] == []
