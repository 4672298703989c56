"""Memory that is freed stays with the process, counted in the pages the kernel clears for it; and garbage waits."""

import gc
import os
import subprocess
import sys

import pytest

from maskfold import memory

CODE = """
import resource, sys
import numpy as np
from maskfold.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def work():
    photos = [np.ones(7_000_000, np.uint8) for _ in range(4)]
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is done")
def test_arrays_of_a_photos_size_are_made_from_pages_that_are_there():
    pages = 10 * 4 * 7_000_000 // 4096  # of 4 KiB; fewer faults where the kernel gives larger ones

    assert faults("kept") < pages / 100
    assert faults("freed") > 3 * faults("kept")


def test_a_command_looks_for_no_garbage_while_it_imports_and_then_not_in_what_it_has_imported(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-u", "-m", "maskfold.stages.train", "-m", "seed=1,2"])
    calls = []
    for name in ("disable", "freeze", "enable"):
        monkeypatch.setattr(gc, name, lambda name=name: calls.append(name))

    memory.pause_collection()
    assert calls == ["disable"]
    memory.resume_collection()
    assert calls == ["disable", "freeze", "enable"]


@pytest.mark.parametrize("words", [["-m", "pytest", "maskfold.stages.train"], ["-c", "import maskfold.stages.train"]])
def test_a_process_of_someone_elses_is_left_as_it_is(words, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", *words])
    for name in ("disable", "freeze", "enable"):
        monkeypatch.setattr(gc, name, None)

    memory.pause_collection()
    memory.resume_collection()


WATCHED = """
import atexit, gc, sys
seen = []
def watch(event, found):
    if event == "import" and found[0] == "maskfold.entry":
        seen.append(gc.isenabled())
sys.addaudithook(watch)
atexit.register(lambda: print(seen, gc.isenabled(), gc.get_freeze_count() > 10_000))
"""


def test_a_stage_is_imported_without_rounds_and_ends_without_a_long_one(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WATCHED)
    command = [sys.executable, "-m", "maskfold.stages.doctor", "--cfg", "job"]

    ended = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": f"{tmp_path}"}
    )

    assert ended.stdout.splitlines()[-1] == "[False] True True"
