"""Photos of five channels of real numbers, with holes, through the stages: trained, gone on with, predicted, drawn."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from maskfold import files
from maskfold.config import build, compose
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.masks.scores import mask_scores
from maskfold.prediction.members import load_network
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.predict import predict
from maskfold.stages.train import train

PHOTOS = ["data=pairs", "data.root=photos", "data.test=test", "data.channels=5", "trainer.accelerator=cpu"]
MEMBER = ["experiment=demo_unet", "model.widths=[8,16]", "geometry.height=24", "geometry.width=32", "augment=light"]
MEMBER += ["trainer.max_epochs=12", "trainer.batch_size=2", "schedule.phases=[{epochs: 13, rate: 0.02}]", "tta=hflip"]
MEMBER += ["name=bands", "keep_last=true", "tracker=csv"]


def draw(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo (24, 32, 5) in whose fourth channel alone the object is seen, with holes, and its mask."""
    rng = np.random.default_rng(number)
    photo = rng.normal([0, 5000, -2, 300, 0.001], [1, 800, 0.1, 10, 0.0001], (24, 32, 5)).astype(np.float32)
    mask = np.zeros((24, 32), np.uint8)
    mask[4 : 12 + number, 6 : 16 + number] = 1
    photo[..., 3] += 60 * mask
    photo[rng.random((24, 32, 5)) < 0.02] = np.nan
    return photo, mask


def one_step(*overrides: str) -> None:
    train(compose("train", [*MEMBER, *PHOTOS, "name=refused", *overrides]))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A working folder with six photos as TIFFs, two to predict as .npy, and fold 0 of a member trained on them."""
    folder = tmp_path_factory.mktemp("bands")
    for part in ("images", "masks", "test"):
        (folder / "photos" / part).mkdir(parents=True)
    for number in range(8):
        photo, mask = draw(number)
        if number < 6:
            tifffile.imwrite(folder / f"photos/images/p{number}.tif", photo.transpose(2, 0, 1))
            cv2.imwrite(str(folder / f"photos/masks/p{number}.png"), mask * 255)
        else:
            np.save(folder / f"photos/test/p{number}.npy", photo)
    split = folder / "data/photos/folds.csv"
    split.parent.mkdir(parents=True)
    split.write_text("image_id,group,fold\n" + "".join(f"p{number},p{number},{number % 2}\n" for number in range(6)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(compose("train", [*MEMBER, *PHOTOS]))
    return folder


@pytest.fixture
def bands(trained, monkeypatch) -> RunFolder:
    monkeypatch.chdir(trained)
    return RunFolder(Path("experiments/bands/fold0"))


def test_the_checkpoint_keeps_the_statistics_of_the_folds_training_photos(bands):
    pixels = np.concatenate([draw(number)[0].reshape(-1, 5) for number in (1, 3, 5)]).astype(np.float64)
    kept = load_checkpoint(bands.best)["network"]
    assert kept["mean"] == pytest.approx(np.nanmean(pixels, axis=0), rel=1e-4)
    assert kept["std"] == pytest.approx(np.nanstd(pixels, axis=0), rel=1e-4)
    assert load_checkpoint(bands.best)["construction"]["channels"] == 5
    assert load_network(bands.best).channels == 5
    (entry,) = files.read_json(Path("data/photos/statistics.json")).values()
    assert entry == kept | {"photos": 3}


@pytest.mark.parametrize("split", ["oof", "test"])
def test_the_object_is_found_in_the_channel_that_shows_it(bands, split):
    store = predict(compose("predict", ["name=bands", f"split={split}", "trainer.accelerator=cpu"]))
    for number in (0, 2, 4) if split == "oof" else (6, 7):
        found = store.read(f"p{number}") >= 128
        assert mask_scores(found.astype(np.uint8), draw(number)[1])["dice"] > 0.9


def test_a_run_goes_on_with_the_numbers_that_it_was_begun_with(bands):
    """Whatever the file of the data set says by then: another process may have computed it in another way."""
    kept = Path("data/photos/statistics.json")
    files.write_json(kept, {key: {"mean": [0] * 5, "std": [1] * 5} for key in files.read_json(kept)})
    before = load_checkpoint(bands.best)["network"]
    last = load_checkpoint(bands.last)
    torch.save(last | {"network": before | {"exclusive": True}}, bands.last)  # which the data says, and not the photos
    train(compose("train", [*MEMBER, *PHOTOS, "trainer.max_epochs=13"]))
    assert len(pd.read_csv(bands.metrics)) == 13
    assert load_checkpoint(bands.last)["network"] == before
    kept.unlink()


@pytest.mark.hostile("wrong input")
def test_what_needs_rgb_of_8_bits_is_refused_before_an_epoch(bands):
    with pytest.raises(
        MaskfoldError, match=r"ColorJitter.* work on RGB .* float32 of 5\. .*augment=light, flip, crop or"
    ):
        one_step("augment=heavy_then_light")
    with pytest.raises(MaskfoldError, match=r"CLAHE works on RGB .* float32 of 5\. Choose preprocess=none"):
        one_step("preprocess=clahe")
    assert not Path("experiments/refused/fold0/metrics.csv").exists()


@pytest.mark.hostile("wrong input")
def test_a_run_of_photos_as_stored_is_not_one_of_rgb(bands):
    with pytest.raises(MaskfoldError, match=r"p0\.tif: several frames or pages"):
        train(compose("train", [*MEMBER, *PHOTOS, "data.channels=null", "data.test=null"]))
    with pytest.raises(MaskfoldError, match=r"p0\.tif: an array of 5x24x32, and data\.channels=4"):
        train(compose("train", [*MEMBER, *PHOTOS, "data.channels=4"]))


def test_samples_are_drawn_in_colours(bands):
    config = compose("train", [*MEMBER, *PHOTOS])
    rows = build(config.data).load(jobs=1).query("split == 'train'")
    how = {"batch_size": 2, "precision": "32-true", "accelerator": "cpu"}
    drawn = build(config.task, channels=5).draw_samples(bands.best, rows, **how)
    assert len(drawn) == 4
    for picture in drawn.values():  # photo with outlines, errors and map side by side
        assert (picture.shape, picture.dtype) == ((24, 3 * 32, 3), np.uint8)
        assert np.ptp(picture[:, :32]) > 200
