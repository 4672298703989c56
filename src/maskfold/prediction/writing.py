"""Predictions on their way to their files: threads finish and write them while the device is at the next photos."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import joblib

WAITING = 256 * 2**20  # bytes that may wait; some seconds' work where writing is slowest
_MOST = 4  # threads: more have nothing to do even beside the quickest device


def default_writers() -> int:
    """Return the number of writing threads: one per core, up to what any device keeps busy."""
    return min(_MOST, joblib.cpu_count())


class Writers:
    """Threads that finish and write what they are given, behind a queue that is bounded by bytes.

    What the work consists of lets other threads run: OpenCV's and NumPy's arithmetic, compression, checksums and
    files. So arrays are handed over as they are, and copied to no other process.

    Leaving the block waits until everything is written that was taken on, also behind an error or Ctrl+C: nothing that
    was computed is lost.

    Args:
        threads: How many; None for `default_writers`.
        waiting: The most bytes that may wait to be written, where it is more than one piece of work.
    """

    def __init__(self, threads: int | None = None, *, waiting: int = WAITING) -> None:
        self._pool = ThreadPoolExecutor(default_writers() if threads is None else threads, "writer")
        self._most, self._waiting = waiting, 0
        self._changed = threading.Condition()
        self._error: BaseException | None = None

    def submit(self, write: Callable[[], None], *, size: int) -> None:
        """Have something written by a thread, once there is room for it in the queue.

        Args:
            write: What does it.
            size: The bytes that it holds until it is done.

        Raises:
            BaseException: What an earlier piece of work raised; this one is not taken on then.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._waiting or self._waiting + size <= self._most)
            self._raise()
            self._waiting += size
        self._pool.submit(write).add_done_callback(lambda done: self._end(done, size))

    def _end(self, done: Future, size: int) -> None:
        with self._changed:
            self._error = self._error or done.exception()
            self._waiting -= size
            self._changed.notify_all()

    def _raise(self) -> None:
        """Raise the first error, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._pool.shutdown()
        if error is None:
            self._raise()
