"""Shards as data: the same photos, the same split, and no photo opened for the table."""

import json

import numpy as np
import pandas as pd
import pytest

from maskfold.cleaning.fingerprints import fingerprints
from maskfold.data.labelled import LabelTable
from maskfold.data.loading import content_hash, read_image
from maskfold.data.table import fingerprint
from maskfold.errors import MaskfoldError
from maskfold.shards.source import ShardedPhotos, in_chunks
from maskfold.shards.writing import write_shards
from maskfold.storage import chunks
from shard_photos import labelled_photos


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Photos as files, and their shards."""
    folder = tmp_path_factory.mktemp("sharded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        files = LabelTable(root=str(labelled_photos(folder / "products", 30)), test=0.2)
        write_shards(files.as_found(jobs=1), str(folder / "shards/products"), chunk_bytes=4000, jobs=1)
    return files, str(folder / "shards/products")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chunks.forget()


def test_the_table_is_that_of_the_files_and_no_photo_is_opened_for_it(source, monkeypatch):
    files, root = source
    with monkeypatch.context() as patch:
        patch.setattr(chunks, "Chunk", None)
        sharded = ShardedPhotos(root=root, test=0.2)
        table = sharded.as_found()
        examined = sharded.examined()
    expected = files.as_found(jobs=1)

    assert fingerprint(table) == fingerprint(expected)
    assert (examined["problem"] == "").all()
    both = table.set_index("image_id").join(expected.set_index("image_id"), rsuffix="_file")
    assert (both["split"] == both["split_file"]).all()
    assert (both["image_hash"] == both["image_hash_file"]).all()
    for row in both.itertuples():
        assert np.array_equal(read_image(row.image), read_image(row.image_file))
        assert content_hash(row.image) == row.image_hash
    assert sharded.name == files.name == "products"  # so that the split and the classes are the same


def test_rows_are_in_the_order_of_the_chunks_and_say_which_they_are_in(source):
    table = ShardedPhotos(root=source[1]).as_found()
    numbers, fetch = in_chunks(table)
    assert fetch is None  # of a folder nothing is fetched
    assert numbers == sorted(numbers)
    assert len({*numbers}) == len({*table["image"].str.rpartition("#")[0]}) > 3
    assert in_chunks(table.assign(image="photos/1.jpg")) is None


def test_months_are_chosen_by_name_and_by_the_last(source):
    assert {*ShardedPhotos(root=source[1], until="2026-01").as_found()["month"].fillna("")} == {"2026-01", ""}
    assert {*ShardedPhotos(root=source[1], months=["2026-02"]).as_found()["month"]} == {"2026-02"}
    with pytest.raises(MaskfoldError, match=r"data\.months: no 2027-01 in .* there are 2026-01, 2026-02, undated"):
        ShardedPhotos(root=source[1], months=["2027-01"]).as_found()


@pytest.mark.hostile("wrong input")
def test_months_that_all_come_after_the_last_are_named(source, tmp_path):
    import shutil

    with pytest.raises(MaskfoldError, match=r"data\.until=2026-01: no month of data\.months=\['2026-02'\] in "):
        ShardedPhotos(root=source[1], months=["2026-02"], until="2026-01").as_found()
    root = shutil.copytree(source[1], tmp_path / "shards", ignore=shutil.ignore_patterns("undated"))
    with pytest.raises(MaskfoldError, match=r"data\.until=2025-12: no month in .*; there are 2026-01, 2026-02\."):
        ShardedPhotos(root=str(root), until="2025-12").as_found()


@pytest.mark.hostile("wrong input")
def test_a_folder_without_shards_says_how_they_are_made(tmp_path):
    with pytest.raises(MaskfoldError, match=r"no shards here\. `make shards DATA=\.\.\. TO="):
        ShardedPhotos(root=str(tmp_path / "none")).as_found()


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("change", [lambda rows: rows[1:], lambda rows: rows.assign(label="other")])
def test_a_table_that_is_not_the_months_own_is_refused(source, tmp_path, change):
    import shutil

    root = shutil.copytree(source[1], tmp_path / "shards")
    table = root / "2026-01/table.parquet"
    change(pd.read_parquet(table)).to_parquet(table, index=False)
    with pytest.raises(MaskfoldError, match=r"table\.parquet: not the table that manifest\.json names"):
        ShardedPhotos(root=str(root)).as_found()
    manifest = root / "2026-01/manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"chunks": []}))
    with pytest.raises(MaskfoldError, match=r"manifest\.json: damaged"):
        ShardedPhotos(root=str(root)).as_found()


def test_near_copies_are_looked_for_in_shards_as_in_files(source, tmp_path):
    files, root = source
    tables = files.as_found(jobs=1), ShardedPhotos(root=root, test=0.2).as_found()
    seen = [fingerprints(table, cache=None, jobs=1).sort_index() for table in tables]
    pd.testing.assert_frame_equal(*seen)
    assert (seen[0]["bytes"] > 0).all()
