"""What is known of files: kept in one file and pieces, read whatever state a killed or an older run has left."""

import logging

import pandas as pd
import pytest

from maskfold.data.verdict_cache import COLUMNS, VerdictCache
from maskfold.errors import MaskfoldError
from maskfold.files import locked


def rows(**heights: int) -> pd.DataFrame:
    """A row a mask."""
    table = pd.DataFrame({"path": list(heights), "kind": "mask", "hash": "0f", "height": list(heights.values())})
    return table.assign(bytes=1, mtime_ns=2**62 + 1, ctime_ns=3, width=4, area=0.5)[COLUMNS]


def heights(cache: VerdictCache) -> dict[str, int]:
    known = cache.read()
    return dict(zip(known["path"], known["height"], strict=True))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data/checked.parquet"


def test_what_was_written_is_read(path):
    VerdictCache(path).write(rows(a=1, b=2))
    known = VerdictCache(path).read()
    pd.testing.assert_frame_equal(known, rows(a=1, b=2).astype(known.dtypes.to_dict()))
    assert known["mtime_ns"].tolist() == [2**62 + 1] * 2


def test_what_an_older_look_has_seen_says_nothing(path):
    VerdictCache(path).write(rows(a=1))
    older = pd.read_parquet(path)
    older.attrs = {}
    older.to_parquet(path)
    assert heights(VerdictCache(path)) == {}


def test_pieces_are_read_with_the_file_and_the_newest_word_counts(path):
    VerdictCache(path).write(rows(a=1, b=2))
    VerdictCache(path).append(rows(b=3, c=4))
    VerdictCache(path).append(rows(c=5))
    cache = VerdictCache(path)
    assert heights(cache) == {"a": 1, "b": 3, "c": 5}
    assert cache.is_in_pieces


def test_pieces_go_when_the_file_is_written_but_those_of_another_run_stay(path):
    cache = VerdictCache(path)
    cache.append(rows(a=1))
    VerdictCache(path).append(rows(b=2))
    cache.write(rows(a=1))
    assert not cache.is_in_pieces
    assert heights(VerdictCache(path)) == {"a": 1, "b": 2}
    assert len([*path.parent.glob("*.parquet")]) == 2


def test_no_rows_make_no_piece_and_no_path_keeps_nothing(path):
    VerdictCache(path).append(rows())
    assert not path.parent.exists()
    cache = VerdictCache(None)
    cache.append(rows(a=1))
    cache.write(rows(a=1))
    assert list(cache.read().columns) == COLUMNS
    assert cache.read().empty


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing of the kind"])
def test_a_damaged_file_says_nothing_and_the_log_says_so(path, content, caplog):
    path.parent.mkdir()
    path.write_bytes(content)
    VerdictCache(path).append(rows(a=1))
    with caplog.at_level(logging.WARNING):
        assert heights(VerdictCache(path)) == {"a": 1}
    assert "checked.parquet is damaged and will be written anew" in caplog.text


def test_a_file_of_an_older_version_says_nothing_silently(path, caplog):
    path.parent.mkdir()
    older = ["path", "kind", "bytes", "mtime_ns", "height", "width", "area"]
    rows(a=1)[older].assign(error="").to_parquet(path)
    with caplog.at_level(logging.DEBUG):
        assert VerdictCache(path).read().empty
    assert not caplog.messages


def test_a_folder_held_by_another_run_is_not_written_to(path):
    cache = VerdictCache(path)
    with locked(path.parent):
        for write in (cache.append, cache.write):
            with pytest.raises(MaskfoldError, match="another run is writing here"):
                write(rows(a=1))
    assert heights(VerdictCache(path)) == {}
