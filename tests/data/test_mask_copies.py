"""A mask is decoded once: its copy says the same, and never what another mask says."""

import errno
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskfold import arrays
from maskfold.data import mask_copies
from maskfold.data.geometry import Resize
from maskfold.data.loading import content_hash
from maskfold.data.mask_copies import COPY, FOLDER, copies_of, read_copied, with_copies
from maskfold.segmentation.dataset import LabelledDataset

HEIGHT, WIDTH = 301, 500  # above the least


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(mask_copies, "_unwritable", set())


def draw(path: Path, columns: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, :columns] = 1
    Image.fromarray(mask * 255).convert("1").save(path)
    return mask


def table_of(*paths: Path) -> pd.DataFrame:
    return pd.DataFrame({"mask": [str(path) for path in paths], "mask_hash": [content_hash(path) for path in paths]})


@pytest.fixture
def data(tmp_path):
    """A GIF of a mask, and its row with a copy's place."""
    expected = draw(tmp_path / "a.gif", 200)
    (table,) = with_copies([table_of(tmp_path / "a.gif")], tmp_path / "data")
    return tmp_path / "a.gif", table[COPY][0], expected


def test_a_gif_is_decoded_once(data, monkeypatch):
    path, copy, expected = data
    np.testing.assert_array_equal(read_copied(path, copy), expected)
    monkeypatch.setattr(mask_copies, "decode_mask", None)
    again = read_copied(path, copy)
    np.testing.assert_array_equal(again, expected)
    assert again.dtype == np.uint8
    assert read_copied(path, copy, size=(HEIGHT // 7, WIDTH)).shape == (HEIGHT // 7, WIDTH)
    assert [entry.name for entry in Path(copy).parent.iterdir()] == [Path(copy).name]
    assert Path(copy).stat().st_size < 4000


def test_training_reads_the_copy(data, tmp_path):
    path, copy, _ = data
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "a.jpg")
    rows = pd.DataFrame({"image": [str(tmp_path / "a.jpg")], "mask": [str(path)], COPY: [copy]})
    dataset = LabelledDataset(rows, geometry=Resize(height=6, width=10))
    first = dataset[0, 0]["mask"]
    path.unlink()
    np.testing.assert_array_equal(dataset[1, 0]["mask"], first)
    assert first[0, 0].tolist() == [255] * 4 + [0] * 6


@pytest.mark.hostile("replaced files")
def test_a_mask_that_has_changed_has_another_copy_and_the_old_one_goes(data, tmp_path):
    path, copy, old = data
    new = draw(path, 300)
    np.testing.assert_array_equal(read_copied(path, copy), new)  # replaced while a training runs: no copy by that name
    assert not Path(copy).exists()
    draw(path, 200)
    np.testing.assert_array_equal(read_copied(path, copy), old)
    draw(path, 300)
    (table,) = with_copies([table_of(path)], tmp_path / "data")
    assert table[COPY][0] != copy
    assert not Path(copy).exists()
    np.testing.assert_array_equal(read_copied(path, table[COPY][0]), new)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("spoil", [lambda content: content[:40], lambda content: b"", lambda _: b"no array at all"])
def test_a_damaged_copy_is_made_anew(data, caplog, spoil):
    path, copy, expected = data
    read_copied(path, copy)
    whole = Path(copy).read_bytes()
    Path(copy).write_bytes(spoil(whole))
    np.testing.assert_array_equal(read_copied(path, copy), expected)
    assert f"{copy}: cannot be read" in caplog.text
    assert "It is made anew." in caplog.text
    assert Path(copy).read_bytes() == whole


@pytest.mark.hostile("full or read-only disk")
def test_where_nothing_can_be_written_masks_are_decoded_and_one_warning_says_so(data, tmp_path, caplog, monkeypatch):
    path, copy, expected = data

    def full(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    for _ in range(2):
        np.testing.assert_array_equal(read_copied(path, copy), expected)
    assert caplog.text.count("masks are decoded in every epoch") == 1
    assert not [*Path(copy).parent.iterdir()]
    caplog.clear()
    (tmp_path / "file").write_text("where a folder should be")
    with caplog.at_level(logging.WARNING):
        (table,) = with_copies([table_of(path)], tmp_path / "file")
    assert COPY not in table
    assert caplog.text.count("masks are decoded in every epoch") == 1


def test_only_what_pays_is_copied_and_a_killed_process_leaves_nothing_for_long(data, tmp_path):
    path, copy, _ = data
    Image.new("1", (64, 48)).save(tmp_path / "small.png")
    stored = tmp_path / f"stored{arrays.SUFFIX}"
    stored.write_bytes(arrays.encode(np.ones((2, HEIGHT, WIDTH), np.uint8)))
    folder = tmp_path / "data" / FOLDER
    stale, running, foreign = folder / f".x{arrays.SUFFIX}.1", folder / f".y{arrays.SUFFIX}.2", folder / "notes.txt"
    for left in (stale, running, foreign):
        left.write_bytes(b"half")
    os.utime(stale, (0, 0))
    rows = pd.concat([table_of(path, tmp_path / "small.png", stored), pd.DataFrame({"mask": ["soft.png"]})])
    (table,) = with_copies([rows], tmp_path / "data")
    assert table[COPY].isna().tolist() == [False, False, False, True]
    assert {*folder.iterdir()} == {running, foreign}
    assert copies_of(table)[3] is None
    assert copies_of(rows) == [None] * 4
    for mask, place in zip(table["mask"][:3], copies_of(table)[:3], strict=True):
        read_copied(mask, place)
    assert {*folder.iterdir()} == {running, foreign, Path(copy)}
    assert with_copies([rows[["mask"]]], tmp_path / "none")[0].columns.tolist() == ["mask"]
    assert not (tmp_path / "none").exists()
