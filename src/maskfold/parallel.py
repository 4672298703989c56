"""One loop over images for every stage: parallel, with a progress bar, in whatever order results come."""

import functools
import math
import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import cloudpickle
import joblib
import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.terminal import bar

if TYPE_CHECKING:
    from distributed import Client

DASK = "MASKFOLD_DASK"  # environment: the address of a Dask scheduler, to use its workers instead of local processes
START_UP_S = 2.0  # what other processes take to import what they need, in which this one gets as much done alone
_SHARED = 2**20 + 1  # bytes from which on joblib writes an array to a file that all processes map, and a task names
_here = threading.local()  # of a worker: the function that it has unpacked last, and the name of that

Item = TypeVar("Item")
Result = TypeVar("Result")


def progress(
    items: Iterable[Item], description: str, *, total: int | None = None, unit: str = "photos"
) -> Iterator[Item]:
    """Yield `items` under the progress bar that every stage shows."""
    total = len(items) if total is None and isinstance(items, Sized) else total
    with bar(description, total=total, unit=unit) as drawn:
        for item in items:
            yield item
            drawn.update()


def map_unordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    description: str,
    *,
    total: int | None = None,
    unit: str = "photos",
    jobs: int = -1,
) -> Iterator[Result]:
    """Yield `function(item)` for every item as each is done, under a progress bar.

    This process works alone for the first `START_UP_S` seconds, so that few or quick items start no others.

    Args:
        function: A picklable function of one item.
        items: What to apply it to; consumed lazily, so memory does not grow with their number.
        description: The progress bar's label.
        total: The number of items, when `items` has no length.
        unit: What the progress bar calls items.
        jobs: Processes; -1 is one per core, 1 stays in this process. Where the environment names a Dask scheduler
            (`DASK`), more than one is all its workers, which see the same folders from the same working folder.

    Raises:
        MaskfoldError: If the Dask scheduler does not answer, or a process is killed.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    yield from progress(_results(function, iter(items), jobs), description, total=total, unit=unit)


def _results(function: Callable[[Item], Result], items: Iterator[Item], jobs: int) -> Iterator[Result]:
    """Yield `function(item)` for every item: from this process while others would only start up, then from those."""
    alone_until = math.inf if jobs == 1 else monotonic() + START_UP_S
    while monotonic() < alone_until:
        try:
            item = next(items)
        except StopIteration:
            return
        yield function(item)
    packed, name = _packed(function), f"{uuid4()}"
    calls = (joblib.delayed(_call)(packed, name, item) for item in items)
    with _backend():
        results = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(calls)
    try:
        yield from results
    except BrokenProcessPool as error:
        raise MaskfoldError(
            "A process that worked on images was killed, mostly by the system when the machine's memory is full: give "
            "fewer (jobs=1), or end what else runs here, and run the same command again."
        ) from error


def _packed(function: Callable) -> np.ndarray:
    """Return a function as bytes, `(B,) uint8`, that joblib hands to each worker once; what follows it are zeros.

    A function may hold where every image's maps are: too much to be sent with every item. Of a large array local
    processes map one file, which joblib removes whatever way they end; Dask's workers fetch it once.
    """
    pickled = cloudpickle.dumps(function)
    packed = np.zeros(max(len(pickled), _SHARED), np.uint8)
    packed[: len(pickled)] = np.frombuffer(pickled, np.uint8)
    return packed


def _call(packed: np.ndarray, name: str, item: Item) -> Any:
    """Return what a packed function makes of an item; each thread of a worker unpacks it once."""
    if getattr(_here, "name", None) != name:
        _here.function, _here.name = pickle.loads(packed), name  # this program's own, of this run
    return _here.function(item)


def _backend() -> AbstractContextManager:
    """Return the context in which joblib finds its workers."""
    scheduler = os.environ.get(DASK)
    if not scheduler:
        return nullcontext()
    connect(scheduler)
    return joblib.parallel_config(backend="dask")


@functools.cache
def connect(scheduler: str) -> "Client":
    """Connect this process to a Dask scheduler, for as long as it lives.

    Raises:
        MaskfoldError: If it does not answer.
    """
    from distributed import Client  # seconds to import, and used on clusters only

    try:
        return Client(scheduler, timeout=20)
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{DASK}={scheduler}: no Dask scheduler answers there ({error}).") from error


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], *, threads: int = -1) -> Iterator[Result]:
    """Yield `function(item)` for every item, in their order, worked out in threads of this process.

    For what lets other threads run, such as reading files, coding pictures and NumPy's arithmetic, around something
    that one thread alone may do: no array is copied to another process. Two items a thread are on their way at most,
    which is what bounds memory.

    Args:
        function: Of one item; what it raises is raised here, in its place.
        items: Consumed lazily, in the thread that asks for results.
        threads: How many; -1 is one per core.
    """
    threads = threads if threads > 0 else joblib.cpu_count()
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) == 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
