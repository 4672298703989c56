"""Runs of one module side by side, with a module that says what it was told."""

import time

import pytest

from maskfold import side_by_side
from maskfold.errors import MaskfoldError
from maskfold.side_by_side import run_side_by_side

ECHO = """
import os, sys
print("threads", os.environ["OMP_NUM_THREADS"])
print(*sys.argv[1:], file=sys.stderr)
sys.exit("no such photo" if "fail" in sys.argv else 0)
"""
MEET = """
import pathlib, sys, time
mine, other = map(pathlib.Path, sys.argv[1:])
mine.touch()
end = time.monotonic() + 60
while not other.exists() and time.monotonic() < end:
    time.sleep(0.01)
sys.exit(0 if other.exists() else "alone")
"""
WAIT = """
import time
print("waits", flush=True)
time.sleep(600)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that processes of this test can run; return its name."""

    def write(code: str) -> str:
        (tmp_path / "told.py").write_text(code)
        return "told"

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    return write


def test_lines_come_out_behind_the_name_and_one_that_fails_is_named_when_all_have_ended(module, monkeypatch, capfd):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(MaskfoldError, match=r"^a, c: failed"):
        run_side_by_side(module(ECHO), {"a": ["fail"], "b": ["x", "y=1"], "c": ["fail"]})

    lines = capfd.readouterr().out.splitlines()
    assert sorted(line for line in lines if line.startswith("[b]")) == ["[b] threads 1", "[b] x y=1"]
    assert lines.count("[a] no such photo") == lines.count("[c] no such photo") == 1


def test_two_work_at_the_same_time_and_their_seconds_come_in_order(module, tmp_path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")

    seconds = run_side_by_side(module(MEET), {"one": [first, second], "two": [second, first]})

    assert [name for name, _ in seconds] == ["one", "two"]
    assert all(value > 0 for _, value in seconds)


@pytest.mark.hostile("killed")
def test_all_end_with_the_one_who_waits_for_them(module, monkeypatch):
    def stop(line: str, **_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side, "print", stop, raising=False)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(module(WAIT), {"a": [], "b": [], "c": []})

    assert time.monotonic() - begun < 60
