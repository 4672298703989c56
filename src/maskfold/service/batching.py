"""The thread that asks the model, a photo or a few at a time, so that the event loop never waits for it."""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from maskfold.prediction.masker import Answer, Masker, mirrored

log = logging.getLogger(__name__)

_COLLECT_S = 0.01  # that a batch waits for more photos
_RECENT = 0.2  # how much the last batch counts in the mean of its seconds


@dataclass(frozen=True)
class ModelAnswer:
    """What the model says of a photo.

    Attributes:
        answer: Its maps.
        mirrored: The map of its mirror image, turned back, `(H, W) uint8`; None where it was not asked for.
    """

    answer: Answer
    mirrored: np.ndarray | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be looked at.

    Attributes:
        members: Each member's map too.
        mirrored: The mirror image too.
    """

    members: bool = False
    mirrored: bool = False


class _Task(Future[ModelAnswer]):
    """A photo in the queue. Cancelled it stays there until its turn comes, but lets go of the pixels at once."""

    def __init__(self, photo: np.ndarray, wanted: Wanted) -> None:
        super().__init__()
        self.photo, self.wanted = photo, wanted

    def cancel(self) -> bool:
        """See `concurrent.futures.Future`; what the model has begun with is not cancelled, and keeps its photo."""
        is_cancelled = super().cancel()
        if is_cancelled:
            self.photo = np.empty((0, 0, 3), np.uint8)
        return is_cancelled


class Batcher:
    """Answers photos in the order in which they come; those that nobody waits for any more are left out.

    Args:
        masker: The model.
        size: The most photos at once. One does not wait for others.
    """

    def __init__(self, masker: Masker, *, size: int) -> None:
        self.masker, self.size = masker, size
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

    def submit(self, photo: np.ndarray, wanted: Wanted) -> "Future[ModelAnswer]":
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
            looks = self._looks(tasks)
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

    def _looks(self, tasks: Sequence[_Task]) -> list[ModelAnswer]:
        answers: dict[int, Answer] = {}
        for members in (False, True):
            alike = [number for number, task in enumerate(tasks) if task.wanted.members is members]
            if alike:
                photos = [tasks[number].photo for number in alike]
                answers |= zip(alike, self.masker.answer(photos, members=members), strict=True)
        turned = [number for number, task in enumerate(tasks) if task.wanted.mirrored]
        mirrors = mirrored(self.masker, [tasks[number].photo for number in turned]) if turned else []
        back = dict(zip(turned, mirrors, strict=True))
        return [ModelAnswer(answers[number], back.get(number)) for number in range(len(tasks))]
