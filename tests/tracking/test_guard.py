import logging
from pathlib import Path

import numpy as np
import pytest
from lightning.pytorch.utilities import rank_zero_only

from maskfold.errors import MaskfoldError
from maskfold.tracking.guard import tracked

CHECKPOINT = Path("best.ckpt")


class DownError(Exception):
    """What the trackers' library raises here."""


class Diary:
    """Writes down what it is told, and fails at one of the methods."""

    name = "Diary"
    errors = (DownError,)
    advice = "Buy a pencil."

    def __init__(self, fails_at=None, error=None):
        self.fails_at = fails_at
        self.error = error or DownError("no pencil")
        self.told = []

    def note(self, method, what):
        if method == self.fails_at:
            raise self.error
        self.told.append((method, what))

    def begin(self, run):
        self.note("begin", run.member)

    def log_epoch(self, row):
        self.note("log_epoch", row["epoch"])

    def log_samples(self, pictures, *, epoch):
        self.note("log_samples", [*pictures])

    def log_checkpoint(self, path):
        self.note("log_checkpoint", path)

    def end(self, *, finished):
        self.note("end", finished)


WHOLE = [
    ("begin", "m"),
    ("log_epoch", 0),
    ("log_epoch", 1),
    ("log_samples", ["a"]),
    ("log_checkpoint", CHECKPOINT),
    ("end", True),
]


def live(diaries, run):
    with tracked(diaries, run.folder) as trackers:
        trackers.log_epoch({"epoch": 0})
        trackers.log_epoch({"epoch": 1})
        trackers.log_result(lambda: {"a": np.zeros((2, 2, 3), np.uint8)}, CHECKPOINT, epoch=1)


@pytest.mark.parametrize("method", [method for method, _ in WHOLE])
def test_one_that_fails_is_said_once_and_left_alone_while_the_others_go_on(begun, caplog, method):
    failing, other = Diary(method), Diary()
    with caplog.at_level(logging.INFO, logger="maskfold"):
        live([failing, other], begun())
    assert other.told == WHOLE
    closed = [] if method in ("begin", "end") else [("end", False)]
    assert failing.told == WHOLE[: [name for name, _ in WHOLE].index(method)] + closed
    said = "Diary: no pencil. The run goes on without it, and metrics.csv is whole. Buy a pencil."
    assert [record.getMessage() for record in caplog.records] == [said]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MaskfoldError("tracking.json: cannot be written: No space left on device."), "cannot be written: No space"),
        (DownError(), "Diary: DownError. The"),
        (DownError("two\n  lines"), "Diary: two lines. The"),
        (DownError("x" * 1000), "Diary: " + "x" * 200 + ". The"),
        (DownError("x" * 190 + " http://anna:geheim@host"), "Diary: " + "x" * 190 + " http://**. The"),
    ],
)
def test_the_reason_is_one_line(begun, caplog, error, said):
    live([Diary("log_epoch", error)], begun())
    (record,) = caplog.records
    assert said in record.getMessage()
    assert "\n" not in record.getMessage()


class LibraryConnectionError(OSError):
    """An OSError by descent, with a tale and no words of the system's."""


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (TimeoutError("timed out"), "timed out"),
        (ValueError("bad header"), "API request failed with HTTPConnectionPool(...)"),
    ],
)
def test_what_the_system_said_is_told_rather_than_the_librarys_tale(begun, caplog, cause, told):
    wrapped = DownError("API request failed with HTTPConnectionPool(...)")
    wrapped.__cause__ = LibraryConnectionError("HTTPConnectionPool(...): max retries exceeded")
    wrapped.__cause__.__cause__ = cause
    live([Diary("begin", wrapped)], begun())
    assert caplog.messages[0].startswith(f"Diary: {told}. ")


def test_a_fault_of_ones_own_is_not_covered_up(begun):
    diary = Diary("log_epoch", KeyError("typo"))
    with pytest.raises(KeyError, match="typo"):
        live([diary], begun())
    assert diary.told[-1] == ("end", False)


def test_a_run_that_is_stopped_is_closed_as_unfinished(begun):
    diary = Diary()
    with pytest.raises(KeyboardInterrupt), tracked([diary], begun().folder):
        raise KeyboardInterrupt
    assert diary.told == [("begin", "m"), ("end", False)]


def test_pictures_that_cannot_be_drawn_cost_the_pictures_alone(begun, caplog):
    def draw():
        raise MaskfoldError("0001: the network's answer is not a number.")

    diary = Diary()
    with tracked([diary], begun().folder) as trackers:
        trackers.log_result(draw, CHECKPOINT, epoch=1)
    assert diary.told == [("begin", "m"), ("log_checkpoint", CHECKPOINT), ("end", True)]
    assert caplog.messages == ["No sample pictures for the trackers: 0001: the network's answer is not a number."]


def test_nothing_is_drawn_when_nobody_listens(begun):
    with tracked([Diary("begin")], begun().folder) as trackers:
        trackers.log_result(lambda: pytest.fail("drawn for nobody"), CHECKPOINT, epoch=1)


def test_other_processes_of_the_run_do_not_track(begun, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    built = []
    with tracked((built.append(name) for name in ("one", "two")), begun().folder) as trackers:
        trackers.log_epoch({"epoch": 0})
    assert built == []


@pytest.mark.hostile("wrong input")
def test_a_tracker_that_lacks_something_is_refused_before_the_run(begun):
    class Half:
        name = "Half"

        def log_epoch(self, row):
            pass

    with (
        pytest.raises(MaskfoldError, match=r"Half has no errors, advice, begin, log_samples, log_checkpoint, end\. "),
        tracked([Diary(), Half()], begun().folder),
    ):
        pytest.fail("began")
