"""One loop over images for every stage: parallel, with a progress bar, in whatever order results come."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

import joblib
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def progress(items: Iterable[Item], description: str, *, total: int | None = None, unit: str = "img") -> Iterable[Item]:
    """Wrap `items` in the progress bar that every stage shows."""
    total = len(items) if total is None and isinstance(items, Sized) else total
    return tqdm(items, desc=description, total=total, unit=unit, dynamic_ncols=True, mininterval=0.5)


def map_unordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    description: str,
    *,
    total: int | None = None,
    unit: str = "img",
    jobs: int = -1,
) -> Iterator[Result]:
    """Yield `function(item)` for every item as each is done, under a progress bar.

    Args:
        function: A picklable function of one item.
        items: What to apply it to; consumed lazily, so memory does not grow with their number.
        description: The progress bar's label.
        total: The number of items, when `items` has no length.
        unit: What the progress bar calls an item.
        jobs: Processes; -1 is one per core, 1 stays in this process. Another joblib backend (dask, say) is
            chosen with `joblib.parallel_config` around the call.
    """
    total = len(items) if total is None and isinstance(items, Sized) else total
    calls = (joblib.delayed(function)(item) for item in items)
    results = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(calls)
    yield from progress(results, description, total=total, unit=unit)
