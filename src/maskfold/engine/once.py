"""What several parts of a step need of the same tensors is worked out once: loss and metric of a validation, say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")

_results: ContextVar[dict[Any, tuple[Any, Any]] | None] = ContextVar("results", default=None)


@contextmanager
def working_once() -> Iterator[None]:
    """Keep what `once` has worked out until the end of this context; no tensor may be changed in it."""
    token = _results.set({})
    try:
        yield
    finally:
        _results.reset(token)


def once(function: Callable[..., Result], *arguments: Any) -> Result:
    """Return `function(*arguments)`, in `working_once` that of the first call with the same numbers.

    Args:
        function: A pure one, of a name.
        arguments: Tensors, which are the same where they are the same memory, read in the same way; and what can be
            the key of a dictionary.
    """
    results = _results.get()
    if results is None:
        return function(*arguments)
    key = (function, *map(_identity, arguments))
    if key not in results:
        results[key] = arguments, function(*arguments)  # with them: memory that is let go may be another's
    return results[key][1]


def _identity(argument: Any) -> Any:
    if not isinstance(argument, torch.Tensor):
        return argument
    # How far it is to the next one says nothing where there is one.
    steps = tuple(step for step, size in zip(argument.stride(), argument.shape, strict=True) if size > 1)
    return argument.data_ptr(), argument.device, argument.dtype, tuple(argument.shape), steps
