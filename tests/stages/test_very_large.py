"""Photos that count as very large through the stages, in windows and bands, to the submission of the small way."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from maskfold.config import compose
from maskfold.data import windows
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.blend import blend
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.predict import predict
from maskfold.stages.pseudo import pseudo
from maskfold.stages.train import train

PHOTOS = ["data=pairs", "data.root=photos", "data.test=test", "trainer.accelerator=cpu"]
MEMBER = ["experiment=demo_unet", "model.widths=[8,16]", "geometry=tile", "geometry.height=32", "geometry.width=32"]
MEMBER += ["geometry.overlap=8", "augment=flip", "trainer.max_epochs=2", "trainer.batch_size=2", "name=large"]
MEMBER += ["schedule.phases=[{epochs: 2, rate: 0.02}]", "tracker=csv"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A working folder with four photos and two to predict, 80x100 in tiles, and a fold trained on windows of them."""
    folder = tmp_path_factory.mktemp("large")
    for part in ("images", "masks", "test"):
        (folder / "photos" / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(6):
        mask = np.zeros((80, 100), np.uint8)
        mask[10 : 50 + number, 15 : 70 + number] = 255
        photo = rng.integers(0, 90, (80, 100, 3), dtype=np.uint8) + mask[..., None] // 2
        place = folder / "photos" / ("images" if number < 4 else "test")
        tifffile.imwrite(place / f"p{number}.tif", photo, photometric="rgb", tile=(32, 32), compression="deflate")
        if number < 4:
            tifffile.imwrite(folder / f"photos/masks/p{number}.tif", mask, photometric="minisblack", tile=(16, 32))
    split = folder / "data/photos/folds.csv"
    split.parent.mkdir(parents=True)
    split.write_text("image_id,group,fold\n" + "".join(f"p{number},p{number},{number % 2}\n" for number in range(4)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        by_parts(patch)
        train(compose("train", [*MEMBER, *PHOTOS]))
        for split in ("oof", "test"):
            predict(compose("predict", ["name=large", f"split={split}", "trainer.accelerator=cpu"]))
    return folder


def by_parts(patch: pytest.MonkeyPatch) -> None:
    """Let photos of 80x100 be very large ones, nothing of which is decoded whole."""
    patch.setattr(windows, "LARGE", 5000)
    patch.setattr(windows, "BAND", 24)
    for module in ("data.checks", "segmentation.dataset", "prediction.branches", "ensembling.merge"):
        for name in ("read_image", "read_mask"):
            patch.setattr(f"maskfold.{module}.{name}", None, raising=False)


@pytest.fixture
def place(trained, monkeypatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


def merged(name: str, *overrides: str) -> tuple[pd.DataFrame, bytes]:
    members = "ensemble.members=[{experiment: large, folds: [0]}]"
    scores = ensemble(compose("ensemble", ["ensemble=demo", f"ensemble.name={name}", members, "jobs=1", *overrides]))
    return scores, gzip.decompress(Path(f"submissions/{name}/submission.csv.gz").read_bytes())


PLAIN = ["ensemble.postprocess=[]", "ensemble.repair=null"]


def test_a_submission_made_by_bands_is_the_one_made_whole_and_sound(place, monkeypatch):
    whole, submission = merged("whole", *PLAIN)
    by_parts(monkeypatch)

    scores, same = merged("bands", *PLAIN)

    assert same == submission
    assert len(submission.splitlines()) == 3
    pd.testing.assert_frame_equal(scores, whole)
    assert doctor(compose("doctor", ["submission=submissions/bands/submission.csv.gz"])).ok


def test_out_of_fold_scores_are_counted_by_bands(place, monkeypatch):
    config = compose("evaluate", ["name=large", "fold=0", "jobs=1"])
    whole = evaluate(config)
    by_parts(monkeypatch)

    results = evaluate(config)

    counted = ["images", "dice", "iou", "best_threshold", "best_dice"]
    pd.testing.assert_frame_equal(results[counted], whole[counted])
    assert results["boundary_iou"].isna().all()


def test_a_metric_that_counts_do_not_tell_is_said_to_score_no_very_large_photo(place, monkeypatch, caplog):
    for number in range(4):
        ProbabilityStore(Path("mate")).write(f"p{number}", np.full((80, 100), 200, np.uint8))
    by_parts(monkeypatch)
    outlines = [*PHOTOS[:3], "data.metric=surface_dice", "ensemble.members=[{maps: mate}]"]
    caplog.set_level("INFO")

    scores = ensemble(compose("ensemble", ["ensemble=demo", "split=oof", "jobs=1", *PLAIN, *outlines]))

    assert scores["surface_dice"].isna().all()
    assert scores["dice"].notna().all()
    warning = "4 of 4 photos are very large and not scored by surface Dice, which looks at whole masks"
    assert warning in caplog.text
    assert "out of fold" not in caplog.text
    caplog.clear()
    results = evaluate(compose("evaluate", ["name=large", "fold=0", "metric=surface_dice", "jobs=1"]))
    assert results["surface_dice"].isna().all()
    assert warning.replace("4", "2") in caplog.text
    assert caplog.messages[-1] == "large out of fold: no photo counts for surface Dice"


def test_steps_that_need_the_whole_mask_are_refused_before_anything_is_merged(place, monkeypatch):
    by_parts(monkeypatch)

    with pytest.raises(MaskfoldError, match=r"p4 has more than .* step EmptyRule needs .* neither ensemble\.empty"):
        merged("steps", "+ensemble.empty={presence: 9}", *PLAIN)


@pytest.mark.hostile("memory")
@pytest.mark.parametrize(("stage", "photo"), [(blend, "p0"), (pseudo, "p4")])
def test_what_would_read_maps_whole_is_refused_by_name(place, monkeypatch, stage, photo):
    by_parts(monkeypatch)
    members = "ensemble.members=[{experiment: large, folds: [0]}]"

    with pytest.raises(MaskfoldError, match=rf"{photo}\.tif: 100x80 are more than 5,000 pixels, and "):
        stage(compose(stage.__name__, ["ensemble=demo", "ensemble.postprocess=[]", members, "jobs=1"]))
