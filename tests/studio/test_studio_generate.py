import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from maskfold.errors import MaskfoldError
from maskfold.studio import generate
from maskfold.studio.photograph import photograph, prepare
from maskfold.studio.planted import Plan
from maskfold.studio.writer import StudioSet

SMALL = {"cars": 5, "test_cars": 4, "height": 64, "width": 96, "seed": 3}


@pytest.fixture(scope="module")
def studio(made_once) -> Path:
    return made_once("studio", lambda root: generate(root, **SMALL, jobs=1))


def rows(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_mask(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def decode_slowly(runs: str, height: int, width: int) -> np.ndarray:
    pixels = [0] * (height * width)
    numbers = [int(word) for word in runs.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for pixel in range(start, start + length):
            pixels[pixel - 1] = 255
    return np.array(pixels, np.uint8).reshape(height, width)


def test_layout_and_names_are_carvanas(studio):
    photos = sorted(path.name for path in (studio / "train").iterdir())
    cars = sorted({name[:12] for name in photos})
    assert len(cars) == 5
    assert all(len(car) == 12 and set(car) <= set("0123456789abcdef") for car in cars)
    assert photos == [f"{car}_{view:02d}.jpg" for car in cars for view in range(1, 17)]
    masks = sorted(path.name for path in (studio / "train_masks").iterdir())
    assert masks == [name.replace(".jpg", "_mask.gif") for name in photos]
    test = sorted(path.name for path in (studio / "test").iterdir())
    truth = sorted(path.name for path in (studio / "test_truth").iterdir())
    assert len(test) == 64
    assert truth == [name.replace(".jpg", "_mask.gif") for name in test]
    assert [row["img"] for row in rows(studio / "train_masks.csv")] == photos
    assert [tuple(row.values()) for row in rows(studio / "sample_submission.csv")] == [(name, "1 1") for name in test]
    assert (studio / "metadata.csv").read_text().startswith('"id","year","make","model","trim1","trim2"\n"')
    assert {row["id"] for row in rows(studio / "metadata.csv")} == {name[:12] for name in photos + test}


def test_photos_have_the_size_asked_for(studio):
    for path in list((studio / "train").iterdir())[:8]:
        assert simplejpeg.decode_jpeg_header(path.read_bytes())[:2] == (64, 96)


@pytest.mark.parametrize(("table", "folder"), [("train_masks.csv", "train_masks"), ("test_masks.csv", "test_truth")])
def test_masks_are_two_valued_and_agree_with_the_table(studio, table, folder):
    for row in rows(studio / table):
        mask = read_mask(studio / folder / row["img"].replace(".jpg", "_mask.gif"))
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(mask, decode_slowly(row["rle_mask"], 64, 96))


def test_every_body_is_there(studio):
    assert {row["model"] for row in rows(studio / "metadata.csv")} == {"Sedan", "Hatchback", "SUV", "Pick-up", "Van"}


def test_cars_are_about_as_large_as_the_real_ones():
    coverage = []
    for index in range(7):
        sitting = prepare((1, 0, index), index=index)
        coverage += [photograph(sitting, view, 64, 96, (1, 0, index, view)).mask.mean() for view in range(1, 17, 2)]
    # 318 real cars: 3.371 summed over 16 views, that is 0.211 an image.
    assert abs(np.mean(coverage) - 0.211) < 0.02
    assert min(coverage) > 0.09
    assert max(coverage) < 0.4


@pytest.mark.hostile("killed")
def test_same_arguments_give_the_same_bytes_whatever_the_jobs_and_interruptions(tmp_path):
    arguments = {"cars": 1, "test_cars": 1, "height": 32, "width": 48, "seed": 5}
    generate(tmp_path / "alone", **arguments, jobs=1)
    generate(tmp_path / "together", **arguments, jobs=2)
    expected = digests(tmp_path / "alone")
    assert digests(tmp_path / "together") == expected

    photos = sorted((tmp_path / "alone" / "train").iterdir())
    photos[0].unlink()
    (tmp_path / "alone" / "train_masks" / photos[1].name.replace(".jpg", "_mask.gif")).unlink()
    (tmp_path / "alone" / "planted.csv").unlink()
    kept = photos[2].stat().st_mtime_ns
    generate(tmp_path / "alone", **arguments, jobs=1)
    assert digests(tmp_path / "alone") == expected
    assert photos[2].stat().st_mtime_ns == kept


def test_another_seed_gives_other_names_and_pictures(tmp_path, studio):
    generate(tmp_path / "other", **SMALL | {"cars": 1, "test_cars": 0, "seed": 1}, jobs=1)
    folders = (studio / "train", tmp_path / "other/train")
    sets = [{(path.name, path.read_bytes()) for path in folder.iterdir()} for folder in folders]
    assert [len(photos) for photos in sets] == [80, 16]
    first, second = (({name for name, _ in photos}, {content for _, content in photos}) for photos in sets)
    assert not first[0] & second[0]
    assert not first[1] & second[1]


def test_planted_faults_are_listed(studio):
    planted = rows(studio / "planted.csv")
    for row in planted:
        assert (studio / row["split"] / f"{row['image_id']}.jpg").exists()
        assert row["image_id"].startswith(row["group"] + "_")
    cars = {(row["split"], row["group"]) for row in planted if row["kind"] == "white_van"}
    assert Counter(split for split, _ in cars) == {"train": 1, "test": 1}
    assert Counter(row["kind"] for row in planted)["white_van"] == 32
    models = {row["id"]: (row["model"], row["trim2"]) for row in rows(studio / "metadata.csv")}
    assert {models[group] for _, group in cars} == {("Van", "White")}
    assert all(row["split"] == "train" for row in planted if row["kind"] != "white_van")
    assert {row["kind"] for row in planted} == {"white_van", "wheel_gaps", "wrong_mask"}


def test_wrong_masks_are_wrong_and_wheel_gaps_are_filled_and_the_rest_is_true(studio):
    planted = {row["image_id"]: row["kind"] for row in rows(studio / "planted.csv")}
    made = StudioSet(studio, 64, 96, 3, {"train": 5, "test": 4}, {"train": Plan(), "test": Plan()})
    for car in range(5):
        for view in (1, 5, 9, 13) if planted.get(f"{made.car_id('train', car)}_01") != "white_van" else ():
            image_id = f"{made.car_id('train', car)}_{view:02d}"
            if image_id in planted:
                continue
            truth = photograph(made.sitting("train", car), view, 64, 96, (3, 0, car, view)).mask
            assert np.array_equal(read_mask(studio / "train_masks" / f"{image_id}_mask.gif") > 0, truth > 0)
    cars = {made.car_id("train", car): car for car in range(5)}
    for image_id, kind in planted.items():
        if kind == "white_van":
            continue
        car, view = cars[image_id[:12]], int(image_id[13:])
        truth = photograph(made.sitting("train", car), view, 64, 96, (3, 0, car, view)).mask > 0
        label = read_mask(studio / "train_masks" / f"{image_id}_mask.gif") > 0
        if kind == "wrong_mask":
            assert (truth & label).sum() / (truth | label).sum() < 0.9
        else:
            assert (label >= truth).all()


def test_one_sees_the_floor_through_open_wheels_only():
    for index in range(8):
        sitting = prepare((2, 0, index), index=index)
        photo = photograph(sitting, 5, 240, 360, (2, 0, index, 5))
        gaps = photo.mask_with_gaps.astype(int) - photo.mask
        assert gaps.min() == 0
        assert (gaps.sum() > 20) == sitting.car.open_wheels


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("key", "value"),
    [("height", 31), ("height", 1281), ("width", 47), ("width", 1919), ("cars", 0), ("test_cars", -1), ("seed", -1)],
)
def test_arguments_out_of_range_are_refused_by_name(tmp_path, key, value):
    with pytest.raises(MaskfoldError, match=f"{key}={value}"):
        generate(tmp_path, **{**SMALL, key: value})
    assert not list(tmp_path.iterdir())


@pytest.mark.hostile("wrong input")
def test_other_arguments_in_the_same_folder_are_refused(tmp_path):
    (tmp_path / "studio.json").write_text(json.dumps({"generator": 1, **SMALL, "planted": True}))
    with pytest.raises(MaskfoldError, match="seed=3, not 4"):
        generate(tmp_path, **{**SMALL, "seed": 4})


@pytest.mark.hostile("wrong input")
def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(MaskfoldError, match="no studio set"):
        generate(tmp_path, **SMALL)
