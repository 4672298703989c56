"""Photos and masks are what they were when something was made of them, or somebody is told."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.campaign import campaign
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.predict import predict
from maskfold.stages.train import train

MEMBER = Path("experiments/tiny")
PHOTO = Path("photos/train/000000000000_01.jpg")
MASK = Path("photos/train_masks/000000000000_01_mask.png")
DATA = ["data=carvana", "data.name=tiny", "data.root=photos"]
TINY = ["ensemble=linknet34", "ensemble.members=[{experiment: tiny}]"]

pytestmark = pytest.mark.hostile("replaced files")


def turn(path: Path) -> None:
    """Turn a picture by 180 degrees: another file of the same size and, for a mask, of the same area."""
    cv2.imwrite(str(path), cv2.rotate(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), cv2.ROTATE_180))


def swap(one: Path, other: Path) -> None:
    """Give two files each other's names."""
    one.rename("aside")
    other.rename(one)
    Path("aside").rename(other)


def swap_test_photos() -> None:
    swap(Path("photos/test/000000000006_01.jpg"), Path("photos/test/000000000007_02.jpg"))


def train_again() -> None:
    config = compose("train", ["name=tiny", *DATA, "scale=smoke", "trainer.accelerator=cpu"])
    config.model = RunFolder(MEMBER / "fold0").read_config()["model"]
    train(config)


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_does_not_go_on_with_a_mask_that_was_turned(trained, finished):
    turn(MASK)
    if not finished:
        (MEMBER / "fold0/finished").unlink()

    with pytest.raises(MaskfoldError, match=r"other files of the same names(.|\n)*:\n  mask of 000000000000_01\nPut"):
        train_again()


def test_a_run_is_not_finished_when_two_photos_were_swapped(trained):
    swap(PHOTO, PHOTO.with_name("000000000003_02.jpg"))

    with pytest.raises(MaskfoldError, match=r"\n  photo of 000000000000_01\n  photo of 000000000003_02\nPut"):
        train_again()


def test_a_campaign_does_not_take_a_run_of_other_masks_for_done(trained, monkeypatch):
    monkeypatch.setattr("maskfold.stages.campaign._run", lambda *_, **__: pytest.fail("it has begun"))
    turn(MASK)

    with pytest.raises(MaskfoldError, match=r"tiny/fold0 was trained on other files(.|\n)*mask of 000000000000_01"):
        campaign(compose("campaign", TINY))


def test_a_campaign_does_not_take_maps_of_other_photos_for_done(trained, monkeypatch):
    monkeypatch.setattr("maskfold.stages.campaign._run", lambda *_, **__: pytest.fail("it has begun"))
    swap_test_photos()

    with pytest.raises(MaskfoldError, match=r"predictions/test: 2 photos are not the files any more"):
        campaign(compose("campaign", TINY))


def test_masks_of_swapped_test_photos_go_out_under_no_name(trained):
    ensemble(compose("ensemble", [*TINY, "jobs=1"]))
    swap_test_photos()
    named = (
        r"2 photos are not the files any more that its maps were made of:\n  000000000006_01\n  000000000007_02\nPut"
    )

    with pytest.raises(MaskfoldError, match=named):
        predict(compose("predict", ["name=tiny", "split=test", "trainer.accelerator=cpu"]))
    with pytest.raises(MaskfoldError, match=named):
        ensemble(compose("ensemble", [*TINY, "jobs=1"]))
    with pytest.raises(MaskfoldError, match=r"linknet34/manifest\.json: photos or masks have been replaced"):
        doctor(compose("doctor", ["submission=submissions/linknet34/submission.csv.gz"]))


def test_only_the_maps_of_replaced_photos_have_to_be_made_again(trained):
    swap_test_photos()
    store = ProbabilityStore(MEMBER / "fold0/predictions/test")
    before = {name: path.stat().st_mtime_ns for name, path in store.paths().items()}
    swapped = store.read("000000000006_01"), store.read("000000000007_02")
    for image_id in ("000000000006_01", "000000000007_02"):
        store.paths()[image_id].unlink()

    predict(compose("predict", ["name=tiny", "split=test", "trainer.accelerator=cpu"]))

    after = {name: path.stat().st_mtime_ns for name, path in store.paths().items()}
    assert {name for name in after if after[name] != before[name]} == {"000000000006_01", "000000000007_02"}
    np.testing.assert_array_equal(store.read("000000000007_02"), swapped[0])
    np.testing.assert_array_equal(store.read("000000000006_01"), swapped[1])


def test_an_evaluation_refuses_maps_of_other_photos_and_names_masks_that_were_mended(trained, caplog):
    turn(MASK)
    evaluate(compose("evaluate", ["name=tiny"]))
    assert "1 files have been replaced since the networks were trained" in caplog.text
    assert "\n  mask of 000000000000_01" in caplog.text

    turn(PHOTO)
    with pytest.raises(
        MaskfoldError, match=r"predictions/oof: 1 photos are not the files any more(.|\n)*:\n  000000000000_01\nPut"
    ):
        evaluate(compose("evaluate", ["name=tiny"]))


def test_maps_of_another_size_than_the_photo_are_never_scaled(trained):
    """Also where nobody knows what photos they were made of, as of an older version."""
    for path in (PHOTO, MASK):
        small = cv2.resize(cv2.imread(str(path)), (30, 20), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(path), small)
    for fold in (0, 1):
        (MEMBER / f"fold{fold}/predictions/oof/photos.json").unlink(missing_ok=True)

    with pytest.raises(MaskfoldError, match=r"oof: its map of 000000000000_01 has 60x40 pixels, the photo has 30x20"):
        evaluate(compose("evaluate", ["name=tiny", "jobs=1"]))


def test_maps_of_an_older_version_are_taken_and_named(trained, caplog):
    record = MEMBER / "fold1/predictions/test/photos.json"
    record.unlink()

    ensemble(compose("ensemble", [*TINY, "jobs=1"]))

    assert "Maps of an older version" in caplog.text
    assert f"\n  {record.parent}\n" in f"{caplog.text}\n"
    assert "fold0/predictions/test" not in caplog.text


def test_a_damaged_record_of_photos_is_no_reason_to_do_without(trained):
    (MEMBER / "fold1/predictions/test/photos.json").write_text('{"000000000006_01": ')

    with pytest.raises(MaskfoldError, match=r"photos\.json: damaged\. Delete the whole folder and predict again"):
        ensemble(compose("ensemble", [*TINY, "jobs=1"]))
