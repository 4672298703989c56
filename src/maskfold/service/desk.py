"""A photo's way through the service: a place in the queue, decoded, looked at, answered; each with its deadline."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
from starlette.types import Receive

from maskfold.cutout.files import SourcePhoto
from maskfold.service.batching import Batcher, Model
from maskfold.service.limits import ServiceLimits
from maskfold.service.photos import check_size, decode_photo
from maskfold.service.refusals import BUSY, GONE, NO_ANSWER_IN_TIME, RefusalError

_LONGEST_WAIT_S = 60  # that anybody is told to stay away
_T = TypeVar("_T")
_L = TypeVar("_L")


class Desk(Generic[_L]):
    """Takes photos in, as many as the limits say, and hands their looks to whoever writes the answer.

    Waiting photos are kept as their files' bytes: decoded at once are only those that the model gets next and those
    that are being answered, so memory is bounded by the queue times `max_bytes` and a few photos of `max_pixels`.

    Args:
        model: What looks at them.
        limits: What it takes on.
    """

    def __init__(self, model: Model[_L], limits: ServiceLimits) -> None:
        self.limits = limits
        self.batcher = Batcher(model, size=limits.batch)
        self.waiting = 0
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="photo")
        self._decoded = asyncio.Semaphore(2 * limits.batch + limits.threads)

    def open(self) -> None:
        """Begin, with one small photo: a model's first answer takes longer."""
        self.batcher.start()
        self.batcher.submit(np.zeros((64, 64, 3), np.uint8)).result()

    def close(self) -> None:
        """Answer what waits, then end."""
        self.batcher.stop()
        self._pool.shutdown()

    @property
    def is_full(self) -> bool:
        """Whether the next photo would be refused."""
        return self.waiting >= self.limits.queue

    def refuse_when_full(self) -> None:
        """Do nothing while there is a place.

        Raises:
            RefusalError: With the seconds after which to come back.
        """
        if self.is_full:
            seconds = math.ceil(self.batcher.seconds * self.waiting / 2) or 1
            raise RefusalError(
                BUSY,
                "busy",
                f"{self.waiting} photos are waiting, which is all that this service takes. Send it again later.",
                retry_after=str(min(seconds, _LONGEST_WAIT_S)),
            )

    async def serve(
        self,
        data: bytes,
        wanted: Any,
        answer: Callable[[bytes, SourcePhoto, _L], _T],
        receive: Receive,
        *,
        max_pixels: int | None = None,
    ) -> _T:
        """Return what `answer(file's bytes, photo, look)` returns; it runs in a thread of the pool.

        Args:
            data: A photo's file.
            wanted: What the model is asked.
            answer: What is done with it.
            receive: Of the request, whose body has been read: it tells when the client goes away.
            max_pixels: That this answer takes; None for as many as the limits allow.

        Raises:
            RefusalError: If there is no place, the photo cannot be used, or the deadline passes; with status 499, which
                nobody sees, if the client goes away.
        """
        with self._place():
            most = min(self.limits.max_pixels, max_pixels or self.limits.max_pixels)
            return await _before_deadline(self._through(data, wanted, answer, most), receive, self.limits.timeout)

    @contextmanager
    def _place(self) -> Iterator[None]:
        self.refuse_when_full()
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    async def _through(
        self, data: bytes, wanted: Any, answer: Callable[[bytes, SourcePhoto, _L], _T], max_pixels: int
    ) -> _T:
        size = await self.in_thread(partial(check_size, data, max_pixels=max_pixels))  # what is wrong does not wait
        async with self._decoded:
            photo = await self.in_thread(decode_photo, data, size)
            seen = await asyncio.wrap_future(self.batcher.submit(photo.pixels, wanted))
            return await self.in_thread(answer, data, photo, seen)

    async def in_thread(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Return what a function returns that would take the event loop too long.

        Cancelled before its turn it stays in the pool's queue, but without the photo that it was called with.
        """
        calls = [partial(function, *arguments)]
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: calls.pop()())
        finally:
            calls.clear()


async def _before_deadline(work: Awaitable[_T], receive: Receive, seconds: float) -> _T:
    """Return what work returns; where nobody waits for it any more it is cancelled, wherever it stands."""
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait({working, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        if gone.done():
            raise RefusalError(GONE, "gone", "The client has gone away.")
        raise RefusalError(
            NO_ANSWER_IN_TIME,
            "no_answer_in_time",
            f"There was no time for this photo within {seconds:g} seconds. Send it again later, or a smaller one.",
        )
    finally:
        for task in (working, gone):
            task.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
