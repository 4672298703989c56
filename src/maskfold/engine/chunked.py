"""Samples that lie in chunks, many to a file: an order that stays within a few of them, which are fetched in time."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition, Thread

import torch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chunks:
    """Where samples lie.

    Attributes:
        of: The number of each sample's chunk.
        fetch: Brings a chunk near, by its number; None where all are.
        window: How many chunks are shuffled together.
    """

    of: Sequence[int]
    fetch: Callable[[int], object] | None = None
    window: int = 8


def by_chunk(order: torch.Tensor, chunks: Chunks, generator: torch.Generator) -> torch.Tensor:
    """Return a shuffled order that goes through the chunks, also shuffled, by a few at a time.

    Args:
        order: `(N,)` numbers of samples, shuffled.
        chunks: Where they lie.
        generator: What the order of the chunks is drawn from.
    """
    of = torch.as_tensor(chunks.of)
    places = torch.randperm(int(of.max()) + 1, generator=generator)
    return order[(places[of[order]] // chunks.window).argsort(stable=True)]


@contextmanager
def fetched_ahead(
    fetch: Callable[[int], object], needed: Sequence[int], window: int
) -> Iterator[Callable[[int], None]]:
    """Fetch the chunks of the samples to come, those of the next window while this one is read.

    What fails is tried again by whoever reads it, who says why it cannot be had.

    Args:
        fetch: Brings a chunk near, by its number.
        needed: The number of the chunk of each sample to come, in their order.
        window: How many chunks are shuffled together.

    Yields:
        What is told how many of them are done.
    """
    first = list({chunk: place for place, chunk in reversed([*enumerate(needed)])}.items())
    first.sort(key=lambda one: one[1])
    changed, state = Condition(), {"allowed": window, "ended": False}

    def reached(done: int) -> None:
        with changed:
            begun = bisect_right(first, done, key=lambda one: one[1])
            state["allowed"] = begun + window
            changed.notify()

    def work() -> None:
        for number, (chunk, _) in enumerate(first):
            with changed:
                changed.wait_for(lambda number=number: state["ended"] or number < state["allowed"])
                if state["ended"]:
                    return
            try:
                fetch(chunk)
            except Exception as error:  # of any kind: see above
                log.debug("chunk %d: %s", chunk, error)

    Thread(target=work, daemon=True, name="chunks").start()
    try:
        yield reached
    finally:
        with changed:
            state["ended"] = True
            changed.notify()
