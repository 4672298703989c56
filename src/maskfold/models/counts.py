"""What a model is built for besides RGB photos and one class: the numbers that its data have."""

import inspect
from typing import Any

from hydra.utils import get_object

USUAL = {"classes": 1}
_ELSEWHERE = {"classes": ("num_classes",)}  # what other libraries call it


def with_counts(model: dict[str, Any], **counts: int) -> dict[str, Any]:
    """Return how a model is built for other counts than the usual ones; for those it stays as it is.

    A target without such an argument stays as it is too: it may say the number in a way of its own.

    Args:
        model: A `_target_` and its arguments.
        counts: By the keys of `USUAL`.
    """
    for name, count in counts.items():
        if count != USUAL[name]:
            model = _with_count(model, name, count)
    return model


def _with_count(model: dict[str, Any], name: str, count: int) -> dict[str, Any]:
    names = (name, *_ELSEWHERE[name])
    try:
        parameters = inspect.signature(get_object(model["_target_"])).parameters
    except (ImportError, ValueError, TypeError):  # whoever builds it says what is wrong
        return model
    key = next((key for key in names if key in parameters), None)
    return model if key is None or key in model else model | {key: count}
