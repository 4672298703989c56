"""The stage that fills the stores, on a member that was trained for two steps."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from maskfold.config import compose
from maskfold.data.folds import read_folds
from maskfold.data.sources import Carvana
from maskfold.ensembling.tree import leaves, open_members
from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.prediction.splits import photos_of
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.predict import predict

FOLD = Path("experiments/tiny/fold0")


def config(*overrides: str):
    return compose("predict", ["name=tiny", "trainer.accelerator=cpu", *overrides])


def test_out_of_fold_maps_are_of_the_folds_own_images_and_test_maps_of_all_test_images(trained):
    table = Carvana(root="photos", name="tiny").load()
    folds = read_folds(Path("data/tiny/folds.csv"), table)
    test = table[table["split"] == "test"]

    for fold in (0, 1):
        predictions = Path(f"experiments/tiny/fold{fold}/predictions")
        own = folds.loc[folds["fold"] == fold, "image_id"]
        assert sorted(ProbabilityStore(predictions / "oof").paths()) == sorted(own)
        assert sorted(ProbabilityStore(predictions / "test").paths()) == sorted(test["image_id"])
        assert ProbabilityStore(predictions / "oof").read(own.iloc[0]).shape == (40, 60)


def test_what_is_there_is_kept_and_what_is_missing_comes_back_the_same(trained):
    folder = FOLD / "predictions/test"
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*.b2nd")}
    lost = sorted(before)[2]
    (folder / lost).unlink()

    predict(config("split=test"))

    after = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*.b2nd")}
    assert after[lost][1] == before[lost][1]
    assert {name for name in after if after[name][0] != before[name][0]} == {lost}


def test_the_origin_says_which_checkpoint_photos_and_augmentation(trained):
    origin = json.loads((FOLD / "predictions/test/store.json").read_text())

    assert origin.keys() == {"data", "checkpoint", "tta"}
    assert origin["tta"] == "none"
    assert len(origin["checkpoint"]) == 64


def test_other_augmentation_needs_another_store(trained):
    with pytest.raises(MaskfoldError, match="tta: none before, hflip now"):
        predict(config("split=test", "tta=hflip"))

    store = predict(config("split=test", "tta=hflip", "store=test_hflip"))

    assert store.folder == FOLD / "predictions/test_hflip"
    plain = ProbabilityStore(FOLD / "predictions/test").read("000000000006_01")
    assert not np.array_equal(store.read("000000000006_01"), plain)


def test_another_geometry_than_in_training_is_said_and_needs_another_store(trained):
    larger = ["split=test", "geometry.height=96", "geometry.width=128"]  # 64x96 in training
    with pytest.raises(MaskfoldError, match=r"geometry: None before, \{'height': 96, 'width': 128\} now"):
        predict(config(*larger))

    store = predict(config(*larger, "store=test_large"))

    assert json.loads((store.folder / "store.json").read_text())["geometry"] == {"height": 96, "width": 128}
    assert store.read("000000000006_01").shape == (40, 60)
    with pytest.raises(MaskfoldError, match=r"geometry: \{'height': 96, 'width': 128\} before, None now"):
        predict(config("split=test", "geometry.height=64", "store=test_large"))  # as in training
    members = leaves([{"experiment": "tiny", "store": "{split}"}], split="test", experiments=Path("experiments"))
    mixed = replace(members[0], stores=(store.folder, members[0].stores[1]))
    photos = photos_of(Carvana(root="photos", name="tiny").load(), "test")
    with pytest.raises(MaskfoldError, match=r"fold1/.*: predicted with geometry=\{\}, and .*fold0/.*test_large with"):
        open_members([mixed], photos, split="test")


@pytest.mark.hostile("wrong input")
def test_a_geometry_that_the_network_cannot_take_is_refused(trained, monkeypatch):
    monkeypatch.setattr(Network, "stride", 32)
    refused = {
        "overlap=8": r"geometry\.overlap=8: the run was trained with Resize, which has height, width",
        "height=50": r"geometry\.height=50, .*: the network needs multiples of 32",
        "height=0": "geometry.*height",
    }
    for asked, message in refused.items():
        with pytest.raises(MaskfoldError, match=message):
            predict(config("split=test", "store=other", f"geometry.{asked}"))
    assert not (FOLD / "predictions/other").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["fold=5"], r"experiments/tiny/fold5: no run here \(config.yaml is missing\)\. Train this fold first"),
        (["split=valid"], "split=valid: there are two, oof and test"),
        (["tta=rot90"], "tta=rot90 is unknown: choose one of none, hflip"),
        (["checkpoint=epoch7"], r"epoch7\.ckpt: no such checkpoint"),
        (["data=carvana", "data.root=elsewhere"], "elsewhere: no photos here"),
    ],
)
def test_what_is_asked_for_wrongly_is_named(trained, overrides, message):
    with pytest.raises(MaskfoldError, match=message):
        predict(config(*overrides))


def test_a_damaged_checkpoint_is_named(trained):
    checkpoint = FOLD / "checkpoints/best.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])

    with pytest.raises(MaskfoldError, match=r"best\.ckpt: not a readable checkpoint"):
        predict(config())


def test_a_checkpoint_of_other_code_is_named(trained):
    torch.save({"state_dict": {}}, FOLD / "checkpoints/best.ckpt")

    with pytest.raises(MaskfoldError, match=r"best\.ckpt: does not say how its network was built"):
        predict(config())


def test_data_without_test_photos_cannot_be_predicted(trained):
    for photo in Path("photos/test").iterdir():
        photo.unlink()

    with pytest.raises(MaskfoldError, match="split=test: the data has no test photos"):
        predict(config("split=test"))


def test_a_trainer_key_that_nothing_reads_is_refused(trained):
    with pytest.raises(MaskfoldError, match=r"trainer\.epochs: no such key\. .*There are trainer\.batch_size, "):
        predict(config("+trainer.epochs=3"))


def test_the_runs_own_configuration_is_what_is_used(trained):
    changed = OmegaConf.load(FOLD / "config.yaml")
    changed.tta = "hflip"
    OmegaConf.save(changed, FOLD / "config.yaml")

    with pytest.raises(MaskfoldError, match="tta: none before, hflip now"):
        predict(config("split=test"))
