"""Four classes from the networks to the rows of a submission: maps, averages, masks, labels and who refuses what."""

import shutil
from contextlib import chdir
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from maskfold import arrays, files
from maskfold.analysis.tables import label_table
from maskfold.config import compose
from maskfold.data.loading import read_mask, read_soft_mask
from maskfold.data.sources import Carvana
from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Rules
from maskfold.masks.scoring import Judged
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.blend import blend
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.fuse import fuse
from maskfold.stages.predict import predict
from maskfold.stages.pseudo import pseudo
from maskfold.stages.report import report
from maskfold.stages.tune import tune
from maskfold.submission.writer import read_lines

CLASSES = ["car", "road", "left", "door"]
THRESHOLDS = {"door": 140, "car": 110, "left": 120, "road": 130}
RULES = {"columns": {"id": "{image_id}_{class}", "pixels": "{runs}"}, "order": "columns", "empty": "-"}
RECIPE = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "four", "members": [{"experiment": "tiny"}]}
HOLES = {"_target_": "maskfold.ensembling.postprocess.FillHoles"}


def planes_of(mask: np.ndarray) -> np.ndarray:
    """Make four masks of one: the object, what is not, its left half, and nothing."""
    left = mask * (np.arange(mask.shape[1]) < mask.shape[1] // 2)
    return np.stack([mask, 1 - mask, left, 0 * mask]).astype(np.uint8)


def load_planes(source: Carvana, **options) -> pd.DataFrame:
    """Load the photos with masks of four classes."""
    table = LOAD(source, **options)
    for image_id, mask in zip(table["image_id"], table["mask"], strict=True):
        path = Path(f"planes/{image_id}.b2nd")
        if not pd.isna(mask) and not path.exists():
            files.write_bytes(path, arrays.encode(planes_of(read_mask(mask))))
    masks = [None if pd.isna(row.mask) else f"planes/{row.image_id}.b2nd" for row in table.itertuples()]
    return table.assign(mask=masks)


LOAD = Carvana.load


def teach_four_classes(run: Path) -> None:
    """Give a trained network four outputs of its own one, and its run folder the classes."""
    checkpoint = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    checkpoint["construction"]["_args_"][0]["out_channels"] = 4
    state = checkpoint["state_dict"]
    for key in [key for key in state if key.endswith(("weight", "bias"))]:
        state[key] = torch.cat([state[key], -state[key], 2 * state[key].flip(-1), 0.5 * state[key]])
    torch.save(checkpoint, run / "checkpoints/best.ckpt")
    (run / "checkpoints/best.sha256.json").unlink(missing_ok=True)
    shutil.rmtree(run / "predictions")
    tell_data(run, classes=CLASSES, submission=RULES)


def tell_data(run: Path, **keys: object) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"] |= keys
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="session")
def four_once(trained_once, made_once) -> Path:
    """Another working folder as `trained_once`, whose networks answer for four classes."""

    def make(root: Path) -> None:
        shutil.copytree(trained_once, root, dirs_exist_ok=True)
        with chdir(root), pytest.MonkeyPatch.context() as patched:
            patched.setattr(Carvana, "load", load_planes)
            Path("photos/sample_submission.csv").unlink()  # which is of another shape
            for fold in (0, 1):
                teach_four_classes(Path(f"experiments/tiny/fold{fold}"))
                for split in ("oof", "test"):
                    run_predict(fold, f"split={split}")

    return made_once("four", make)


@pytest.fixture
def four(four_once, tmp_path, monkeypatch) -> None:
    """A copy of `four_once` for one test to change, as the current directory."""
    shutil.copytree(four_once, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(Carvana, "load", load_planes)


def run_predict(fold: int, *overrides: str) -> None:
    predict(compose("predict", ["name=tiny", f"fold={fold}", "trainer.accelerator=cpu", *overrides]))


def config(*overrides: str, **recipe):
    composed = compose("ensemble", ["ensemble=linknet34", "jobs=1", *overrides])
    composed.ensemble = RECIPE | recipe
    return composed


def average(image_id: str) -> np.ndarray:
    """Average the two folds' maps by hand, halves up."""
    stores = [ProbabilityStore(Path(f"experiments/tiny/fold{fold}/predictions/test")) for fold in (0, 1)]
    a, b = (store.read(image_id).astype(int) for store in stores)
    return (a + b + 1) // 2


def masks_of(*overrides: str, **recipe) -> dict[str, np.ndarray]:
    """Run the stage; return the submission's masks by the id of their row."""
    ensemble(config(*overrides, **recipe))
    return submitted()


def submitted() -> dict[str, np.ndarray]:
    (header, *rows) = read_lines(Path("submissions/four/submission.csv.gz"))
    assert header == ["id", "pixels"]
    return {row_id: Rules(**RULES).mask(runs, 40, 60) for row_id, runs in rows}


def test_a_submission_has_a_row_for_each_photo_and_class(four):
    scores = ensemble(config(threshold=THRESHOLDS)).set_index("image_id")

    masks = submitted()
    assert [*masks] == [f"{image_id}_{name}" for image_id in scores.index for name in CLASSES]
    for image_id, row in scores.iterrows():
        probability = average(image_id)
        assert probability.shape == (4, 40, 60)
        for name, plane in zip(CLASSES, probability, strict=True):
            expected = plane >= THRESHOLDS[name]
            np.testing.assert_array_equal(masks[f"{image_id}_{name}"], expected)
            assert row[f"area.{name}"] == expected.mean()
        assert row["area"] == pytest.approx(np.mean([row[f"area.{name}"] for name in CLASSES]))
        unsure = ((probability >= 77) & (probability <= 204)).sum()
        assert row["unconfidence"] == pytest.approx(unsure / ((probability <= 229).sum() - unsure))


def test_out_of_fold_each_class_is_scored_and_the_photo_has_their_mean(four):
    scores = ensemble(config("split=oof"))

    assert len(scores) == 12
    for row in scores.to_dict("records"):
        (path,) = Path("experiments/tiny").glob(f"fold*/predictions/oof/{row['image_id']}.b2nd")
        predicted, actual = (
            ProbabilityStore(path.parent).read(row["image_id"]) >= 128,
            read_mask(f"planes/{row['image_id']}.b2nd"),
        )
        for number, name in enumerate(CLASSES):
            both = (predicted[number] & (actual[number] > 0)).sum()
            total = predicted[number].sum() + actual[number].sum()
            assert row[f"dice.{name}"] == pytest.approx(2 * both / total if total else 1)
        assert row["dice"] == pytest.approx(np.mean([row[f"dice.{name}"] for name in CLASSES]))


def test_classes_that_never_overlap_do_not_in_the_submission(four):
    for fold in (0, 1):
        tell_data(Path(f"experiments/tiny/fold{fold}"), exclusive=True)
    masks, contested = masks_of(threshold=90, postprocess=[HOLES]), 0
    for image_id in {row_id.rpartition("_")[0] for row_id in masks}:
        probability = average(image_id)
        together = np.stack([masks[f"{image_id}_{name}"] for name in CLASSES])
        assert together.sum(axis=0).max() <= 1
        contested += ((probability >= 90).sum(axis=0) > 1).sum()
        likeliest = probability.max(axis=0)
        first = (probability.argmax(axis=0) == np.arange(4)[:, None, None]) & (likeliest >= 90)
        assert (together[:, 0] == first[:, 0]).all()  # at the border no hole is filled
    assert contested > 0


def test_a_step_may_be_for_some_of_the_classes(four):
    by_class = {"_target_": "maskfold.ensembling.by_class.ByClass", "classes": ["road"], "step": HOLES}
    plain = {name: mask.sum() for name, mask in masks_of().items()}
    holes = {name: mask.sum() for name, mask in masks_of(postprocess=[by_class]).items()}
    everywhere = {name: mask.sum() for name, mask in masks_of(postprocess=[HOLES]).items()}

    changed = {name.rpartition("_")[2] for name in plain if holes[name] != plain[name]}
    assert changed == {"road"}
    assert {name.rpartition("_")[2] for name in plain if everywhere[name] != plain[name]} > changed
    with pytest.raises(MaskfoldError, match="a step is for the class roof, and the classes are car, road, left, door"):
        ensemble(config(postprocess=[by_class | {"classes": ["roof"]}]))


def test_a_repair_has_thresholds_by_class_too(four):
    repair = {"_target_": "maskfold.ensembling.recipe.Repair", "worst": 1, "threshold": [1, 255, 1, 255]}
    scores = ensemble(config(repair=repair)).set_index("image_id")

    (image_id,) = scores.index[scores["repaired"]]
    for plane, name, threshold in zip(average(image_id), CLASSES, [1, 255, 1, 255], strict=True):
        np.testing.assert_array_equal(submitted()[f"{image_id}_{name}"], plane >= threshold)
    with pytest.raises(
        MaskfoldError, match=r"threshold=\(1, 2\): give one for all classes, or one for each: car, road"
    ):
        ensemble(config(threshold=[1, 2]))
    with pytest.raises(MaskfoldError, match=r"threshold=\{'car': 9\}: give one for all"):
        ensemble(config(threshold={"car": 9}))


def test_one_pass_for_all_networks_keeps_maps_of_all_classes(four):
    apart = masks_of()
    composed = compose("fuse", ["ensemble=linknet34", "trainer.accelerator=cpu"])
    composed.ensemble = RECIPE
    fuse(composed)
    together = masks_of("fused=true")
    assert np.mean([(apart[name] == together[name]).mean() for name in apart]) > 0.99  # but for rounding
    assert apart.keys() == together.keys()


@pytest.mark.parametrize("soft", [True, False])
def test_pseudo_labels_have_a_plane_for_each_class(four, soft):
    recipe = [
        "ensemble=linknet34",
        "ensemble.members=[{experiment: tiny}]",
        f"ensemble.threshold={[90, 100, 110, 120]}",
    ]
    pseudo(compose("pseudo", [*recipe, "quantile=0.5", f"soft={soft}"]))

    labels = Path("data/tiny/pseudo/linknet34")
    ledger = pd.read_csv(labels / "ledger.csv")
    assert len(ledger) == 8  # half of eight photos, for each of two folds
    for row in ledger.itertuples():
        own = ProbabilityStore(Path(f"experiments/tiny/fold{row.fold}/predictions/test")).read(row.image_id)
        if soft:
            np.testing.assert_array_equal(read_soft_mask(labels / row.mask), own.astype(np.float32) / 255)
        else:
            np.testing.assert_array_equal(
                read_mask(labels / row.mask), own >= np.array([90, 100, 110, 120])[:, None, None]
            )
    assert (labels / "labels.jpg").stat().st_size > 0


@pytest.mark.hostile("wrong input")
def test_maps_of_other_classes_are_refused(four):
    swapped = ["data=carvana", "data.root=photos", "data.name=tiny", "data.classes=[road, car, left, door]"]
    with pytest.raises(MaskfoldError, match=r"fold0/.*: its maps are of the classes car, road, left, door, the"):
        ensemble(config(*swapped))
    with pytest.raises(
        MaskfoldError, match=r"fold0 was trained with data\.classes=\[car, road, left, door\], and is to "
    ):
        run_predict(0, "store=other", *swapped[:3])

    Path("mate").mkdir()
    for image_id in ProbabilityStore(Path("experiments/tiny/fold0/predictions/test")).paths():
        ProbabilityStore(Path("mate")).write(image_id, np.zeros((3, 40, 60), np.uint8))
    with pytest.raises(MaskfoldError, match=r"its map of \w+ has 3 planes of 60x40 pixels, that in .* has 4 planes"):
        ensemble(config(members=[{"experiment": "tiny"}, {"maps": "mate"}]))
    with pytest.raises(MaskfoldError, match=r"mate: its map of \w+ is of 3 classes, and the data has 4: car, road"):
        ensemble(config(*swapped[:3], "data.classes=[car, road, left, door]", members=[{"maps": "mate"}]))


def test_a_folder_of_pngs_for_each_class_joins(four):
    alone = masks_of()
    for image_id in ProbabilityStore(Path("experiments/tiny/fold0/predictions/test")).paths():
        for name, plane in zip(CLASSES, average(image_id), strict=True):
            files.write_bytes(Path(f"mate/{name}/{image_id}.png"), png(plane.astype(np.uint8)))
    joined = masks_of(members=[{"experiment": "tiny"}, {"maps": "mate"}])
    for name, mask in alone.items():
        np.testing.assert_array_equal(joined[name], mask)


def png(plane: np.ndarray) -> bytes:
    return cv2.imencode(".png", plane)[1].tobytes()


def test_results_report_tune_and_blend_go_by_class_and_by_the_datas_metric(four, caplog):
    for fold in (0, 1):
        tell_data(Path(f"experiments/tiny/fold{fold}"), metric="pooled_dice")
    caplog.set_level("INFO")
    results = evaluate(compose("evaluate", ["name=tiny", "jobs=1"])).set_index("fold")
    scores = ensemble(config("split=oof"))

    assert list(results)[2] == "pooled_dice"
    pooled = (scores["pooled_dice"] * scores["pooled_dice.weight"]).sum() / scores["pooled_dice.weight"].sum()
    assert results.loc["all", "pooled_dice"] == pytest.approx(pooled, abs=1e-6)  # the ensemble is this member alone
    assert f"four out of fold: pooled Dice {pooled:.5f}" in caplog.text
    assert {"pooled_dice.door", "best_threshold.car", "dice.road"} <= {*results}

    composed = compose("report", ["ensemble=linknet34", "images=1", "jobs=1"])
    composed.ensemble = RECIPE
    page = report(composed).read_text()
    assert f"{pooled:.5f}" in page
    for text in ("out-of-fold pooled Dice", "pooled Dice of car", "<td>road</td>", "pooled Dice by view"):
        assert text in page

    (rule_car, *_) = tune(tuned("tune", "k=3")).rules
    kept = files.read_json(Path("submissions/four/tune.json"))
    assert [row["class"] for row in kept["table"]] == CLASSES
    assert kept["metric"] == "pooled_dice"
    assert kept["table"][0]["threshold"] == rule_car.threshold
    twice = [{"experiment": "tiny"}, {"experiment": "tiny", "folds": [0, 1]}]
    assert blend(tuned("blend", "k=3", members=twice)).gain.tolist() == [0, 0, 0]


def test_a_class_that_no_photo_counts_for_has_its_place_in_tables(four):
    for fold in (0, 1):
        tell_data(Path(f"experiments/tiny/fold{fold}"), metric="dice_of_present")

    scores = ensemble(config("split=oof"))

    table = label_table(scores, CLASSES, Judged("dice_of_present"))  # as the report has it
    assert table["score"].notna().tolist() == [True, True, True, False]  # there is never a door
    assert table.loc[3, ["low", "high"]].isna().all()


def tuned(stage: str, *overrides: str, **recipe):
    composed = compose(stage, ["ensemble=linknet34", "jobs=1", *overrides])
    composed.ensemble = RECIPE | recipe
    return composed
