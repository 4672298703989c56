"""Soups as run folders: made of what a run has kept, refused where a mean would be no network, predicted as any."""

import json

import pandas as pd
import pytest
import torch

from maskfold.config import compose
from maskfold.engine import checkpoints
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import read_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.segmentation.fold_judge import FoldJudge
from maskfold.stages.evaluate import evaluate
from maskfold.stages.predict import predict
from maskfold.stages.soup import soup
from maskfold.stages.train import train

CPU = ["trainer.accelerator=cpu", "trainer.num_workers=0"]


def train_kept(name, *more, fold=0):
    """Train a convolution behind batch normalisation for three epochs, of which two are kept."""
    data = [
        "data=carvana",
        "data.name=tiny",
        "data.root=photos",
        "scale=smoke",
        "tracker=csv",
        "trainer.limit_batches=null",
        *CPU,
    ]
    told = [f"name={name}", f"fold={fold}", *data, "trainer.max_epochs=3", "keep_best=2", *more]
    config = compose("train", told)
    layers = [
        {"_target_": "torch.nn.BatchNorm2d", "num_features": 3},
        {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1},
    ]
    config.model = {"_target_": "torch.nn.Sequential", "_args_": layers}
    train(config)
    return RunFolder(config_path(name, fold))


def config_path(name, fold=0):
    from pathlib import Path

    return Path("experiments") / name / f"fold{fold}"


def make(*told):
    return soup(compose("soup", ["name=kept", "accelerator=cpu", "num_workers=0", "batch_size=2", *told]))


def state(path):
    return load_checkpoint(path)["state_dict"]


def test_a_soup_is_a_run_like_any_other(trained, caplog):
    run = train_kept("kept")
    kept = run.kept_checkpoints()
    assert len(kept) == 2
    with caplog.at_level("INFO"):
        row = make()
    folder = RunFolder(config_path("kept_soup"))

    # The convolution is the mean of both; the statistics are those of the six training photos, in three batches.
    mean, weight = state(folder.best), "network.model.1.weight"
    torch.testing.assert_close(mean[weight], sum(state(path)[weight] for path in kept.values()) / 2)
    assert not torch.equal(mean["network.model.0.running_mean"], state(run.best)["network.model.0.running_mean"])
    assert f"{row['val/dice']:.5f} of 2 checkpoints" in caplog.text
    assert folder.summary()["val/dice"] == row["val/dice"]
    about = json.loads(folder.run.read_text())["soup"]
    assert [one["taken"] for one in about["checkpoints"]] == [True, True]
    assert about["best_single"] == pytest.approx(pd.read_csv(run.metrics)["val/dice"].max(), abs=1e-6)

    # It has seen what the run has, and names what it was made of.
    before, after = read_lineage(run.path), read_lineage(folder.path)
    assert (after.seen, after.held_out, after.folds) == (before.seen, before.held_out, before.folds)
    assert {*after.parents} == {one["sha256"] for one in about["checkpoints"]}

    predict(compose("predict", ["name=kept_soup", "fold=0", "split=oof", *CPU]))
    results = evaluate(compose("evaluate", ["name=kept_soup", "fold=0", "jobs=1"]))
    assert len(results) == 2

    with caplog.at_level("INFO"):
        again = make()
    assert again["val/dice"] == folder.summary()["val/dice"] == row["val/dice"]  # it is there already
    assert "overwrite=true makes it again" in caplog.text
    with pytest.raises(MaskfoldError, match=r"soup\.greedy: False before, True now"):
        make("greedy=true")
    with caplog.at_level("INFO"):
        greedy = make("greedy=true", "overwrite=true")
    assert greedy["val/dice"] >= about["best_single"]
    assert "its score flatters a little" in caplog.text
    with pytest.raises(MaskfoldError, match="a soup already"):
        make("runs=[kept_soup]", "to=other")


def test_runs_of_one_beginning_are_averaged_and_others_refused_with_the_reason(trained):
    run = train_kept("kept")
    train_kept("slower", "schedule.phases=[{epochs: 3, rate: 1.0e-2}]")
    make("runs=[slower]", "to=both")
    of = json.loads(RunFolder(config_path("both")).run.read_text())["soup"]["checkpoints"]
    assert {one["checkpoint"].split("/")[1] for one in of} == {"kept", "slower"}
    assert len(of) == 4

    train_kept("seeded", "seed=1")
    with pytest.raises(MaskfoldError, match=r"not begun with the same weights: seed=1 and seed=0"):
        make("runs=[seeded]", "to=other")
    train_kept("averaged", "averaging=ema")
    with pytest.raises(MaskfoldError, match=r"are one training(.|\n)*count double"):
        make("runs=[averaged]", "to=other")
    with pytest.raises(MaskfoldError, match=r"tiny/fold0 and .*kept/fold0 differ in model"):
        make("runs=[tiny]", "to=other")
    with pytest.raises(MaskfoldError, match=r"named twice"):
        make("runs=[kept]", "to=other")
    with pytest.raises(MaskfoldError, match=r"a training, no soup"):
        make("to=tiny")
    with pytest.raises(MaskfoldError, match=r"several checkpoints, and here is one, best\.ckpt\. Train with keep_best"):
        make("name=tiny")
    for path in run.kept_checkpoints().values():
        path.unlink()
    make("runs=[slower]", "keep=1", "to=few")  # the best of each
    assert len(read_lineage(config_path("few")).parents) == 2
    with pytest.raises(MaskfoldError, match=r"both/fold0: made of other checkpoints(.|\n)*overwrite=true"):
        make("runs=[slower]", "to=both")


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("where", ["before", "within"])
def test_a_killed_soup_leaves_nothing_half(trained, where, monkeypatch):
    train_kept("kept")
    folder = RunFolder(config_path("kept_soup"))

    def killed(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if where == "before":
            patched.setattr(FoldJudge, "scores", killed)
        else:
            patched.setattr(checkpoints.torch, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            make()
    assert not folder.path.exists() if where == "before" else not folder.finished.exists() and not folder.best.exists()
    make()
    assert folder.finished.exists()
    assert load_checkpoint(folder.best)["epoch"] >= 0
