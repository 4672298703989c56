"""Merging many images: against a slow reference, in one process or two, resumed, and with the worst ones repaired."""

import pickle
from fractions import Fraction
from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd
import pytest

from maskfold import parallel
from maskfold.ensembling import merge as merging
from maskfold.ensembling.merge import CHUNK, MergeJob, merge, merge_with_repair, merged_probability, read_masks
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.masks.scores import SCORES, boundary_scores
from maskfold.prediction.store import ProbabilityStore

IMAGES = 2 * CHUNK + 3
WEIGHTS = (Fraction(1, 2), Fraction(1, 3), Fraction(1, 6))


class Corner:
    """A step that can be pickled: makes the top left pixel object."""

    def __call__(self, probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
        mask = mask.copy()
        mask[0, 0] = 1
        return mask


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """Images with three members' maps and, but for every fifth, a mask."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(IMAGES):
        image_id = f"car{number:02}"
        sure = rng.integers(0, 256, (5, 7)) > 128
        for member in range(len(WEIGHTS)):
            values = np.where(sure, 255, 0) + rng.normal(0, 40, (5, 7))
            ProbabilityStore(tmp_path / f"m{member}").write(image_id, values.clip(0, 255).astype(np.uint8))
        mask = tmp_path / f"{image_id}.png"
        cv2.imwrite(str(mask), sure.astype(np.uint8) * 255)
        rows.append({"image_id": image_id, "mask": None if number % 5 == 0 else str(mask)})
    return pd.DataFrame(rows).assign(height=5, width=7)


def job(folder: Path, parts: str = "parts", *, members=(0, 1, 2), threshold: int = 128, steps=()) -> MergeJob:
    sources = tuple(MemberMaps(Leaf(f"m{m}", WEIGHTS[m], (folder / f"m{m}",)), None) for m in members)
    return MergeJob(sources, threshold, steps, folder / parts)


def slow_probability(folder: Path, image_id: str, members=(0, 1, 2)) -> list[int]:
    maps = [ProbabilityStore(folder / f"m{m}").read(image_id).ravel().tolist() for m in members]
    total = sum(WEIGHTS[m] for m in members)
    return [
        int(sum(WEIGHTS[m] * v for m, v in zip(members, values, strict=True)) / total + Fraction(1, 2))
        for values in zip(*maps, strict=True)
    ]


def slow_row(folder: Path, image: tuple, *, members=(0, 1, 2), threshold: int = 128, corner: bool = False) -> dict:
    """Work a row out pixel by pixel."""
    values = slow_probability(folder, image.image_id, members)
    mask = [int(value >= threshold) for value in values]
    mask[0] = 1 if corner else mask[0]
    unsure = sum(0.3 <= value / 255 <= 0.8 for value in values)
    compared = sum(value / 255 < 0.3 or 0.8 < value / 255 <= 0.9 for value in values)
    pairs, start = [], None
    for position, pixel in enumerate([*mask, 0], start=1):
        if pixel and start is None:
            start = position
        if not pixel and start is not None:
            pairs += [str(start), str(position - start)]
            start = None
    row = {"unconfidence": unsure / compared, "area": sum(mask) / 35, "rle": " ".join(pairs)}
    if pd.isna(image.mask):
        return row | dict.fromkeys(SCORES)
    truth = (cv2.imread(image.mask, cv2.IMREAD_GRAYSCALE) > 0).ravel().tolist()
    both = sum(pixel and true for pixel, true in zip(mask, truth, strict=True))
    dice, iou = 2 * both / (sum(mask) + sum(truth)), both / (sum(mask) + sum(truth) - both)
    masks = (np.array(pixels, np.uint8).reshape(5, 7) for pixels in (mask, truth))
    boundary_iou, trimap_dice = boundary_scores(*masks)  # worked out by hand in its own tests
    right = sum(pixel == true for pixel, true in zip(mask, truth, strict=True)) / 35
    scores = {"dice": dice, "iou": iou, "boundary_iou": boundary_iou, "trimap_dice": trimap_dice, "accuracy": right}
    return row | scores


def assert_equal(rows: pd.DataFrame, masks: list[tuple[str]], expected: list[dict]) -> None:
    for column in ("unconfidence", "area", *SCORES):
        reference = pd.Series([row[column] for row in expected], dtype=float)
        np.testing.assert_allclose(rows[column].to_numpy(float), reference, rtol=1e-12, err_msg=column)
    assert masks == [(row["rle"],) for row in expected]


def test_every_row_is_the_slow_references(table, tmp_path):
    this = job(tmp_path, threshold=140, steps=(Corner(),))

    rows = merge(this, table, description="merge", jobs=1)

    assert rows["image_id"].tolist() == table["image_id"].tolist()
    masks = list(read_masks(this, this, table, pd.Series(False, index=range(IMAGES))))
    assert_equal(rows, masks, [slow_row(tmp_path, image, threshold=140, corner=True) for image in table.itertuples()])


def test_two_workers_write_the_same_bytes_as_one(table, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "START_UP_S", 0)
    travelled = pickle.loads(pickle.dumps(job(tmp_path, "there", steps=(Corner(),))))
    here = merge(job(tmp_path, "here", steps=(Corner(),)), table, description="merge", jobs=1)
    with joblib.parallel_config(backend="threading"):  # processes take seconds to start
        there = merge(travelled, table, description="merge", jobs=2)

    pd.testing.assert_frame_equal(here, there)
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "there").iterdir()
    }


def test_parts_of_a_killed_run_are_used_and_not_computed_again(table, tmp_path, monkeypatch):
    whole = merge(job(tmp_path, "whole"), table, description="merge", jobs=1)
    computed = []
    real = merging.merged_probability

    def killed_after(count):
        def compute(sources, image_id, **size):
            if len(computed) == count:
                raise KeyboardInterrupt
            computed.append(image_id)
            return real(sources, image_id, **size)

        return compute

    monkeypatch.setattr(merging, "merged_probability", killed_after(CHUNK + 5))
    with pytest.raises(KeyboardInterrupt):
        merge(job(tmp_path), table, description="merge", jobs=1)
    assert len(list((tmp_path / "parts").iterdir())) == 1
    first = computed[:CHUNK]
    computed.clear()
    monkeypatch.setattr(merging, "merged_probability", killed_after(IMAGES))

    rows = merge(job(tmp_path), table, description="merge", jobs=1)

    assert computed == [image_id for image_id in table["image_id"] if image_id not in first]
    pd.testing.assert_frame_equal(rows, whole)


def test_repair_replaces_exactly_the_worst(table, tmp_path):
    usual, repair = job(tmp_path, "usual"), job(tmp_path, "repair", members=(1, 2), threshold=55, steps=(Corner(),))

    rows = merge_with_repair(usual, repair, 5, table, jobs=1)

    expected = [slow_row(tmp_path, image) for image in table.itertuples()]
    ranked = sorted(range(IMAGES), key=lambda number: -expected[number]["unconfidence"])
    for number in ranked[:5]:
        image = next(table.iloc[[number]].itertuples())
        mended = slow_row(tmp_path, image, members=(1, 2), threshold=55, corner=True)
        expected[number] = mended | {"unconfidence": expected[number]["unconfidence"]}
    assert set(np.flatnonzero(rows["repaired"])) == set(ranked[:5])
    assert_equal(rows, list(read_masks(usual, repair, table, rows["repaired"])), expected)


def test_equally_unsure_images_are_repaired_in_the_order_of_their_names(tmp_path):
    table = pd.DataFrame({"image_id": ["b", "c", "a"], "mask": None, "height": 1, "width": 2})
    for image_id in table["image_id"]:
        ProbabilityStore(tmp_path / "m0").write(image_id, np.array([[0, 128]], np.uint8))

    rows = merge_with_repair(job(tmp_path, "usual", members=(0,)), job(tmp_path, "r", members=(0,)), 2, table, jobs=1)

    assert rows["repaired"].tolist() == [True, False, True]


def test_without_repair_its_members_are_not_looked_at(table, tmp_path):
    nowhere = MergeJob((), 1, (), tmp_path / "none")

    rows = merge_with_repair(job(tmp_path), nowhere, 0, table, jobs=1)

    assert not rows["repaired"].any()
    assert not (tmp_path / "none").exists()


def test_maps_of_different_sizes_are_refused_with_their_stores(tmp_path):
    ProbabilityStore(tmp_path / "m0").write("a", np.zeros((2, 3), np.uint8))
    ProbabilityStore(tmp_path / "m1").write("a", np.zeros((2, 4), np.uint8))

    with pytest.raises(MaskfoldError, match=r"m0: its map of a has 3x2 pixels, that in .*m1 has 4x2\."):
        merged_probability(job(tmp_path, members=(0, 1)).sources, "a")


def test_maps_of_another_size_than_the_photo_are_refused(table, tmp_path):
    with pytest.raises(MaskfoldError, match=r"its map of car00 has 7x5 pixels, the photo has 14x10\."):
        merge(job(tmp_path), table.assign(height=10, width=14), description="merge", jobs=1)


def test_a_full_disk_keeps_the_parts_that_were_finished(table, tmp_path):
    this = job(tmp_path)
    second = merging._part(this, table.iloc[CHUNK : 2 * CHUNK])
    this.parts.mkdir()
    (this.parts / f".{second.name}.part").symlink_to("/dev/full")

    with pytest.raises(MaskfoldError, match="No space left on device"):
        merge(this, table, description="merge", jobs=1)

    assert [path.suffix for path in this.parts.iterdir()] == [".parquet"]
    assert len(merge(this, table, description="merge", jobs=1)) == IMAGES
