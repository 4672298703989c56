"""No network is scored on what it has seen, and no half-trained, stale or missing fold enters a mean unasked."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.files import read_json
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.blend import blend
from maskfold.stages.campaign import campaign
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.fuse import fuse
from maskfold.stages.predict import predict
from maskfold.stages.pseudo import pseudo
from maskfold.stages.report import report
from maskfold.stages.train import train

MEMBER = Path("experiments/tiny")
TINY = ["ensemble=linknet34", "ensemble.members=[{experiment: tiny}]"]
DATA = ["data=carvana", "data.name=tiny", "data.root=photos"]
JUDGES = {
    "evaluate": lambda: evaluate(compose("evaluate", ["name=tiny"])),
    "ensemble": lambda: ensemble(compose("ensemble", [*TINY, "split=oof", "jobs=1"])),
    "blend": lambda: blend(compose("blend", [*TINY, "jobs=1"])),
}


def swap_folds() -> None:
    """Write the split anew: what was fold 0 is fold 1, so each network is to be scored on all that it has seen."""
    path = Path("data/tiny/folds.csv")
    split = pd.read_csv(path, dtype={"group": str})
    split.assign(fold=1 - split["fold"]).to_csv(path, index=False)


def predict_seen_photos() -> None:
    """Leave maps as an earlier version did: each network's, of the photos that it was trained on."""
    swap_folds()
    stores = [MEMBER / f"fold{fold}/predictions/oof" for fold in (0, 1)]
    origins = [store.joinpath("store.json").read_bytes() for store in stores]
    stores[0].rename("aside")
    stores[1].rename(stores[0])
    Path("aside").rename(stores[1])
    for store, origin in zip(stores, origins, strict=True):
        store.joinpath("store.json").write_bytes(origin)


@pytest.mark.hostile("leaks")
def test_a_network_does_not_predict_out_of_fold_what_it_was_trained_on(trained):
    swap_folds()
    for fold in (0, 1):
        shutil.rmtree(MEMBER / f"fold{fold}/predictions/oof")

    with pytest.raises(
        MaskfoldError, match=r"tiny/fold0 has learned from 6 of the 6 photos(.|\n)*\n  0.*_01 \(group 0"
    ):
        predict(compose("predict", ["name=tiny", "fold=0", "split=oof", "trainer.accelerator=cpu"]))
    assert not (MEMBER / "fold0/predictions/oof").exists()


@pytest.mark.hostile("leaks")
@pytest.mark.parametrize("judge", JUDGES)
def test_maps_of_photos_that_their_network_has_seen_are_not_scored(trained, judge):
    predict_seen_photos()

    with pytest.raises(MaskfoldError, match=r"tiny/fold0 has learned from 6 of the 6 photos"):
        JUDGES[judge]()


@pytest.mark.hostile("leaks")
def test_a_report_shows_no_scores_that_leak(trained):
    JUDGES["ensemble"]()
    predict_seen_photos()

    with pytest.raises(MaskfoldError, match=r"nothing to report on(.|\n)*fold0 has learned from 6 of the 6 photos"):
        report(compose("report", TINY))


@pytest.mark.hostile("leaks")
def test_folds_that_have_changed_names_are_not_scored_as_the_old_ones(trained):
    swap_folds()

    with pytest.raises(MaskfoldError, match=r"folds\.csv: 12 photos are in another fold than the one that predicted"):
        JUDGES["evaluate"]()


@pytest.mark.hostile("leaks")
def test_a_campaign_refuses_another_split_before_anything_runs(trained, monkeypatch):
    monkeypatch.setattr("maskfold.stages.campaign._run", lambda *_, **__: pytest.fail("it has begun"))
    swap_folds()

    with pytest.raises(MaskfoldError, match=r"tiny/fold0 was trained with another configuration:\n  folds: \w+ before"):
        campaign(compose("campaign", TINY))


@pytest.mark.hostile("leaks")
def test_a_run_of_an_older_version_says_what_it_has_seen_if_that_can_be_proven(trained):
    record = MEMBER / "fold0/seen.json"
    before = read_json(record)
    record.unlink()
    with pytest.raises(MaskfoldError, match=r"fold0/seen\.json: missing, so nobody knows what"):
        JUDGES["evaluate"]()

    again = compose("train", ["name=tiny", *DATA, "scale=smoke", "trainer.accelerator=cpu"])
    again.model = RunFolder(MEMBER / "fold0").read_config()["model"]
    train(again)

    assert read_json(record) == before | {"photos": {}, "masks": {}}
    JUDGES["evaluate"]()
    record.unlink()
    swap_folds()
    with pytest.raises(MaskfoldError, match=r"folds: \w+ before"):
        train(again)
    assert not record.exists()


def merge(*overrides: str) -> pd.DataFrame:
    return ensemble(compose("ensemble", ["ensemble=linknet34", "jobs=1", *overrides]))


@pytest.mark.hostile("stale maps")
def test_maps_of_a_half_trained_run_are_taken_only_by_name(trained, caplog):
    (MEMBER / "fold1/finished").unlink()

    for stage in (lambda: merge(TINY[1]), lambda: pseudo(compose("pseudo", TINY)), JUDGES["evaluate"]):
        with pytest.raises(MaskfoldError, match=r"tiny/fold1: not trained to its end(.|\n)*folds: \[0, 1\]"):
            stage()

    assert not caplog.records
    assert len(merge("ensemble.members=[{experiment: tiny, folds: [0, 1]}]")) == 8
    assert "fold1: not trained to its end" in caplog.text
    evaluate(compose("evaluate", ["name=tiny", "fold=1"]))


@pytest.mark.hostile("stale maps")
def test_maps_of_older_weights_than_the_run_has_are_refused_by_name_too(trained):
    best = MEMBER / "fold1/checkpoints/best.ckpt"
    checkpoint = torch.load(best, weights_only=True)
    torch.save(checkpoint | {"epoch": 7}, best)

    with pytest.raises(MaskfoldError, match=r"fold1/predictions/test: its maps come from other weights than .*best"):
        merge("ensemble.members=[{experiment: tiny, folds: [0, 1]}]")
    with pytest.raises(MaskfoldError, match=r"fold1/predictions/oof: its maps come from other weights"):
        JUDGES["evaluate"]()
    assert len(merge("ensemble.members=[{experiment: tiny, folds: [0]}]")) == 8


@pytest.mark.hostile("stale maps")
def test_maps_of_a_snapshot_stay_good_while_it_is_there(trained):
    shutil.copy(MEMBER / "fold0/checkpoints/best.ckpt", MEMBER / "fold0/checkpoints/snapshot0.ckpt")
    torch.save({"state_dict": {}}, MEMBER / "fold0/checkpoints/best.ckpt")

    assert len(merge("ensemble.members=[{experiment: tiny, folds: [0]}]")) == 8


@pytest.mark.hostile("stale maps")
@pytest.mark.parametrize("lost", ["fold1", "fold1/predictions/test"])
def test_a_fold_without_maps_is_not_left_out_of_the_mean_unasked(trained, lost):
    shutil.rmtree(MEMBER / lost)

    with pytest.raises(
        MaskfoldError,
        match=r"fold1/predictions/test: no such folder, so tiny would be the mean of fewer networks(.|\n)*"
        r"FOLD=1 SPLIT=test(.|\n)*\{experiment: tiny, folds: \[0\]\}",
    ):
        merge(TINY[1])
    assert len(merge("ensemble.members=[{experiment: tiny, folds: [0]}]")) == 8


@pytest.mark.hostile("stale maps")
def test_a_network_that_is_missing_is_not_left_out_of_one_pass(trained):
    shutil.rmtree(MEMBER / "fold1")

    with pytest.raises(MaskfoldError, match=r"tiny: not trained to the end: experiments/tiny/fold1\."):
        fuse(compose("fuse", [*TINY, "trainer.accelerator=cpu"]))
