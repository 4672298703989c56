"""The stage that scores a member's out-of-fold maps."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.evaluate import evaluate


def dice_by_hand(image_id: str) -> float:
    (path,) = Path("experiments/tiny").glob(f"fold*/predictions/oof/{image_id}.b2nd")
    predicted = ProbabilityStore(path.parent).read(image_id) >= 128
    actual = cv2.imread(f"photos/train_masks/{image_id}_mask.png", cv2.IMREAD_GRAYSCALE) > 0
    return 2 * (predicted & actual).sum() / (predicted.sum() + actual.sum())


def test_results_are_per_fold_and_pooled_with_their_costs(trained):
    results = evaluate(compose("evaluate", ["name=tiny"])).set_index("fold")

    split = pd.read_csv("data/tiny/folds.csv")
    dice = split.assign(dice=[dice_by_hand(image_id) for image_id in split["image_id"]])
    assert results.index.tolist() == ["0", "1", "all"]
    for fold in (0, 1):
        assert results.loc[str(fold), "dice"] == round(dice.loc[dice["fold"] == fold, "dice"].mean(), 6)
        assert results.loc[str(fold), "epochs"] == 1
        assert results.loc[str(fold), "device"] == "cpu"
    assert results.loc["all", "dice"] == round(dice["dice"].mean(), 6)
    assert results.loc["all", "images"] == 12
    assert list(results)[2:6] == ["dice", "iou", "boundary_iou", "trimap_dice"]
    written = pd.read_csv("experiments/tiny/results.csv", dtype={"fold": str}).set_index("fold")
    np.testing.assert_allclose(written["dice"], results["dice"])
    scores = pd.read_parquet("experiments/tiny/scores.parquet")
    assert sorted(scores["image_id"]) == sorted(split["image_id"])


def test_scores_by_cluster_are_of_the_photos_that_have_one(trained, capsys, caplog):
    split = pd.read_csv("data/tiny/folds.csv")
    cars = split.groupby("group")["image_id"].first()
    Path("data/tiny/clusters.csv").write_text(
        "image_id,cluster\n" + "".join(f"{image_id},beach and sports wear and accessories\n" for image_id in cars)
    )

    evaluate(compose("evaluate", ["name=tiny", "jobs=1"]))

    scores = pd.read_parquet("experiments/tiny/scores.parquet").set_index("image_id")
    named = scores[scores["cluster"].notna()]
    assert {*named.index} == {*cars}
    assert {*scores.columns} >= {"accuracy", "iou"}
    table = pd.read_csv("experiments/tiny/clusters.csv").set_index("cluster")
    assert table.index.tolist() == ["beach and sports wear and accessories", "without a cluster", "all"]
    assert table["images"].tolist() == [6, 6, 12]
    assert table["iou"].iloc[[0, 2]].tolist() == pytest.approx([named["iou"].mean(), scores["iou"].mean()], abs=1e-6)
    wrong = []
    for image_id in scores.index:
        (path,) = Path("experiments/tiny").glob(f"fold*/predictions/oof/{image_id}.b2nd")
        truth = cv2.imread(f"photos/train_masks/{image_id}_mask.png", cv2.IMREAD_GRAYSCALE) > 0
        wrong.append(((ProbabilityStore(path.parent).read(image_id) >= 128) != truth).mean())
    assert table.loc["all", "accuracy"] == pytest.approx(1 - np.mean(wrong), abs=1e-6)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 120
    assert "beach and sports wear and accessories" in shown


@pytest.mark.hostile("metadata")
def test_metadata_of_the_names_of_scores_changes_none(trained):
    before = evaluate(compose("evaluate", ["name=tiny", "fold=0"]))
    cars = sorted(pd.read_csv("data/tiny/folds.csv")["group"].unique())
    Path("photos/metadata.csv").write_text("id,fold,dice,unconfidence\n" + "".join(f"{car},7,0.5,9\n" for car in cars))

    pd.testing.assert_frame_equal(evaluate(compose("evaluate", ["name=tiny", "fold=0"])), before)


def test_the_table_fits_and_the_last_line_is_what_one_waits_for(trained, capsys, caplog):
    with caplog.at_level("INFO"):
        results = evaluate(compose("evaluate", ["name=tiny", "jobs=1"]))

    shown = capsys.readouterr().out
    assert "peak_memory_mb" not in shown
    assert max(map(len, shown.splitlines())) <= 120
    pooled = results["dice"].iloc[-1]
    assert caplog.messages[-1].startswith(f"tiny out of fold: Dice {pooled:.5f}, 95 % interval ")
    assert caplog.messages[-1].endswith(" over 6 groups")


def test_another_metric_may_be_named_and_stands_first(trained, caplog):
    caplog.set_level("INFO")
    results = evaluate(compose("evaluate", ["name=tiny", "metric=mean_precision", "jobs=1"]))

    scores = pd.read_parquet("experiments/tiny/scores.parquet")
    by_hand = [np.mean([iou > 0.5 + 0.05 * step for step in range(10)]) for iou in scores["iou"]]
    assert list(results)[3] == "mean_precision"
    assert results["mean_precision"].iloc[-1] == pytest.approx(np.mean(by_hand), abs=1e-6)
    assert {"best_threshold", "best_mean_precision"} <= {*results}
    assert "tiny out of fold: mean precision over IoU 0.5 to 0.95 " in caplog.messages[-1]
    with pytest.raises(MaskfoldError, match=r"metric=mean_prescision: no such metric\. Did you mean mean_precision"):
        evaluate(compose("evaluate", ["name=tiny", "metric=mean_prescision"]))


def test_one_fold_alone_while_the_other_is_still_untrained(trained):
    for path in sorted(Path("experiments/tiny/fold1").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    results = evaluate(compose("evaluate", ["name=tiny", "fold=0"]))

    assert results["fold"].tolist() == ["0", "all"]
    assert results["images"].tolist() == [6, 6]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["name=nobody"], r"experiments/nobody: no fold has been trained.*make train EXP=nobody FOLD=all"),
        (["name=tiny", "fold=9"], r"fold 9 is beyond data/tiny/folds.csv, which has folds 0\.\.1"),
    ],
)
def test_what_is_asked_for_wrongly_is_named(trained, overrides, message):
    with pytest.raises(MaskfoldError, match=message):
        evaluate(compose("evaluate", overrides))


def test_a_missing_map_is_refused(trained):
    lost = sorted(Path("experiments/tiny/fold1/predictions/oof").glob("*.b2nd"))[0]
    lost.unlink()

    with pytest.raises(MaskfoldError, match=rf"tiny, out of fold: 1 of 12 images have no map:\n  {lost.stem}"):
        evaluate(compose("evaluate", ["name=tiny"]))


def test_a_double_map_is_refused(trained):
    store = Path("experiments/tiny/fold0/predictions/oof")
    double = sorted(store.glob("*.b2nd"))[0]
    (Path("experiments/tiny/fold1/predictions/oof") / double.name).write_bytes(double.read_bytes())

    with pytest.raises(MaskfoldError, match=rf"tiny: predicted out of fold twice.*\n  {double.stem}"):
        evaluate(compose("evaluate", ["name=tiny"]))


def test_a_fold_without_out_of_fold_maps_says_what_to_do(trained):
    Path("experiments/tiny/fold1/predictions/oof").rename("elsewhere")

    with pytest.raises(
        MaskfoldError, match=r"fold1/predictions/oof: no such folder.*make predict EXP=tiny FOLD=1 SPLIT=oof"
    ):
        evaluate(compose("evaluate", ["name=tiny"]))
