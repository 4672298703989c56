"""A training on all photos: nothing is held out, so its score is unknown, and everybody who asks for one says so."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from maskfold.config import compose
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.ensembling.tree import leaves
from maskfold.errors import MaskfoldError
from maskfold.pseudo.teachers import teachers_of_folds
from maskfold.runs.lineage import read_lineage
from maskfold.runs.listing import listed, runs_by_name
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.predict import predict
from maskfold.stages.train import train

CPU = ["trainer.accelerator=cpu", "trainer.num_workers=0"]
EXPERIMENTS = Path("experiments")


def config_of(*more):
    data = ["data=carvana", "data.name=tiny", "data.root=photos", "scale=smoke", "tracker=csv", *CPU]
    config = compose("train", ["name=tiny", "fold=full", *data, "trainer.max_epochs=2", *more])
    layer = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    config.model = {"_target_": "torch.nn.Sequential", "_args_": [layer]}
    return config


@pytest.fixture
def full(trained, caplog):
    """The run folder of a member that has two folds as well."""
    with caplog.at_level("INFO"):
        train(config_of("averaging=ema", "keep_last=true"))
    return RunFolder(EXPERIMENTS / "tiny/full")


def test_its_last_epoch_is_what_it_leaves_and_it_has_seen_everything(full, caplog):
    said = "\n".join(record.getMessage() for record in caplog.get_records("setup"))
    assert "12 photos to train on and 0 to validate" in said
    assert "so its score is unknown" in said
    best, last = load_checkpoint(full.best), load_checkpoint(full.last)
    assert best["epoch"] == 1
    assert all(torch.equal(tensor, last["state_dict"][name]) for name, tensor in best["state_dict"].items())
    # What is kept is the average, which is not what the next step would be taken from.
    other = last["callbacks"]["WeightAverage"]["other"]
    assert not all(torch.equal(other[name], tensor) for name, tensor in best["state_dict"].items())
    assert pd.read_csv(full.metrics)["epoch"].tolist() == [0, 1]
    assert full.finished.exists()

    lineage, fold = read_lineage(full.path), read_lineage(EXPERIMENTS / "tiny/fold0")
    assert {*lineage.seen} >= {*fold.seen, *fold.held_out}
    assert lineage.held_out == ()
    names = runs_by_name(EXPERIMENTS)
    assert listed("tiny/full", names["tiny/full"]).cells()[2:5] == ("finished", "2", "unknown")
    assert train(config_of("averaging=ema", "keep_last=true"))["epoch"] == 1  # it is finished


def test_it_is_predicted_and_averaged_on_test_photos_alone(full):
    with pytest.raises(MaskfoldError, match=r"tiny/full: trained on all photos, .* predict split=test"):
        predict(compose("predict", ["name=tiny", "fold=full", "split=oof", *CPU]))
    predict(compose("predict", ["name=tiny", "fold=full", "split=test", *CPU]))
    told = ["ensemble=linknet34", "ensemble.members=[{experiment: tiny, folds: [full]}]", "jobs=1"]
    ensemble(compose("ensemble", [*told, "split=test"]))
    with pytest.raises(MaskfoldError, match=r"tiny/full has learned from every photo, so it has no maps out of fold"):
        ensemble(compose("ensemble", [*told, "split=oof"]))
    report = doctor(compose("doctor", ["submission=submissions/linknet34/submission.csv.gz", "jobs=1"]))
    assert any("score: unknown of experiments/tiny/full" in warning for warning in report.warnings)

    # The member is its folds, to whoever scores it or averages it without naming folds.
    assert evaluate(compose("evaluate", ["name=tiny", "jobs=1"]))["fold"].tolist() == ["0", "1", "all"]
    (leaf,) = leaves([{"experiment": "tiny"}], split="test", experiments=EXPERIMENTS)
    assert [store.parent.parent.name for store in leaf.stores] == ["fold0", "fold1"]


@pytest.mark.hostile("leaks")
def test_it_teaches_no_fold(full):
    predict(compose("predict", ["name=tiny", "fold=full", "split=test", *CPU]))
    nodes = [{"experiment": "tiny"}, {"experiment": "tiny", "folds": ["full"]}]
    with pytest.raises(MaskfoldError, match=r"Pseudo-labels of fold 0 would leak"):
        teachers_of_folds(leaves(nodes, split="test", experiments=EXPERIMENTS))
    with pytest.raises(MaskfoldError, match=r"may teach no fold, and is none itself"):
        teachers_of_folds(leaves(nodes[1:], split="test", experiments=EXPERIMENTS))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("trainer.patience=3", "trainer.patience goes by the score of photos that are held out"),
        ("keep_best=2", "keep_best goes by"),
        ("schedule.phases=[{epochs: 4, rate: 0.1, plateau: {factor: 0.5, patience: 1}}]", "plateau"),
        ("pseudo=data/tiny/pseudo", "pseudo-labels are made for folds"),
    ],
)
def test_what_only_a_score_could_decide_is_refused(trained, asked, said):
    with pytest.raises(MaskfoldError, match="fold=full") as refusal:
        train(config_of(asked))
    assert said in str(refusal.value)
