"""The thread that asks the model, a photo or a few at a time, so that the event loop never waits for it."""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

log = logging.getLogger(__name__)

_COLLECT_S = 0.01  # that a batch waits for more photos
_RECENT = 0.2  # how much the last batch counts in the mean of its seconds


T = TypeVar("T")


class Model(Protocol[T]):
    """What answers photos."""

    def look(self, photos: Sequence[np.ndarray], wanted: Sequence[Any]) -> list[T]:
        """Return what it says of some photos, `(H, W, 3) uint8`, each with what is asked of it."""
        ...


class _Task(Future[T]):
    """A photo in the queue. Cancelled it stays there until its turn comes, but lets go of the pixels at once."""

    def __init__(self, photo: np.ndarray, wanted: Any) -> None:
        super().__init__()
        self.photo, self.wanted = photo, wanted

    def cancel(self) -> bool:
        """See `concurrent.futures.Future`; what the model has begun with is not cancelled, and keeps its photo."""
        is_cancelled = super().cancel()
        if is_cancelled:
            self.photo = np.empty((0, 0, 3), np.uint8)
        return is_cancelled


class Batcher(Generic[T]):
    """Answers photos in the order in which they come; those that nobody waits for any more are left out.

    Args:
        model: It.
        size: The most photos at once. One does not wait for others.
    """

    def __init__(self, model: Model[T], *, size: int) -> None:
        self.model, self.size = model, size
        self.seconds = 0.0  # that a photo took, of late
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end."""
        self._tasks.put(None)
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def submit(self, photo: np.ndarray, wanted: Any = None) -> "Future[T]":
        """Return the look at a photo, `(H, W, 3) uint8`, as something that can be waited for and cancelled."""
        task = _Task(photo, wanted)
        self._tasks.put(task)
        return task

    def _run(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._collect()
            tasks = [task for task in batch if task.set_running_or_notify_cancel()]
            if tasks:
                began = time.monotonic()
                self._answer(tasks)
                taken = (time.monotonic() - began) / len(tasks)
                self.seconds += (taken - self.seconds) * (_RECENT if self.seconds else 1)

    def _collect(self) -> tuple[list[_Task], bool]:
        """Return the next tasks, and whether there are no more to come."""
        batch: list[_Task] = []
        until: float | None = None
        while len(batch) < self.size:
            try:
                task = self._tasks.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if task is None:
                return batch, True
            batch.append(task)
            until = until or time.monotonic() + _COLLECT_S
        return batch, False

    def _answer(self, tasks: Sequence[_Task]) -> None:
        try:
            looks = self.model.look([task.photo for task in tasks], [task.wanted for task in tasks])
        except Exception as error:
            if len(tasks) > 1:  # one photo's failure is not the others'
                for task in tasks:
                    self._answer([task])
                return
            log.exception("The model has failed with a photo of %s.", "x".join(map(str, tasks[0].photo.shape[1::-1])))
            tasks[0].set_exception(error)
            return
        for task, look in zip(tasks, looks, strict=True):
            task.set_result(look)
