"""What is remembered of files, and when it is asked anew."""

import hashlib
import logging
import os
import signal
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskfold.data import checks
from maskfold.data.checks import positions, verdicts
from maskfold.data.verdict_cache import STAMP
from maskfold.files import locked


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
    """The names of the files that are read, in order."""
    return _names_given_to("content_hash", monkeypatch)


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The names of the photos and masks that are decoded, in order."""
    names = _names_given_to("read_image", monkeypatch)
    whole = checks.read_mask
    monkeypatch.setattr(checks, "read_mask", lambda path: names.append(Path(path).name) or whole(path))
    return names


def _names_given_to(function: str, monkeypatch) -> list[str]:
    names = []
    whole = getattr(checks, function)
    monkeypatch.setattr(checks, function, lambda path, **how: names.append(Path(path).name) or whole(path, **how))
    return names


def test_sizes_areas_and_errors(files, tmp_path):
    files.loc[3] = [str(tmp_path / "gone.png"), "mask"]
    found = verdicts(files).set_index("path").loc[files["path"]]
    assert found["height"].tolist() == [4, 5, 4, 0]
    assert found["width"].tolist() == [6, 7, 6, 0]
    assert found["area"].fillna(-1).tolist() == [-1, -1, 0.25, -1]
    assert found["error"].tolist()[:3] == ["", "", ""]
    assert "gone.png: cannot be read" in found["error"].iloc[3]


def test_hashes_are_of_the_bytes(files, tmp_path):
    files.loc[3] = [str(tmp_path / "gone.png"), "mask"]
    hashes = verdicts(files)["hash"]
    for path, content in zip(files["path"][:3], hashes, strict=False):
        assert content == hashlib.sha256(Path(path).read_bytes()).hexdigest()[:32]
    assert hashes.isna().tolist() == [False, False, False, True]


def test_a_row_a_file_and_kind_in_the_order_of_the_files(files, tmp_path):
    cache = tmp_path / "checked.parquet"
    verdicts(files.iloc[[1]], cache=cache)
    twice = pd.concat([files, files, files.iloc[[0]].assign(kind="header")])
    seen = verdicts(twice, cache=cache)
    assert seen["path"].tolist() == [*files["path"], files["path"][0]]
    assert seen["kind"].tolist() == ["photo", "header", "mask", "header"]
    assert seen["height"].tolist() == [4, 5, 4, 4]
    pd.testing.assert_frame_equal(verdicts(twice, cache=cache), seen)


def test_no_files_are_no_rows(tmp_path):
    nothing = pd.DataFrame({"path": [], "kind": []}, dtype="str")
    assert verdicts(nothing, cache=tmp_path / "checked.parquet").empty


@pytest.mark.hostile("damaged files")
def test_a_truncated_test_photo_is_found_without_decoding_the_sound_ones(files, tmp_path, decoded):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "test.jpg").read_bytes()[:-20])
    files.loc[3] = [str(cut), "header"]
    errors = verdicts(files).set_index("path")["error"]
    assert "cut.jpg: cannot be read" in errors[str(cut)]
    assert decoded == ["train.jpg", "mask.png", "cut.jpg"]


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
    looked_at.clear()
    verdicts(files, cache=cache)
    assert looked_at == []


@pytest.mark.hostile("replaced files")
def test_a_file_replaced_by_one_of_its_size_and_time_is_seen(files, tmp_path):
    cache = tmp_path / "checked.parquet"
    photo = tmp_path / "train.jpg"
    before = verdicts(files, cache=cache)
    stat, content = photo.stat(), bytearray(photo.read_bytes())
    content[6:11] = b"EXIF\0"  # in place of JFIF: another file of the same size, and still a photo
    photo.write_bytes(content)
    os.utime(photo, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = verdicts(files, cache=cache)
    assert (after["mtime_ns"] == before["mtime_ns"]).all()
    assert (after["hash"] == before["hash"]).tolist() == [False, True, True]


@pytest.mark.hostile("replaced files")
def test_a_file_of_another_time_and_the_same_bytes_is_read_and_not_decoded(files, tmp_path, looked_at, decoded):
    cache = tmp_path / "checked.parquet"
    first = verdicts(files, cache=cache)
    for path in files["path"]:
        os.utime(path, ns=(1, 1))
    looked_at.clear(), decoded.clear()
    again = verdicts(files, cache=cache)
    assert (len(looked_at), decoded) == (3, [])
    pd.testing.assert_frame_equal(again.drop(columns=STAMP), first.drop(columns=STAMP))


def test_failures_are_not_remembered(files, tmp_path, looked_at):
    cache = tmp_path / "checked.parquet"
    (tmp_path / "train.jpg").write_bytes(b"")
    verdicts(files, cache=cache)
    looked_at.clear()
    assert (verdicts(files, cache=cache)["error"] != "").sum() == 1
    assert looked_at == ["train.jpg"]


@pytest.mark.hostile("full or read-only disk")
def test_a_cache_that_cannot_be_written_does_not_stop_the_run(files, tmp_path, caplog):
    (tmp_path / "file").write_text("in the folder's place")
    with caplog.at_level(logging.WARNING):
        assert len(verdicts(files, cache=tmp_path / "file/checked.parquet")) == 3
    assert "not remembered" in caplog.text


@pytest.mark.hostile("killed")
def test_what_was_seen_before_an_interruption_is_kept(files, tmp_path, monkeypatch, looked_at):
    cache = tmp_path / "checked.parquet"
    whole = checks.read_mask
    monkeypatch.setattr(checks, "read_mask", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        verdicts(files, cache=cache)
    looked_at.clear()
    monkeypatch.setattr(checks, "read_mask", whole)
    verdicts(files, cache=cache)
    assert looked_at == ["mask.png"]
    assert [path.name for path in tmp_path.glob("*checked*")] == ["checked.parquet"]


@pytest.mark.hostile("killed")
def test_what_was_seen_before_a_kill_is_kept(files, tmp_path, monkeypatch, looked_at):
    cache = tmp_path / "checked.parquet"
    monkeypatch.setattr(checks, "_PIECE_S", 0)
    with monkeypatch.context() as patched:
        patched.setattr(checks, "read_mask", lambda path: os.kill(os.getpid(), signal.SIGKILL))
        killed = get_context("fork").Process(target=verdicts, args=(files,), kwargs={"cache": cache, "jobs": 1})
        killed.start()
        killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not cache.exists()
    verdicts(files, cache=cache)
    assert looked_at == ["mask.png"]


@pytest.mark.hostile("full or read-only disk")
def test_what_cannot_be_kept_for_now_is_kept_later(files, tmp_path, monkeypatch, looked_at):
    cache = tmp_path / "checked.parquet"
    monkeypatch.setattr(checks, "_PIECE_S", 0)
    whole = checks.read_mask

    def interrupted(path):
        other.close()
        _interrupt(path)

    monkeypatch.setattr(checks, "read_mask", interrupted)
    with ExitStack() as other:
        other.enter_context(locked(tmp_path))  # by another run, until the mask's turn
        with pytest.raises(KeyboardInterrupt):
            verdicts(files, cache=cache)
    looked_at.clear()
    monkeypatch.setattr(checks, "read_mask", whole)
    verdicts(files, cache=cache)
    assert looked_at == ["mask.png"]


def test_failures_alone_are_no_reason_to_write(files, tmp_path):
    cache = tmp_path / "checked.parquet"
    (tmp_path / "train.jpg").write_bytes(b"")
    verdicts(files, cache=cache)
    written = cache.stat().st_ino
    verdicts(files, cache=cache)
    assert cache.stat().st_ino == written


def test_positions_are_of_the_first_and_none_of_what_is_missing():
    assert positions(pd.Series(["b", None, "a", "z"]), pd.Series(["a", "b", "a", None])).tolist() == [1, -1, 0, -1]
    assert positions(pd.Series(["b"]), pd.Series([], dtype=object)).tolist() == [-1]


def _interrupt(path: str) -> None:
    raise KeyboardInterrupt
