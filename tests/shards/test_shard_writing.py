"""Photos put in shards: each once, as they were, and a month that is not whole is never taken for one that is."""

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest

from maskfold.data.labelled import LabelTable
from maskfold.errors import MaskfoldError
from maskfold.shards import writing
from maskfold.shards.source import ShardedPhotos
from maskfold.shards.writing import write_shards
from maskfold.storage import FolderStorage, chunks
from shard_photos import labelled_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> pd.DataFrame:
    """The checked table of 30 photos, in two months and without one."""
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return LabelTable(root=str(labelled_photos(folder / "photos", 30))).as_found(jobs=1)


@pytest.fixture(autouse=True)
def closed():
    chunks.forget()


def write(table: pd.DataFrame, root: Path, **options) -> dict[str, str]:
    """Write shards of few photos a chunk; return what has become of each month."""
    size = os.stat(table["image"].iloc[0]).st_size
    results = write_shards(table, str(root), **{"chunk_bytes": 3 * size, "jobs": 1} | options)
    return {one.month: one.state for one in results}


def files_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_every_photo_is_once_in_its_month_as_it_was(photos, tmp_path):
    assert write(photos, tmp_path) == {"2026-01": "written", "2026-02": "written", "undated": "written"}

    expected = photos.set_index("image_id")
    seen = []
    for month in ("2026-01", "2026-02", "undated"):
        folder = tmp_path / month
        index = json.loads((folder / "index.json").read_text())
        rows = pd.read_parquet(folder / "table.parquet")
        assert sum(chunk["chunk_size"] for chunk in index["chunks"]) == len(rows)
        assert len(index["chunks"]) > 1
        for chunk in index["chunks"]:
            path = folder / chunk["filename"]
            assert path.stat().st_size == chunk["chunk_bytes"] <= index["config"]["chunk_bytes"] + 100
            opened = chunks.Chunk(path, name=path.name)
            own = rows[rows["chunk"] == path.name].sort_values("number")
            for row in own.itertuples():
                content, image_id = opened.read(row.number)
                assert image_id == row.image_id
                assert content == Path(expected.loc[image_id, "image"]).read_bytes()
        month_of = expected.loc[rows["image_id"], "month"]
        assert month_of.isna().all() if month == "undated" else (month_of == month).all()
        assert not {"image", "mask", "class_index"} & {*rows.columns}
        assert (rows["meta.shelf"] == "x").all()
        seen += rows["image_id"].tolist()
    assert sorted(seen) == sorted(photos["image_id"])


def test_photos_of_a_month_are_mixed_before_they_are_put_in_chunks(photos):
    rows = photos.sort_values("image_hash")
    planned = writing.plan_chunks(rows, 10**9)
    assert [image_id for _, _, image_id in planned[0].photos] == rows["image_id"].tolist() != sorted(rows["image_id"])


def test_what_is_finished_stays_and_what_has_changed_is_written_anew(photos, tmp_path, caplog):
    write(photos, tmp_path)
    before = files_of(tmp_path / "2026-01")
    assert {*write(photos, tmp_path).values()} == {"kept"}
    assert files_of(tmp_path / "2026-01") == before

    corrected = photos.assign(label=photos["label"].replace("product 1", "product 2"))
    assert {*write(corrected, tmp_path, months=["2026-01"]).values()} == {"table"}
    after = files_of(tmp_path / "2026-01")
    assert {name for name in after if after[name] != before[name]} == {"table.parquet", "manifest.json"}

    fewer = corrected[corrected["image_id"] != corrected.loc[corrected["month"] == "2026-01", "image_id"].iloc[0]]
    assert write(fewer, tmp_path)["2026-01"] == "written"
    assert "of an earlier version" in caplog.text
    present = ShardedPhotos(root=str(tmp_path)).photos()
    assert sorted(present["image_id"]) == sorted(fewer["image_id"])


class DiskIsFullError(Exception):
    """Ends a run between two writes."""


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("last", ["chunk-00002", "index.json", "table.parquet", "manifest.json"])
def test_a_run_broken_off_is_not_taken_for_finished_and_goes_on(photos, tmp_path, monkeypatch, last):
    write_, written = FolderStorage.write, []

    def spoiled(storage, name, content):
        if name.startswith(last):
            raise DiskIsFullError
        write_(storage, name, content)

    monkeypatch.setattr(FolderStorage, "write", spoiled)
    with pytest.raises(DiskIsFullError):
        write(photos, tmp_path)
    with pytest.raises(MaskfoldError, match=r"2026-01: not written to its end \(manifest\.json is missing\)"):
        ShardedPhotos(root=str(tmp_path)).photos()
    there = {path.name for path in (tmp_path / "2026-01").glob("chunk-*")}

    monkeypatch.setattr(FolderStorage, "write", lambda *args: written.append(args[1]) or write_(*args))
    assert write(photos, tmp_path)["2026-01"] == "written"

    assert there
    assert not there & {*written}
    assert len(ShardedPhotos(root=str(tmp_path)).photos()) == 30


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), r"chunk-00001-\w+\.bin: missing"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-9]),
            r"chunk-00001-\w+\.bin: [\d,]+ bytes instead of [\d,]+",
        ),
    ],
    ids=["missing", "short"],
)
def test_a_short_month_is_named_before_anything_is_read_and_mended_by_the_same_command(
    photos, tmp_path, damage, message
):
    write(photos, tmp_path)
    damage(next((tmp_path / "2026-02").glob("chunk-00001-*")))

    with pytest.raises(MaskfoldError, match=rf"2026-02: 1 of its \d chunks are not as they were written:\n  {message}"):
        ShardedPhotos(root=str(tmp_path)).photos()
    assert write(photos, tmp_path) == {"2026-01": "kept", "2026-02": "written", "undated": "kept"}
    assert len(ShardedPhotos(root=str(tmp_path)).photos()) == 30


@pytest.mark.hostile("killed")
def test_chunks_that_never_come_are_an_error_and_no_empty_set(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "map_unordered", lambda *args, **options: iter(()))
    with pytest.raises(MaskfoldError, match="0 photos in the chunks instead of 13"):
        write(photos, tmp_path)
    assert not (tmp_path / "2026-01/manifest.json").exists()


def _killed(chunk, **options):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.hostile("killed")
def test_a_writing_process_that_is_killed_is_named_and_the_second_start_ends(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("maskfold.parallel.START_UP_S", -1)  # other processes from the first chunk on
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_chunk", _killed)
        with pytest.raises(MaskfoldError, match="A process that worked on images was killed"):
            write(photos, tmp_path, jobs=2)
    assert not (tmp_path / "2026-01/manifest.json").exists()
    assert {*write(photos, tmp_path).values()} == {"written"}


@pytest.mark.hostile("replaced files")
def test_a_photo_that_has_changed_since_it_was_checked_is_named(photos, tmp_path):
    wrong = photos.assign(image_hash=photos["image_hash"].str[::-1])
    with pytest.raises(MaskfoldError, match=r"\d+\.jpg: has changed since the data were checked"):
        write(wrong, tmp_path)


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("month", ["../up", "a/b", ".hidden", "a\nb"])
def test_a_month_that_cannot_be_a_folder_is_refused(photos, tmp_path, month):
    with pytest.raises(MaskfoldError, match="month"):
        write(photos.assign(month=month), tmp_path / "shards")
    assert not list(tmp_path.iterdir())


@pytest.mark.hostile("wrong input")
def test_months_without_photos_are_named(photos, tmp_path):
    with pytest.raises(MaskfoldError, match="no photos of 2027-01; there are 2026-01, 2026-02, undated"):
        write(photos, tmp_path, months=["2027-01"])
    with pytest.raises(MaskfoldError, match="no photos"):
        write_shards(photos[:0], str(tmp_path), chunk_bytes=4000)


@pytest.mark.slow
def test_litdata_itself_reads_a_month(photos, tmp_path):
    litdata = pytest.importorskip("litdata")
    write(photos, tmp_path)
    samples = litdata.StreamingDataset(str(tmp_path / "2026-01"))
    expected = photos[photos["month"] == "2026-01"].set_index("image_id")["image"]
    read = {name: bytes(content) for content, name in (samples[number] for number in range(len(samples)))}
    assert read == {image_id: Path(path).read_bytes() for image_id, path in expected.items()}
