"""What a batch remembers, and what of it is believed."""

import json

import pytest

from maskfold.cutout.record import BatchRecord, Entry
from maskfold.errors import MaskfoldError
from maskfold.storage import FolderStorage

ENTRY = Entry("a.jpg", "1", "hash", "key", "a.jpg.png", 3, "sha")


def test_what_is_added_is_there_for_the_next_run_in_its_order(tmp_path):
    record = BatchRecord(FolderStorage(tmp_path), [])
    record.add(ENTRY)
    assert [*record.entries()] == []  # not on disk yet
    record.write()
    record.write()  # nothing waits, nothing is written
    for photo in ("a.jpg", "b.jpg"):
        record.add(Entry(photo, "2", "hash", "key", quality={"score": 1.5}))
    record.write()

    names = sorted(path.name for path in (tmp_path / "record").iterdir())
    assert names == ["00001.jsonl", "00002.jsonl"]
    again = BatchRecord(FolderStorage(tmp_path), [f"record/{name}" for name in reversed(names)])
    assert [entry.version for entry in again.entries()] == ["1", "2", "2"]
    first, second = [entry.quality for entry in again.entries()][1:]
    assert first == second == {"score": 1.5}
    assert next(iter(first)) is next(iter(second))  # a key is in memory once, and not once a photo


@pytest.mark.hostile("damaged files")
def test_lines_that_are_no_entries_are_left_out_with_a_warning(tmp_path, caplog):
    (tmp_path / "record").mkdir()
    good = json.dumps({"photo": "b.jpg", "version": "1", "photo_hash": "h", "key": "k"})
    lines = ['{"photo": "a', "[1]", '{"photo": 1, "version": "", "photo_hash": "", "key": ""}', '{"x": 1}', good]
    (tmp_path / "record" / "00001.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe")
    record = BatchRecord(FolderStorage(tmp_path), ["record/00001.jsonl", "b/00001.jsonl"])

    assert [entry.photo for entry in record.entries()] == ["b.jpg"]
    assert len(caplog.records) == 5


@pytest.mark.hostile("foreign files")
def test_a_foreign_file_in_the_place_of_the_record_is_named(tmp_path):
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "mine.jsonl").write_text("")
    record = BatchRecord(FolderStorage(tmp_path), ["record/mine.jsonl"])
    record.add(ENTRY)

    with pytest.raises(MaskfoldError, match=r"record/mine\.jsonl: no file of this record"):
        record.write()
