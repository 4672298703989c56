"""Means and deviations against NumPy's over all pixels at once, and what of them is kept."""

import os

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.data import statistics
from maskfold.data.loading import content_hash
from maskfold.data.statistics import FILE, channel_statistics, moments
from maskfold.errors import MaskfoldError


def table(folder, photos) -> pd.DataFrame:
    paths = [folder / f"{name}.npy" for name in photos]
    for path, photo in zip(paths, photos.values(), strict=True):
        np.save(path, photo)
    return pd.DataFrame({"image": [str(path) for path in paths], "image_hash": [content_hash(path) for path in paths]})


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The names of the photos that are read, in order."""
    names, whole = [], statistics.read_image
    monkeypatch.setattr(
        statistics, "read_image", lambda path, **how: names.append(os.path.basename(path)) or whole(path, **how)
    )
    return names


def test_photos_of_several_sizes_count_by_their_pixels_and_holes_not_at_all(tmp_path):
    small = np.array([[[1, 100], [3, np.nan]]], np.float32)  # 1 and 3; 100
    large = np.array([[[5, 200]], [[7, np.inf]], [[9, 600]]], np.float32)  # 5, 7 and 9; 200 and 600
    found = channel_statistics(table(tmp_path, {"a": small, "b": large}), channels=2, folder=tmp_path, jobs=1)
    # (1 + 3 + 5 + 7 + 9) / 5 = 5, squares 16 + 4 + 0 + 4 + 16 = 40, / 5 = 8; (100 + 200 + 600) / 3 = 300,
    # 40,000 + 10,000 + 90,000 = 140,000, / 3.
    assert found["mean"] == [5, 300]
    assert found["std"] == pytest.approx([8**0.5, (140_000 / 3) ** 0.5], rel=1e-5)


def test_a_constant_channel_and_an_empty_one_can_be_divided_by(tmp_path):
    photo = np.dstack([np.full((4, 5), 7), np.full((4, 5), np.nan)]).astype(np.float32)
    found = channel_statistics(table(tmp_path, {"a": photo}), channels=2, folder=tmp_path, jobs=1)
    assert found == {"mean": [7, 0], "std": [1, 1]}


def test_blocks_make_no_difference(monkeypatch):
    image = np.random.default_rng(0).integers(0, 65536, (37, 53, 3)).astype(np.float32)
    monkeypatch.setattr(statistics, "_BLOCK", 100)
    found = moments(image)
    assert found.count.tolist() == [37 * 53] * 3
    np.testing.assert_allclose(found.mean, image.mean(axis=(0, 1), dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(found.squares / found.count, image.var(axis=(0, 1), dtype=np.float64), rtol=1e-12)


def test_what_was_measured_is_remembered_by_content_and_not_by_name(tmp_path, read):
    photos = {name: np.full((2, 3, 1), value, np.uint8) for name, value in (("a", 10), ("b", 30))}
    rows = table(tmp_path, photos)
    first = channel_statistics(rows, channels=1, folder=tmp_path, jobs=1)
    assert first == {"mean": [20], "std": [10]}
    os.rename(tmp_path / "a.npy", tmp_path / "c.npy")
    again = rows.assign(image=[str(tmp_path / "c.npy"), str(tmp_path / "b.npy")])[::-1]
    assert channel_statistics(again, channels=1, folder=tmp_path, jobs=1) == first
    assert sorted(read) == ["a.npy", "b.npy"]  # once
    changed = table(tmp_path, {"b": np.full((2, 3, 1), 50, np.uint8)})
    assert channel_statistics(changed, channels=1, folder=tmp_path, jobs=1)["mean"] == [50]


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", ["{", "[]", '{"0": 3}'])
def test_a_damaged_file_is_written_anew(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    rows = table(tmp_path, {"a": np.full((2, 3, 1), 10, np.uint8)})
    assert channel_statistics(rows, channels=1, folder=tmp_path, jobs=1) == {"mean": [10], "std": [1]}
    assert len(statistics._read(tmp_path / FILE)) == 1


@pytest.mark.hostile("full or read-only disk")
def test_a_file_that_cannot_be_written_costs_a_line_in_the_log(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    rows = table(tmp_path, {"a": np.full((2, 3, 1), 10, np.uint8)})
    assert channel_statistics(rows, channels=1, folder=tmp_path / "file", jobs=1)["mean"] == [10]
    assert "are not remembered for the next fold" in caplog.text


def test_of_many_photos_the_same_few_are_looked_at(tmp_path, read, monkeypatch):
    monkeypatch.setattr(statistics, "SAMPLE", 3)
    rows = table(tmp_path, {f"p{number}": np.full((1, 1, 1), number, np.uint8) for number in range(9)})
    one = channel_statistics(rows, channels=1, folder=tmp_path / "one", jobs=1)
    assert len(read) == 3
    assert channel_statistics(rows[::-1], channels=1, folder=tmp_path / "other", jobs=1) == one
    assert read[3:] == read[:3]


def test_8_bits_of_a_png_are_counted_in_levels(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.array([[[30, 20, 10], [60, 50, 40]]], np.uint8))  # blue, green, red
    rows = pd.DataFrame({"image": [str(tmp_path / "a.png")], "image_hash": ["0"]})
    assert channel_statistics(rows, channels=3, folder=tmp_path, jobs=1) == {"mean": [25, 35, 45], "std": [15] * 3}


@pytest.mark.hostile("wrong input")
def test_photos_of_8_and_of_16_bits_are_not_one_data_set(tmp_path):
    rows = table(tmp_path, {"a": np.full((2, 3, 1), 10, np.uint8), "b": np.full((2, 3, 1), 2570, np.uint16)})
    with pytest.raises(MaskfoldError, match=r"a\.npy has 8 bits and \S+b\.npy has more.*in one way"):
        channel_statistics(rows, channels=1, folder=tmp_path, jobs=1)
    assert not (tmp_path / FILE).exists()


def test_a_very_large_photo_is_measured_by_bands(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).normal(5, 2, (40, 50, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", pixels)
    table = pd.DataFrame([{"image": str(tmp_path / "a.npy"), "image_hash": "a", "height": 40, "width": 50}])
    whole = channel_statistics(table, channels=4, folder=tmp_path / "whole", jobs=1)
    monkeypatch.setattr("maskfold.data.windows.LARGE", 1000)
    monkeypatch.setattr("maskfold.data.windows.BAND", 7)
    monkeypatch.setattr("maskfold.data.statistics.read_image", None)

    by_bands = channel_statistics(table, channels=4, folder=tmp_path / "bands", jobs=1)

    assert by_bands["mean"] == pytest.approx(whole["mean"], rel=1e-5)
    assert by_bands["std"] == pytest.approx(whole["std"], rel=1e-5)
