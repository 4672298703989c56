"""What is seen of photos, and how it is kept."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.cleaning.fingerprints import MEASURES, details_of, fingerprints, measures, pdq, unseen
from scenes import scene, table_of


def test_measures_of_pictures_that_one_can_reckon():
    halves = np.zeros((10, 10, 3), np.uint8)
    halves[:, 5:] = 255
    red = np.zeros((10, 10, 3), np.uint8)
    red[..., 0] = 255

    assert measures(halves) | {"sharpness": 0} == pytest.approx(
        {"brightness": 0.5, "contrast": 1, "saturation": 0, "sharpness": 0, "green_to_red": 0, "blue_to_yellow": 0}
    )
    assert measures(halves)["sharpness"] == pytest.approx(2 * 255 / 10 / 1020)  # at the two columns beside the edge
    assert measures(red)["saturation"] == 1
    assert measures(red)["sharpness"] == measures(red)["contrast"] == 0
    assert measures(red)["green_to_red"] > 60  # 80 in Lab


@pytest.mark.parametrize(
    "photo", [np.full((100, 100, 3), 130, np.uint8), scene(0, 50, 200)], ids=["without detail", "tiny"]
)
def test_what_has_no_meaning_has_no_hash(photo):
    assert pdq(photo, photo.shape[:2]) == b""
    assert len(pdq(scene(0), (120, 160))) == 32


def test_a_content_is_looked_at_once(tmp_path):
    table = table_of(tmp_path / "p", {"a": scene(1), "b": scene(2), "c": scene(1)})
    cache = tmp_path / "data/fingerprints.parquet"
    assert unseen(table, cache) == 2

    seen = fingerprints(table, cache=cache)
    for path in table["image"]:
        Path(path).unlink()
    again = fingerprints(table, cache=cache)

    assert seen.index.tolist() == table["image_hash"].tolist()[:2]
    pd.testing.assert_frame_equal(seen, again)
    assert unseen(table, cache) == 0
    assert (details_of(seen) @ details_of(seen).T).diagonal() == pytest.approx([1, 1])


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("damage", ["cut short", "other columns", "short hashes"])
def test_a_damaged_cache_is_made_anew(tmp_path, damage):
    table = table_of(tmp_path / "p", {"a": scene(1), "b": scene(2)})
    cache = tmp_path / "fingerprints.parquet"
    seen = fingerprints(table, cache=cache)
    if damage == "cut short":
        cache.write_bytes(cache.read_bytes()[:200])
    else:
        rows = pd.read_parquet(cache)
        rows = rows.assign(pdq=b"123") if damage == "short hashes" else rows.drop(columns="thumbnail")
        rows.to_parquet(cache)

    pd.testing.assert_frame_equal(fingerprints(table, cache=cache), seen)
    assert len(pd.read_parquet(cache)) == 2


@pytest.mark.hostile("damaged files")
def test_a_photo_that_cannot_be_decoded_is_named_and_looked_at_again_next_time(tmp_path, caplog):
    table = table_of(tmp_path / "p", {"a": scene(1), "b": scene(2)})
    whole = Path(table["image"][0]).read_bytes()
    Path(table["image"][0]).write_bytes(whole[:300])
    cache = tmp_path / "fingerprints.parquet"
    with caplog.at_level(logging.WARNING):
        seen = fingerprints(table, cache=cache)

    assert "a.png" in caplog.text
    assert seen["pdq"].map(len).tolist() == [0, 32]
    assert seen[MEASURES].isna().all(axis=1).tolist() == [True, False]

    Path(table["image"][0]).write_bytes(whole)
    assert fingerprints(table, cache=cache)["pdq"].map(len).tolist() == [32, 32]
