"""The bounded folder of copies: what stays, what goes, and what is fetched anew."""

import hashlib
import multiprocessing
import os
import time

import pytest

from maskfold.errors import MaskfoldError
from maskfold.storage import cache as module
from maskfold.storage.cache import Cache, open_cache

KEYS = [f"{number:02x}" + "0" * 30 for number in range(8)]


@pytest.fixture
def fetched(monkeypatch):
    """Counts what is fetched; each file is 100 bytes of its number."""
    monkeypatch.setattr(module, "_held", {})
    return []


def asked(cache, number, fetched, content=None):
    content = bytes([number]) * 100 if content is None else content

    def fetch(path):
        fetched.append(number)
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    return cache.copy(KEYS[number], ".bin", size=len(content), fetch=fetch)


def let_go():
    for name in [*module._held]:
        module._let_go(name)


def test_a_copy_is_fetched_once_and_again_when_it_is_damaged(tmp_path, fetched):
    cache = Cache(tmp_path, 1000)
    path = asked(cache, 1, fetched)
    assert asked(cache, 1, fetched) == path
    assert fetched == [1]

    path.write_bytes(b"\1" * 99 + b"\2")

    assert asked(cache, 1, fetched).read_bytes() == b"\1" * 100
    assert fetched == [1, 1]


def test_what_was_not_asked_for_the_longest_goes_first(tmp_path, fetched):
    cache = Cache(tmp_path, 320)  # three, and the fiftieth that is kept free
    for number in (0, 1, 2):
        os.utime(asked(cache, number, fetched), (number, number))
    let_go()
    asked(cache, 0, fetched)
    let_go()
    asked(cache, 3, fetched)

    assert sorted(path.name[:2] for path in tmp_path.glob("*/*.bin")) == ["00", "02", "03"]


def test_what_a_process_uses_stays_and_a_full_cache_says_so(tmp_path, fetched):
    cache = Cache(tmp_path, 320)
    paths = [asked(cache, number, fetched) for number in (0, 1, 2)]

    with pytest.raises(MaskfoldError, match=r"full of copies that are in use.*MASKFOLD_CACHE_GB"):
        asked(cache, 3, fetched)
    assert all(path.exists() for path in paths)


def test_a_file_larger_than_the_cache_is_refused_before_it_is_fetched(tmp_path, fetched):
    with pytest.raises(MaskfoldError, match=r"does not fit into the cache of 5e-08 GB.*MASKFOLD_CACHE_GB"):
        asked(Cache(tmp_path, 50), 1, fetched)
    assert fetched == []


@pytest.mark.hostile("killed")
def test_what_a_killed_download_left_is_never_taken_and_goes_after_a_day(tmp_path, fetched):
    shelf = tmp_path / KEYS[1][:2]
    shelf.mkdir()
    for name, age in ((".old.part", 2 * 24 * 3600), (".new.part", 60)):
        (shelf / name).write_bytes(b"half")
        os.utime(shelf / name, (time.time() - age,) * 2)

    asked(Cache(tmp_path, 1000), 1, fetched)

    assert fetched == [1]
    assert not (shelf / ".old.part").exists()
    assert (shelf / ".new.part").exists()


def _work(folder, seed):
    cache, fetched = Cache(folder, 650), []  # two of each of three processes, and not all seven
    for step in range(60):
        number = (step * (seed + 3)) % 7
        path = asked(cache, number, fetched)
        assert path.read_bytes() == bytes([number]) * 100
        let_go()


def test_several_processes_share_it(tmp_path, fetched):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_work, args=(tmp_path, seed)) for seed in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.bin")) <= 650 + 2 * 100  # one being added by each


@pytest.mark.hostile("full or read-only disk")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, fetched):
    (tmp_path / "file").write_text("")

    with pytest.raises(MaskfoldError, match=r"file.*the cache cannot be written: .*MASKFOLD_CACHE=<folder>"):
        asked(Cache(tmp_path / "file", 1000), 1, fetched)


def test_the_environment_says_where_it_is_and_how_large(tmp_path, monkeypatch):
    monkeypatch.delenv("MASKFOLD_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MASKFOLD_CACHE_GB", "0.5")

    assert vars(open_cache()) == {"_folder": tmp_path / "maskfold", "_most": 500_000_000}
    for wrong in ("0", "much", "nan"):
        monkeypatch.setenv("MASKFOLD_CACHE_GB", wrong)
        with pytest.raises(MaskfoldError, match="give a number of GB"):
            open_cache()
