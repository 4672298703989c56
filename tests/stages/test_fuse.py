"""Predicting with a whole ensemble in one pass: against one pass a network, killed, and asked for what it cannot do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.leaderboard.results import read_out_of_fold, read_result
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.ensemble import ensemble
from maskfold.stages.fuse import fuse
from maskfold.stages.predict import predict

STORE = Path("submissions/tiny/fused")
CHECKPOINT = Path("experiments/tiny/fold1/checkpoints/best.ckpt")
BOTH = "{experiment: tiny}"
ONES = ["{experiment: tiny, folds: [0]}", "{experiment: tiny, folds: [1]}"]
HULL = "{_target_: maskfold.ensembling.postprocess.HullRepair, low: 0, high: 255, min_area: 1, cut: 128}"
BY_MEMBERS = f"{{_target_: maskfold.ensembling.recipe.ByMembers, members: [{ONES[1]}], step: {HULL}}}"
# The hull of the second fold's mean, in masks of the first one's; of all photos, so that none needs the mean of both.
REPAIR = f"{{_target_: maskfold.ensembling.recipe.Repair, worst: 8, members: [{ONES[0]}], steps: [{BY_MEMBERS}]}}"

CPU = ["split=test", "trainer.accelerator=cpu"]


def options(members: str = BOTH) -> list[str]:
    return ["ensemble=linknet34", "ensemble.name=tiny", f"ensemble.members=[{members}]"]


def fuse_tiny(*overrides: str, members: str = BOTH) -> ProbabilityStore:
    return fuse(compose("fuse", [*options(members), "trainer.accelerator=cpu", *overrides]))


def change_run(fold: int, **changes) -> None:
    """Change the configuration that a fold is predicted with."""
    path = Path(f"experiments/tiny/fold{fold}/config.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


@pytest.fixture
def apart(trained) -> None:
    """The two folds' networks far from each other, so that their weights in a mean can be seen."""
    checkpoint = torch.load(CHECKPOINT, weights_only=True)
    bias = next(key for key in checkpoint["state_dict"] if key.endswith("bias"))
    checkpoint["state_dict"][bias] += 2.5
    torch.save(checkpoint, CHECKPOINT)


def unfused() -> dict[str, np.ndarray]:
    """Return the maps of one pass a network, averaged with the weights 3 and 1 in float64."""

    stores = [
        predict(compose("predict", ["name=tiny", f"fold={k}", "store=new", "trainer.accelerator=cpu"])) for k in (0, 1)
    ]
    ids = sorted(stores[0].paths())
    return {name: (3.0 * stores[0].read(name) + stores[1].read(name)) / 4 for name in ids}


WEIGHTED = "{experiment: tiny, folds: [0], weight: 3}, {experiment: tiny, folds: [1]}"


@pytest.mark.parametrize("differing", [{}, {"tta": "hflip"}, {"geometry": {"_target_": "maskfold.data.geometry.Pad"}}])
def test_one_pass_is_many_passes_within_the_rounding_of_their_maps(apart, differing):
    change_run(1, **differing)
    expected = unfused()

    store = fuse_tiny(members=WEIGHTED)

    assert sorted(store.paths()) == sorted(expected)
    assert store.folder == STORE
    for name, mean in expected.items():
        # Each map of the mean was rounded by up to 0.5 of 255, and so is this one.
        assert np.abs(store.read(name) - mean).max() <= 1 + 1e-3
    spread = np.abs(ProbabilityStore(Path("experiments/tiny/fold0/predictions/new")).read(name) - expected[name])
    assert spread.max() > 5  # or the test would see no weights


def test_the_submission_of_fused_maps_is_that_of_the_members_own(trained):
    ids = fuse_tiny().paths()
    whole = ensemble(compose("ensemble", [*options(), "jobs=1"]))

    fused = ensemble(compose("ensemble", [*options(), "jobs=1", "fused=true"]))

    assert sorted(fused["image_id"]) == sorted(ids)
    np.testing.assert_allclose(fused["area"], whole["area"], atol=0.02)
    manifest = json.loads(Path("submissions/tiny/manifest.json").read_text())
    assert [member["name"] for member in manifest["members"]] == ["tiny"]
    assert [len(maps["checkpoint"]) for maps in manifest["members"][0]["maps"]] == [64, 64]


def test_a_fused_submission_has_the_out_of_fold_score_of_its_members(trained):
    fuse_tiny()
    ensemble(compose("ensemble", [*options(), "jobs=1", "fused=true"]))
    ensemble(compose("ensemble", [*options(), "jobs=1", "split=oof"]))
    submission = Path("submissions/tiny/submission.csv.gz")
    scores, _ = read_out_of_fold(submission, read_result(submission))
    assert len(scores) == 12


def test_a_killed_pass_goes_on_and_leaves_the_same_bytes(trained, monkeypatch):
    store = fuse_tiny("trainer.batch_size=2")
    whole = {path.name: path.read_bytes() for path in STORE.iterdir()}
    for path in store.paths().values():
        path.unlink()
    real, done = ProbabilityStore.write, []

    def killed(self, image_id, probability):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(image_id)
        real(self, image_id, probability)

    monkeypatch.setattr(ProbabilityStore, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        fuse_tiny("trainer.batch_size=2")
    assert len(store.paths()) == 3
    monkeypatch.setattr(ProbabilityStore, "write", real)

    fuse_tiny("trainer.batch_size=2")

    assert {path.name: path.read_bytes() for path in STORE.iterdir()} == whole


def test_means_of_some_members_are_kept_beside_the_mean_of_all(apart):
    for before in Path("experiments/tiny").glob("fold?/predictions/test"):
        shutil.rmtree(before)
    own = [predict(compose("predict", ["name=tiny", f"fold={k}", *CPU])) for k in (0, 1)]
    recipe = [f"ensemble.repair={REPAIR}"]
    asked = [*options(WEIGHTED), "jobs=1"]
    plain = ensemble(compose("ensemble", [*asked, *recipe, "ensemble.repair.steps=[]"]))["area"]
    expected = ensemble(compose("ensemble", [*asked, *recipe]))
    submitted = Path("submissions/tiny/submission.csv.gz").read_bytes()
    manifest = json.loads(Path("submissions/tiny/manifest.json").read_text())
    usual = {name: path.read_bytes() for name, path in fuse_tiny(members=WEIGHTED).paths().items()}

    store = fuse_tiny(*recipe, members=WEIGHTED)
    fused = ensemble(compose("ensemble", [*asked, *recipe, "fused=true"]))

    assert {name: path.read_bytes() for name, path in store.paths().items()} == usual
    parts = [ProbabilityStore(folder) for folder in Path("submissions/tiny").glob("fused_*")]
    maps = [{name: part.read(name).tobytes() for name in usual} for part in parts]
    assert len(maps) == 2
    assert all({name: one.read(name).tobytes() for name in usual} in maps for one in own)
    # Maps of a network alone are its own to the last bit, and so is what is made of them.
    assert fused["repaired"].all()
    assert Path("submissions/tiny/submission.csv.gz").read_bytes() == submitted
    np.testing.assert_array_equal(fused["area"], expected["area"])
    assert (expected["area"] != plain).any()
    now = json.loads(Path("submissions/tiny/manifest.json").read_text())
    for key in ("members", "repair_members"):
        assert [one["name"] for one in now[key]] == [one["name"] for one in manifest[key]]
        hashes = [[maps["checkpoint"] for one in each[key] for maps in one["maps"]] for each in (now, manifest)]
        assert hashes[0] == hashes[1]


@pytest.mark.hostile("killed")
def test_a_killed_pass_of_several_means_goes_on_and_leaves_the_same_bytes(trained, monkeypatch):
    asked = ["trainer.batch_size=2", f"ensemble.repair={REPAIR}", "trainer.writers=1"]  # one after another
    store = fuse_tiny(*asked, members=WEIGHTED)
    folders = sorted(Path("submissions/tiny").glob("fused*"))
    whole = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
    written = [path for path in whole if path.suffix == ".b2nd"]
    assert len(written) == 3 * len(store.paths())
    for path in written:
        path.unlink()
    real, done = ProbabilityStore.write, []

    def killed(self, image_id, probability):
        if len(done) == 4:  # of the second photo there is one map of three
            raise KeyboardInterrupt
        done.append(image_id)
        real(self, image_id, probability)

    monkeypatch.setattr(ProbabilityStore, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        fuse_tiny(*asked, members=WEIGHTED)
    assert {path: path.read_bytes() for path in written if path.exists()}.items() <= whole.items()
    assert len(store.paths()) == 1  # the mean of all comes last
    monkeypatch.setattr(ProbabilityStore, "write", real)
    with pytest.raises(MaskfoldError, match="images have no map"):
        ensemble(compose("ensemble", [*options(WEIGHTED), asked[1], "jobs=1", "fused=true"]))

    fuse_tiny(*asked, members=WEIGHTED)

    assert {path: path.read_bytes() for folder in folders for path in folder.iterdir()} == whole


@pytest.mark.hostile("stale maps")
def test_a_mean_of_some_members_by_older_weights_is_refused(trained):
    recipe = f"ensemble.repair={REPAIR}"
    fuse_tiny(members=WEIGHTED)
    with pytest.raises(MaskfoldError, match=r"tiny/fused_\w{8}: nothing has been predicted in one pass yet"):
        ensemble(compose("ensemble", [*options(WEIGHTED), recipe, "fused=true"]))
    fuse_tiny(recipe, members=WEIGHTED)
    checkpoint = torch.load(CHECKPOINT, weights_only=True)
    torch.save(checkpoint | {"more": 1}, CHECKPOINT)
    shutil.rmtree(STORE)
    with pytest.raises(MaskfoldError, match=r"tiny/fused_\w{8}: holds maps of something else:\n.*fold1"):
        fuse_tiny(recipe, members=WEIGHTED)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["ensemble.members=[{maps: experiments}]"], "experiments: a folder of maps has no network that could predict"),
        (["ensemble.members=[{experiment: tiny, store: test}]"], "a store has maps, not networks"),
        (["ensemble.members=[{experiment: tiny, folds: [0, 7]}]"], r"not trained to the end: experiments/tiny/fold7\."),
        (["ensemble.members=[{experiment: huge}]"], "huge: not trained to the end: experiments/huge"),
        (
            ["ensemble.repair={_target_: maskfold.ensembling.recipe.Repair, worst: 2, members: [{maps: experiments}]}"],
            "experiments: a folder of maps has no network that could predict",
        ),
        (["+trainer.epochs=3"], r"trainer\.epochs: no such key"),
    ],
)
def test_what_cannot_be_done_in_one_pass_is_refused(trained, overrides, message):
    with pytest.raises(MaskfoldError, match=message):
        fuse_tiny(*overrides)
    assert not STORE.exists()


def test_a_fold_that_is_still_in_training_is_refused(trained):
    Path("experiments/tiny/fold1/finished").unlink()

    with pytest.raises(MaskfoldError, match=r"not trained to the end: experiments/tiny/fold1\. Train it first"):
        fuse_tiny()


def test_members_of_other_data_are_refused_unless_the_photos_are_named(trained):
    data = yaml.safe_load(Path("experiments/tiny/fold1/config.yaml").read_text())["data"]
    change_run(1, data=data | {"root": "elsewhere"})

    with pytest.raises(MaskfoldError, match="experiments/tiny/fold1 was trained on other data than tiny"):
        fuse_tiny()

    assert fuse_tiny("data=carvana", "data.name=tiny", "data.root=photos").paths()


def test_members_from_before_the_limit_of_pixels_are_of_the_same_data(trained):
    data = yaml.safe_load(Path("experiments/tiny/fold1/config.yaml").read_text())["data"]
    change_run(1, data={key: value for key, value in data.items() if key != "max_pixels"})
    assert fuse_tiny().paths()


def test_a_store_of_other_networks_is_neither_added_to_nor_submitted(trained):
    fuse_tiny()
    checkpoint = torch.load(CHECKPOINT, weights_only=True)
    torch.save(checkpoint | {"more": 1}, CHECKPOINT)

    with pytest.raises(MaskfoldError, match=r"holds maps of something else:\n.*fold1"):
        fuse_tiny()
    with pytest.raises(MaskfoldError, match=r"different are:\n.*fold1\nDelete the folder"):
        ensemble(compose("ensemble", [*options(), "fused=true"]))


def test_a_submission_before_the_prediction_says_what_comes_first(trained):
    with pytest.raises(MaskfoldError, match=r"Run make fuse first"):
        ensemble(compose("ensemble", [*options(), "fused=true"]))
    with pytest.raises(MaskfoldError, match="only test photos are predicted in one pass"):
        ensemble(compose("ensemble", [*options(), "fused=true", "split=oof"]))
