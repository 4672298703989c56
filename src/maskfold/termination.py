"""SIGTERM: a request to end soon, as `docker stop`, a cluster and a spot machine send it. The process ends with 143.

It ends as with Ctrl+C: locks are let go of, trackers closed, half-written files removed. A training puts that off to
the end of the step that it is in.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 128 + signal.SIGTERM


class _Request:
    """What is known of it in this process."""

    come = False
    held = 0


def listen() -> None:
    """End this process as Ctrl+C does when SIGTERM comes, from now on; where somebody else listens, they do."""
    alone = threading.current_thread() is threading.main_thread()
    if alone and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _receive)


def _receive(number: int, frame: FrameType | None) -> None:
    first, _Request.come = not _Request.come, True
    if first and not _Request.held:
        raise KeyboardInterrupt


def has_come() -> bool:
    """Return whether this process, or another one of its run that has said so, was asked to end."""
    return _Request.come


def pass_on() -> None:
    """Note that another process of this run was asked to end: this one ends with the same status."""
    _Request.come = True


@contextmanager
def put_off() -> Iterator[None]:
    """Let the body look itself whether SIGTERM has come; if it has not ended by itself, it is ended behind it.

    Raises:
        KeyboardInterrupt: If it has come meanwhile.
    """
    _Request.held += 1
    try:
        yield
    finally:
        _Request.held -= 1
    if _Request.come:
        raise KeyboardInterrupt


def _forget() -> None:
    """Leave a forked process, which loads photos for instance, with the system's own behaviour."""
    if signal.getsignal(signal.SIGTERM) is _receive:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _Request.come, _Request.held = False, 0


os.register_at_fork(after_in_child=_forget)
