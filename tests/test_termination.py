"""SIGTERM ends a process as Ctrl+C does, at once or where a piece of work says so."""

import os
import signal
from collections.abc import Iterator

import pytest

from maskfold import termination

pytestmark = pytest.mark.hostile("killed")


@pytest.fixture(autouse=True)
def listening(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(termination._Request, "come", False)
    monkeypatch.setattr(termination._Request, "held", 0)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    termination.listen()
    yield
    signal.signal(signal.SIGTERM, before)


def ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_it_ends_at_once_and_a_second_one_disturbs_nothing():
    with pytest.raises(KeyboardInterrupt):
        ask()
    assert termination.has_come()
    ask()


def test_it_is_put_off_to_the_end_of_what_looks_for_it_itself():
    done = []

    def work() -> None:
        with termination.put_off():
            ask()
            done.append(termination.has_come())

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [True]


def test_who_listens_already_goes_on_listening():
    signal.signal(signal.SIGTERM, lambda *_: None)
    termination.listen()
    ask()
    assert not termination.has_come()


def test_a_forked_process_ends_as_the_system_has_it():
    child = os.fork()
    if child == 0:
        ask()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
