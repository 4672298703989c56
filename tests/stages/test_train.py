"""The training stage: what it leaves, what it refuses, and how it goes on when it was stopped by hand."""

import json
import signal
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from hydra.errors import ConfigCompositionException, MissingConfigException

from maskfold.config import build, compose
from maskfold.data.class_table import ClassTable
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.prediction.members import load_network
from maskfold.runs.run_folder import RunFolder
from maskfold.stages import train as stage
from maskfold.stages.train import train

SMALL = ["experiment=linknet34", "model=unet_scratch", "model.widths=[8,8]", "trainer.accelerator=cpu"]
SMALL += ["trainer.num_workers=0", "geometry=resize", "geometry.height=64", "geometry.width=64", "trainer.batch_size=2"]


def start(folder, arguments):
    """Start the stage in a folder and a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "maskfold.stages.train", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process):
    """Wait for a process; return its exit status and what it said."""
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


@pytest.mark.slow  # the signal has to come between two epochs: beside the whole suite it may come too late
@pytest.mark.hostile("killed")
@pytest.mark.parametrize(("how", "status", "by"), [(signal.SIGINT, 1, ""), (signal.SIGTERM, 143, " by SIGTERM")])
def test_a_run_that_is_stopped_says_how_to_go_on_and_does(how, status, by, server, tmp_path, workplace, caplog):
    # Small checkpoints, and epochs enough that not all of them are over when the signal comes.
    arguments = ["experiment=demo_unet", "scale=smoke", *workplace, "trainer.max_epochs=12", "trainer.accelerator=cpu"]
    run = tmp_path / "experiments/demo_unet/fold0"

    def is_in_the_second_epoch():
        log, last = run / "metrics.csv", run / "checkpoints/last.ckpt"  # the checkpoint follows the epoch's row
        return log.exists() and last.exists() and last.stat().st_mtime > log.stat().st_mtime

    ended = server.run(tmp_path, ["train", *arguments], interrupt_when=is_in_the_second_epoch, interrupt_by=how)
    assert ended["status"] == status
    said = tmp_path.with_suffix(".log").read_text()
    assert f"\nStopped{by}. Run the same command again to go on from what is finished.\n" in said
    assert "Traceback" not in said
    finished = len(pd.read_csv(run / "metrics.csv"))
    assert 1 <= finished < 12

    with caplog.at_level("INFO"):
        train(compose("train", arguments))
    # SIGTERM keeps the step it comes behind, unless that is an epoch's last.
    assert f"Going on after epoch {finished}" in caplog.text or f"Going on in epoch {finished + 1}" in caplog.text
    assert pd.read_csv(run / "metrics.csv")["epoch"].tolist() == list(range(12))


@pytest.mark.slow  # two processes that import torch; tests/stages/test_ranks.py has the quick one
def test_two_ranks_share_an_epoch_and_keep_one_folder(tmp_path, workplace):
    ranks = ["trainer.devices=2", "trainer.strategy=ddp", "trainer.hard_negatives_every=2", "averaging=ema"]
    ranks += ["keep_last=true"]
    status, said = end(start(tmp_path, [*SMALL, *workplace, *ranks, "trainer.batch_size=1", "trainer.max_epochs=1"]))
    assert status == 0, said
    run = tmp_path / "experiments/linknet34/fold0"
    assert (run / "finished").exists()
    assert load_checkpoint(run / "checkpoints/last.ckpt")["global_step"] == 4  # of 6 photos three a rank, one repeated
    assert len(pd.read_csv(run / "metrics.csv")) == 1


@pytest.fixture
def smoke(workplace):
    """The overrides of a run of two steps."""
    return [*SMALL, *workplace, "scale=smoke"]


def test_run_folder_is_complete_and_a_finished_run_is_left_alone(tmp_path, smoke):
    best = train(compose("train", smoke))
    run = tmp_path / "experiments/linknet34/fold0"
    names = {entry.name for entry in run.iterdir()}
    assert {"config.yaml", "run.json", "metrics.csv", "checkpoints", "finished"} <= names
    assert best["epoch"] == 0
    assert 0 <= best["val/dice"] <= 1
    network = load_network(run / "checkpoints/best.ckpt")
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 1, 64, 96)

    before = (run / "metrics.csv").stat().st_mtime_ns
    assert train(compose("train", smoke)) == best
    assert (run / "metrics.csv").stat().st_mtime_ns == before
    with pytest.raises(MaskfoldError, match=r"seed: 0 before, 1 now(.|\n)*name="):
        train(compose("train", [*smoke, "seed=1"]))
    train(compose("train", [*smoke, "seed=1", "overwrite=true"]))
    assert (run / "metrics.csv").stat().st_mtime_ns != before


def test_samples_may_be_changed_on_the_device_and_the_run_says_where(tmp_path, smoke):
    runs = {}
    for name, more in {"host": [], "device": ["augment.device=device"]}.items():
        train(compose("train", [*smoke, *more, "augment=flip", f"name={name}"]))
        folder = RunFolder(tmp_path / f"experiments/{name}/fold0")
        runs[name] = json.loads(folder.run.read_text()), load_checkpoint(folder.best)["state_dict"]
    assert [runs[name][0]["augmented_on"] for name in ("host", "device")] == ["cpu", "device"]
    # A flip has the same bytes wherever it is made, and so has what is learned from it.
    assert all(torch.equal(one, runs["device"][1][key]) for key, one in runs["host"][1].items())
    with pytest.raises(MaskfoldError, match=r"augment\.device: device before, cpu now"):
        train(compose("train", [*smoke, "augment=flip", "augment.device=cpu", "name=device"]))


def test_clusters_that_an_epoch_is_balanced_by_are_part_of_the_run(tmp_path, workplace, caplog):
    balanced = ["experiment=demo_unet", "scale=smoke", *workplace, "trainer.accelerator=cpu", "balance=1"]
    balanced += ["trainer.batch_size=auto", "trainer.effective_batch=2"]
    with pytest.raises(MaskfoldError, match=r"balance=1: .*make clusters DATA=photos"):
        train(compose("train", balanced))
    clusters = tmp_path / "data/photos/clusters.csv"
    clusters.write_text("image_id,cluster\ncar1_01,rare\n")
    with caplog.at_level("INFO"):
        train(compose("train", [*balanced, "+cluster_weights.rare=2"]))
    assert "rare: 1 photo, 50.0% of an epoch" in caplog.text

    clusters.write_text("image_id,cluster\ncar3_01,rare\n")
    says = r"clusters: 1 cluster of 6 photos \(\w+\) before, 1 cluster of 6 photos \(\w+\) now"
    with pytest.raises(MaskfoldError, match=says):
        train(compose("train", [*balanced, "+cluster_weights.rare=2"]))


def test_fold_beyond_the_split_is_refused(smoke):
    with pytest.raises(MaskfoldError, match=r"fold 2 is beyond data/photos/folds.csv, which has folds 0..1"):
        train(compose("train", [*smoke, "fold=2"]))


def test_another_split_may_be_named_for_the_data(tmp_path, smoke):
    config = compose("train", [*smoke, "+splits.photos=other.csv", "data.name=photos"])
    assert config.split_file == "other.csv"
    with pytest.raises(MaskfoldError, match=r"other\.csv: the data has no split yet"):
        train(config)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["trainer.max_epoch=3"], ConfigCompositionException),
        (["max_epochs=3"], ConfigCompositionException),
        (["seed=first"], ConfigCompositionException),
        (["loss=unknown"], MissingConfigException),
        (["experiment=unknown"], MissingConfigException),
    ],
)
def test_unknown_names_are_refused_by_the_composition(arguments, error):
    with pytest.raises(error):
        compose("train", ["experiment=linknet34", *arguments])


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("+trainer.max_epoch=3", r"trainer\.max_epoch: no such key\. Did you mean trainer\.max_epochs\? There are"),
        ("+trainer.monitor=val/loss", r"trainer\.monitor: no such key"),
        ("+model.depth=3", r"maskfold\.models\.unet\.UNetScratch: .*depth"),
        ("+geometry.depth=3", r"Resize: .*depth"),
        ("tta=vflip", "vflip"),
        ("trainer.hard_negatives_every=0", "hard_negatives_every=0"),
    ],
)
def test_keys_that_nobody_reads_are_refused_before_training(smoke, argument, told):
    with pytest.raises(MaskfoldError, match=told):
        train(compose("train", [*smoke, argument]))


def test_each_seed_mixes_photos_in_its_own_way_and_a_run_that_goes_on_as_before():
    products = pd.DataFrame({"label": ["ale", "bread"], "class_index": [0, 1]})
    rows, source = SimpleNamespace(training=products), SimpleNamespace(outputs=2)
    batch = {"image": torch.arange(2 * 3 * 8 * 8).reshape(2, 3, 8, 8).to(torch.uint8), "target": torch.tensor([0, 1])}

    tiny = ["model=classifier", "model.architecture=test_resnet", "model.weights=null", "model.width=16"]
    config = compose("train", ["task=recognition", *tiny, "mixup=1"])

    def mixed(seed):
        config.seed = seed
        parts = build(config.task, classes=ClassTable.empty().extended(products))
        task = stage._task(config, parts, None, None, source, rows, {})
        return task.objective.prepared(batch, seed=(3, 1, 0))["target"]

    first, again, second, third = (mixed(seed) for seed in (0, 0, 1, 2))

    assert torch.equal(first, again)
    assert len({first[0, 0].item(), second[0, 0].item(), third[0, 0].item()}) == 3
