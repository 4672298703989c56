"""The loop over images: every item once, lazily, here or in other processes."""

import math
import operator
import os
import re
import sys
import threading
from uuid import uuid4

import joblib
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from maskfold import parallel, terminal
from maskfold.errors import MaskfoldError
from maskfold.parallel import DASK, map_unordered, progress


def _process(item: int) -> tuple[int, int]:
    return item, os.getpid()


def _thread(item: int) -> tuple[int, int]:
    return item, threading.get_ident()


class _Heavy:
    """A function that says who has it, and which copy of it this is; counts how often it was sent."""

    sent = 0

    def __getstate__(self) -> dict:
        _Heavy.sent += 1
        return {"many": "images"}

    def __setstate__(self, _state: dict) -> None:
        self.copy = uuid4().hex

    def __call__(self, item: int) -> tuple[int, tuple[int, int], str]:
        return item, (os.getpid(), threading.get_ident()), self.copy


def _refuse(item: int) -> int:
    raise MaskfoldError(f"item {item} cannot be read")


def test_one_job_stays_in_this_process_and_takes_items_lazily():
    taken = []

    def items():
        for item in range(100):
            taken.append(item)
            yield item

    results = map_unordered(_process, items(), "count", total=100, jobs=1)

    assert next(results) == (0, os.getpid())
    assert len(taken) < 20
    assert [item for item, _ in results] == list(range(1, 100))


@pytest.fixture
def at_once(monkeypatch) -> None:
    """Other processes work from the first item on."""
    monkeypatch.setattr(parallel, "START_UP_S", 0)


class _Killed:
    """In the place of joblib.Parallel: the second item's process is killed."""

    def __init__(self, **_options: object) -> None:
        pass

    def __call__(self, calls):
        function, arguments, _ = next(iter(calls))
        yield function(*arguments)
        raise TerminatedWorkerError("A worker process managed by the executor was unexpectedly terminated.")


@pytest.mark.hostile("memory")
def test_a_killed_process_is_said_in_words(at_once, monkeypatch):
    monkeypatch.setattr(joblib, "Parallel", _Killed)
    results = map_unordered(_process, range(3), "count", jobs=2)

    assert next(results)[0] == 0
    with pytest.raises(MaskfoldError, match=r"was killed, .*memory is full: give fewer \(jobs=1\)"):
        next(results)


def test_few_items_stay_in_this_process_whatever_the_jobs():
    assert list(map_unordered(_process, range(5), "count", jobs=2)) == [(item, os.getpid()) for item in range(5)]


def test_others_take_over_after_the_time_they_need_to_start(monkeypatch):
    clock = iter(range(100))  # a second passes with every item
    monkeypatch.setattr(parallel, "monotonic", lambda: next(clock))
    with joblib.parallel_config(backend="threading"):
        results = list(map_unordered(_thread, range(20), "count", jobs=2))

    here = [item for item, thread in results if thread == threading.get_ident()]
    assert here == list(range(math.ceil(parallel.START_UP_S) - 1))
    assert sorted(item for item, _ in results) == list(range(20))


@pytest.mark.usefixtures("at_once")
def test_other_processes_return_every_item_once_and_pass_errors_on():
    results = list(map_unordered(operator.neg, range(50), "count", jobs=2))

    assert sorted(results) == list(range(-49, 1))
    with pytest.raises(MaskfoldError, match=r"^item [0-9] cannot be read$"):
        list(map_unordered(_refuse, range(3), "count", jobs=2))


def _check_sent_once(items: int) -> None:
    """Have a function called in other processes, and see that it was written once and each thread read it once."""
    _Heavy.sent = 0
    numbers, workers, copies = zip(*map_unordered(_Heavy(), range(items), "count", jobs=2), strict=True)
    assert sorted(numbers) == list(range(items))
    assert _Heavy.sent == 1
    assert len({*copies}) == len({*workers})


@pytest.mark.usefixtures("at_once")
def test_other_processes_get_a_function_once_and_not_with_every_item():
    _check_sent_once(50)
    _check_sent_once(10)  # another function, in the same processes


def _kind(packed: np.ndarray) -> tuple[type, bytes]:
    return type(packed), packed[:2].tobytes()


@pytest.mark.parametrize("images", [1, 100_000])
def test_a_task_names_a_file_that_holds_the_function(images):
    packed = parallel._packed({str(image): image for image in range(images)}.get)

    # joblib pickles such an array as the name of a file, which the other process maps; b"\x80" opens every pickle.
    ((kind, start),) = joblib.Parallel(n_jobs=2)([joblib.delayed(_kind)(packed)])
    assert kind is np.memmap
    assert start[:1] == b"\x80"


def test_progress_counts_what_has_a_length_and_what_is_told(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress([1, 2], "read")) == [1, 2]
    assert list(progress(iter([1, 2, 3]), "write", total=3, unit="chunks")) == [1, 2, 3]

    shown = capsys.readouterr().err
    assert "read: 100%" in shown
    assert re.search(r"2/2 .*\d photos/s", shown)
    assert "write: 100%" in shown
    assert re.search(r"3/3 .*\d chunks/s", shown)


def test_progress_in_a_pipe_is_a_line_now_and_then_and_none_for_quick_work(capsys, monkeypatch):
    assert list(progress(range(5), "quick")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(terminal, "LINE_EVERY_S", 0)
    assert list(progress(range(2), "slow")) == [0, 1]
    shown = capsys.readouterr().err
    assert "\r" not in shown
    assert {line.partition("%")[0].strip() for line in shown.splitlines()} >= {"slow:   0", "slow:  50", "slow: 100"}


def test_dask_workers_take_the_place_of_local_processes_when_the_environment_names_their_scheduler(dask):
    results = list(map_unordered(_process, range(50), "count"))

    assert sorted(item for item, _ in results) == list(range(50))
    assert {process for _, process in results} <= {*dask.run(os.getpid).values()}
    _check_sent_once(50)
    with pytest.raises(MaskfoldError, match=r"^item [0-9] cannot be read$"):
        list(map_unordered(_refuse, range(3), "count"))
    assert list(map_unordered(_process, range(2), "count", jobs=1)) == [(0, os.getpid()), (1, os.getpid())]


@pytest.mark.usefixtures("at_once")
def test_a_dask_scheduler_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setenv(DASK, "nonsense://nowhere")
    with pytest.raises(MaskfoldError, match=r"MASKFOLD_DASK=nonsense://nowhere: no Dask scheduler answers"):
        list(map_unordered(_process, range(2), "count", jobs=2))
