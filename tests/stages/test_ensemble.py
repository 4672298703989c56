"""The stage that writes a submission: what it writes, and what it refuses."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.ensembling.postprocess import largest_hull
from maskfold.errors import MaskfoldError
from maskfold.files import sha256
from maskfold.masks.rle import decode
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.submission.writer import read_submission

RECIPE = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "both", "members": [{"experiment": "tiny"}]}
WRITTEN = ("manifest.json", "scores.parquet", "submission.csv.gz")


def config(*overrides: str, **recipe):
    """Compose the stage with a recipe of the test's own."""
    composed = compose("ensemble", ["ensemble=linknet34", "jobs=1", *overrides])
    composed.ensemble = RECIPE | recipe
    return composed


def average(image_id: str, split: str = "test") -> np.ndarray:
    """Average the two folds' maps by hand, halves up."""
    stores = [ProbabilityStore(Path(f"experiments/tiny/fold{fold}/predictions/{split}")) for fold in (0, 1)]
    a, b = (store.read(image_id).astype(int) for store in stores)
    return (a + b + 1) // 2


def test_a_submission_is_the_thresholded_mean_in_the_order_of_the_sample(trained):
    scores = ensemble(config(threshold=100))

    rows = list(read_submission(Path("submissions/both/submission.csv.gz")))
    sample = [image for image, _, _ in read_submission(Path("photos/sample_submission.csv"))]
    assert [image for image, _, _ in rows] == sample
    for (image, _, rle), area in zip(rows, scores["area"], strict=True):
        expected = average(image.removesuffix(".jpg")) >= 100
        np.testing.assert_array_equal(decode(rle, 40, 60), expected)
        assert area == expected.mean()
    assert scores.columns.tolist() == [
        "image_id", "group", "view", "height", "width", "unconfidence", "area", "repaired",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_parquet("submissions/both/scores.parquet"), scores)


def test_the_sample_that_the_data_names_gives_the_order(trained):
    header, *lines = Path("photos/sample_submission.csv").read_text().splitlines()
    Path("photos/stage_1.csv").write_text("\n".join([header, *lines[::-1]]))
    ensemble(config("data=carvana", "data.root=photos", "data.sample=stage_1.csv"))

    rows = list(read_submission(Path("submissions/both/submission.csv.gz")))
    assert [image for image, _, _ in rows] == [line.partition(",")[0] for line in lines[::-1]]


def test_the_manifest_says_what_went_in(trained):
    ensemble(config())

    manifest = json.loads(Path("submissions/both/manifest.json").read_text())
    assert manifest["ensemble"] == RECIPE
    assert manifest["images"] == 8
    assert manifest["source"]["root"] == "photos"
    assert manifest["submission_sha256"] == sha256(Path("submissions/both/submission.csv.gz"))
    ((member,), weight) = manifest["members"], manifest["members"][0]["weight"]
    assert (member["name"], Fraction(weight)) == ("tiny", 1)
    checkpoints = [sha256(Path(f"experiments/tiny/fold{fold}/checkpoints/best.ckpt")) for fold in (0, 1)]
    assert [maps["checkpoint"] for maps in member["maps"]] == checkpoints
    assert not Path("submissions/both/parts").exists()


@pytest.mark.hostile("secrets")
def test_the_manifest_keeps_no_secret_of_its_data(trained, monkeypatch):
    monkeypatch.setenv("PHOTOS_TOKEN", "data.sources.Carvana")
    ensemble(config("data=carvana", "data.root=photos"))
    assert json.loads(Path("submissions/both/manifest.json").read_text())["source"]["_target_"] == "maskfold.***"


def test_the_same_on_the_training_photos_is_scored_and_kept_apart(trained):
    scores = ensemble(config("split=oof"))

    assert len(scores) == 12
    row = scores.iloc[3]
    (path,) = Path("experiments/tiny").glob(f"fold*/predictions/oof/{row.image_id}.b2nd")
    predicted = ProbabilityStore(path.parent).read(row.image_id) >= 128
    actual = cv2.imread(f"photos/train_masks/{row.image_id}_mask.png", cv2.IMREAD_GRAYSCALE) > 0
    assert row.dice == 2 * (predicted & actual).sum() / (predicted.sum() + actual.sum())
    assert Path("submissions/both/oof/submission.csv.gz").exists()
    assert not Path("submissions/both/submission.csv.gz").exists()


def test_the_worst_are_repaired_as_the_recipe_says(trained):
    repair = {"_target_": "maskfold.ensembling.recipe.Repair", "worst": 0.25, "threshold": 1}
    repair["members"] = [{"experiment": "tiny", "folds": [1]}]

    scores = ensemble(config(repair=repair))

    assert scores["repaired"].sum() == 2
    assert scores.loc[scores["repaired"], "unconfidence"].min() >= scores.loc[~scores["repaired"], "unconfidence"].max()
    rows = {image: rle for image, _, rle in read_submission(Path("submissions/both/submission.csv.gz"))}
    for row in scores.itertuples():
        if row.repaired:
            expected = ProbabilityStore(Path("experiments/tiny/fold1/predictions/test")).read(row.image_id) >= 1
        else:
            expected = average(row.image_id) >= 128
        np.testing.assert_array_equal(decode(rows[f"{row.image_id}.jpg"], 40, 60), expected)


def test_a_folder_of_pngs_joins_with_its_weight(trained):
    Path("mate").mkdir()
    for image_id in ProbabilityStore(Path("experiments/tiny/fold0/predictions/test")).paths():
        cv2.imwrite(f"mate/{image_id}.png", np.full((40, 60), 255, np.uint8))

    scores = ensemble(config(members=[{"experiment": "tiny"}, {"maps": "mate", "weight": 3}]))
    assert (scores["area"] == 1).all()  # 3/4 of 255 alone is above one half

    with pytest.raises(MaskfoldError, match=r"only folders of maps: name their photos with data="):
        ensemble(config(members=[{"maps": "mate"}]))
    named = ["data=carvana", "data.root=photos", "data.name=tiny"]
    assert len(ensemble(config(*named, members=[{"maps": "mate"}]))) == 8


@pytest.mark.parametrize(
    ("overrides", "recipe", "message"),
    [
        ([], {"members": [{"experiment": "nobody"}]}, "experiments/nobody: no fold has maps of test"),
        ([], {"members": [{"experiment": "tiny", "folds": [7]}]}, "fold7/predictions/test: no such folder"),
        ([], {"threshold": 0.5}, r"threshold=0\.5: give a whole number from 1 to 255"),
        ([], {"treshold": 100}, "Recipe: .*unexpected keyword argument 'treshold'"),
        (["split=valid"], {}, "split=valid: there are two, oof and test"),
        ([], {"members": [{"experiment": "tiny"}], "repair": {"worst": 3}}, "ensemble.repair: begin it with _target_"),
        (["data=carvana", "data.root=elsewhere"], {}, "elsewhere: no photos here"),
    ],
)
def test_what_is_asked_for_wrongly_is_named(trained, overrides, recipe, message):
    with pytest.raises(MaskfoldError, match=message):
        ensemble(config(*overrides, **recipe))


def test_maps_of_other_photos_are_refused(trained):
    shutil.copytree("photos", "more")
    shutil.copy("more/test/000000000006_01.jpg", "more/test/00000000000a_01.jpg")

    with pytest.raises(MaskfoldError, match="fold0/predictions/test: its maps are of other photos"):
        ensemble(config("data=carvana", "data.root=more", "data.name=more"))


def test_another_run_on_the_same_folder_is_refused_and_a_full_disk_named(trained):
    Path("submissions/both").mkdir(parents=True)
    Path("submissions/both/.submission.csv.gz.part").symlink_to("/dev/full")

    with pytest.raises(MaskfoldError, match=r"submission\.csv\.gz: cannot be written: No space left on device"):
        ensemble(config())

    assert not Path("submissions/both/manifest.json").exists()
    ensemble(config())
    assert all(Path(f"submissions/both/{name}").exists() for name in WRITTEN)


def test_a_step_looks_at_the_members_it_names(trained):
    Path("mate").mkdir()
    for image_id in ProbabilityStore(Path("experiments/tiny/fold0/predictions/test")).paths():
        cv2.imwrite(f"mate/{image_id}.png", np.full((40, 60), 255, np.uint8))
    members = [{"experiment": "tiny"}, {"maps": "mate", "weight": 3}]
    cut = max(int(np.median(average(f"00000000000{car}_01"))) for car in range(6, 10))
    always = {"low": -1, "high": 256, "min_area": 0, "erosion": 0, "cut": cut, "margin": 2000, "upper_half": False}
    step = {"_target_": "maskfold.ensembling.postprocess.HullRepair"} | always
    by_members = {"_target_": "maskfold.ensembling.recipe.ByMembers", "members": members[:1], "step": step}

    ensemble(config(members=members, postprocess=[by_members]))

    for image, _, rle in read_submission(Path("submissions/both/submission.csv.gz")):
        expected = largest_hull((average(image.removesuffix(".jpg")) > cut).astype(np.uint8))
        assert 0 < expected.mean() < 1  # the mean with `mate` is object everywhere
        np.testing.assert_array_equal(decode(rle, 40, 60), expected)


@pytest.mark.hostile("stale maps")
def test_half_a_merge_is_not_gone_on_with_when_the_maps_have_changed(trained, monkeypatch):
    """The maps say that they come from the same checkpoint as before, and there are others all the same."""

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("maskfold.stages.ensemble.write_submission", killed)
        with pytest.raises(KeyboardInterrupt):
            ensemble(config())
    for fold in (0, 1):
        store = ProbabilityStore(Path(f"experiments/tiny/fold{fold}/predictions/test"))
        for image_id in store.paths():
            store.write(image_id, np.full((40, 60), 255, np.uint8))

    assert set(ensemble(config())["area"]) == {1.0}


def test_the_last_line_out_of_fold_has_interval_and_gain_and_says_what_is_missing_for_it(trained, caplog):
    shutil.copytree("experiments/tiny", "experiments/twin")
    both = config("split=oof", members=[{"experiment": "tiny"}, {"experiment": "twin"}])
    with caplog.at_level("INFO"):
        ensemble(both)
    assert "the gain over its best member is not known" in caplog.messages[-1]
    assert "`make evaluate EXP=tiny` makes it." in caplog.messages[-1]

    for name in ("tiny", "twin"):
        evaluate(compose("evaluate", [f"name={name}", "jobs=1"]))
    with caplog.at_level("INFO"):
        scores = ensemble(both)
    # Of two equal members the mean is one of them: nothing is gained, in no draw of groups.
    assert caplog.messages[-1].startswith(
        f"both out of fold: Dice {round(scores['dice'].mean(), 6):.5f}, 95 % interval "
    )
    assert "over 6 groups; +0.00000 (+0.00000 to +0.00000) over its best member, tiny" in caplog.messages[-1]

    store = ProbabilityStore(Path("experiments/twin/fold0/predictions/oof"))
    image_id = next(iter(store.paths()))
    store.write(image_id, 255 - store.read(image_id))
    with caplog.at_level("INFO"):
        ensemble(both)
    assert "the scores of twin are of other maps; `make evaluate EXP=twin` scores these." in caplog.messages[-1]
