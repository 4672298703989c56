"""What was measured is measured once for each content, whatever becomes of the run."""

from pathlib import Path

import pytest

from maskfold.cleaning import remembering

ITEMS = {("a",): 1, ("b",): 2, ("c",): 3}


def squares(cache: Path, *, fails_at: int | None = None, version: str = "1") -> tuple[dict[str, int], list[int]]:
    """Return the square of each item by key, and the items that had to be looked at."""
    seen = []

    def square(item: int) -> list[tuple[int]]:
        if item == fails_at:
            raise KeyboardInterrupt
        seen.append(item)
        return [(item**2,)]

    told = {"keys": ["name"], "columns": ["square"], "cache": cache, "version": version, "description": "", "jobs": 1}
    table = remembering.remembered(square, ITEMS, **told)
    return dict(zip(table["name"], table["square"], strict=True)), seen


@pytest.mark.hostile("killed")
def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path):
    cache = tmp_path / "cache.parquet"
    with pytest.raises(KeyboardInterrupt):
        squares(cache, fails_at=3)

    assert squares(cache) == ({"a": 1, "b": 4, "c": 9}, [3])
    assert squares(cache)[1] == []


def test_another_version_is_measured_anew(tmp_path):
    squares(tmp_path / "cache.parquet")

    assert squares(tmp_path / "cache.parquet", version="2")[1] == [1, 2, 3]


@pytest.mark.hostile("damaged files")
def test_a_damaged_cache_is_written_anew(tmp_path, caplog):
    cache = tmp_path / "cache.parquet"
    cache.write_bytes(b"PAR1, but no more of it")

    assert squares(cache)[1] == [1, 2, 3]
    assert "damaged" in caplog.text
    assert squares(cache)[1] == []


@pytest.mark.hostile("full or read-only disk")
def test_what_cannot_be_remembered_is_said_and_returned(tmp_path, caplog):
    (tmp_path / "folder").write_text("a file where the folder should be")

    assert squares(tmp_path / "folder" / "cache.parquet")[0] == {"a": 1, "b": 4, "c": 9}
    assert "not remembered" in caplog.text
