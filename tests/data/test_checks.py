"""What is remembered of files, and when it is asked anew."""

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskfold.data import checks
from maskfold.data.checks import verdicts


@pytest.fixture
def files(tmp_path) -> pd.DataFrame:
    """A photo of 4x6, one of 5x7, and a mask of 4x6 with a quarter of its pixels set."""
    for name, size in (("train.jpg", (4, 6)), ("test.jpg", (5, 7))):
        Image.fromarray(np.zeros((*size, 3), np.uint8)).save(tmp_path / name)
    mask = np.zeros((4, 6), np.uint8)
    mask[:2, :3] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    paths = [str(tmp_path / name) for name in ("train.jpg", "test.jpg", "mask.png")]
    return pd.DataFrame({"path": paths, "kind": ["photo", "header", "mask"]})


@pytest.fixture
def looked_at(monkeypatch) -> list[str]:
    """The names of the files that are opened, in order."""
    names = []
    whole = checks._verdict
    monkeypatch.setattr(checks, "_verdict", lambda file: names.append(Path(file[0]).name) or whole(file))
    return names


def test_sizes_areas_and_errors(files, tmp_path):
    files.loc[3] = [str(tmp_path / "gone.png"), "mask"]
    found = verdicts(files).set_index("path").loc[files["path"]]
    assert found["height"].tolist() == [4, 5, 4, 0]
    assert found["width"].tolist() == [6, 7, 6, 0]
    assert found["area"].fillna(-1).tolist() == [-1, -1, 0.25, -1]
    assert found["error"].tolist()[:3] == ["", "", ""]
    assert "gone.png: cannot be read" in found["error"].iloc[3]


def test_a_truncated_test_photo_is_found_without_decoding_the_sound_ones(files, tmp_path, monkeypatch):
    decoded = []
    whole = checks.read_image
    monkeypatch.setattr(checks, "read_image", lambda path: decoded.append(Path(path).name) or whole(path))
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "test.jpg").read_bytes()[:-20])
    files.loc[3] = [str(cut), "header"]
    errors = verdicts(files).set_index("path")["error"]
    assert "cut.jpg: cannot be read" in errors[str(cut)]
    assert decoded == ["train.jpg", "cut.jpg"]


def test_only_what_has_changed_is_looked_at_again(files, tmp_path, looked_at):
    cache = tmp_path / "data/checked.parquet"
    first = verdicts(files, cache=cache)
    assert looked_at == ["train.jpg", "test.jpg", "mask.png"]
    looked_at.clear()
    pd.testing.assert_frame_equal(verdicts(files, cache=cache), first)
    assert looked_at == []

    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(tmp_path / "mask.png")
    os.utime(tmp_path / "test.jpg", ns=(1, 1))  # same bytes, another time
    again = verdicts(files, cache=cache).set_index("kind")
    assert sorted(looked_at) == ["mask.png", "test.jpg"]
    assert again.loc["mask", "area"] == 1


def test_failures_are_not_remembered(files, tmp_path, looked_at):
    cache = tmp_path / "checked.parquet"
    (tmp_path / "train.jpg").write_bytes(b"")
    verdicts(files, cache=cache)
    looked_at.clear()
    assert (verdicts(files, cache=cache)["error"] != "").sum() == 1
    assert looked_at == ["train.jpg"]


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing of the kind", None])
def test_a_damaged_cache_is_written_anew(files, tmp_path, looked_at, content):
    cache = tmp_path / "checked.parquet"
    if content is None:
        pd.DataFrame({"path": ["another table altogether"]}).to_parquet(cache)
    else:
        cache.write_bytes(content)
    verdicts(files, cache=cache)
    assert len(looked_at) == 3
    verdicts(files, cache=cache)
    assert len(looked_at) == 3


def test_a_cache_that_cannot_be_written_does_not_stop_the_run(files, tmp_path, caplog):
    (tmp_path / "file").write_text("in the folder's place")
    with caplog.at_level(logging.WARNING):
        assert len(verdicts(files, cache=tmp_path / "file/checked.parquet")) == 3
    assert "not remembered" in caplog.text


def test_what_was_found_before_an_interruption_is_kept(files, tmp_path, monkeypatch):
    cache = tmp_path / "checked.parquet"
    whole = checks._verdict

    def interrupted(file):
        if file[0].endswith("mask.png"):
            raise KeyboardInterrupt
        return whole(file)

    monkeypatch.setattr(checks, "_verdict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        verdicts(files, cache=cache)
    assert sorted(Path(path).name for path in pd.read_parquet(cache)["path"]) == ["test.jpg", "train.jpg"]
