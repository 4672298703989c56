"""What a model is built for besides RGB photos and one class: the numbers that its data have."""

import inspect
from typing import Any

from hydra.utils import get_object

from maskfold.errors import MaskfoldError

USUAL = {"channels": 3, "classes": 1}
_ELSEWHERE = {"channels": ("in_channels", "in_chans"), "classes": ("num_classes",)}  # what other libraries call them
_REFUSED = {"channels"}  # what a model that cannot be told of it would stumble over; its classes are seen by its output


def with_counts(model: dict[str, Any], **counts: int) -> dict[str, Any]:
    """Return how a model is built for other counts than the usual ones; for those it stays as it is.

    A target without an argument for its classes stays as it is too: it may say the number in a way of its own.

    Args:
        model: A `_target_` and its arguments.
        counts: By the keys of `USUAL`.

    Raises:
        MaskfoldError: If the target has no argument for the channels, or is given another number of them.
    """
    for name, count in counts.items():
        if count != USUAL[name]:
            model = _with_count(model, name, count)
    return model


def _with_count(model: dict[str, Any], name: str, count: int) -> dict[str, Any]:
    names = (name, *_ELSEWHERE[name])
    key = next((key for key in names if key in model), None)
    if key is not None and model[key] != count:
        raise MaskfoldError(f"model.{key}={model[key]}, and the data has {count} {name}. Make them alike.")
    if key is None:
        key = next((key for key in names if key in _parameters(model["_target_"])), None)
    if key is not None:
        return model | {key: count}
    if name in _REFUSED:
        raise MaskfoldError(
            f"model: {model['_target_']} has no argument {' or '.join(names)}, and the data has {count} {name}. If it "
            "takes the number by another way, give it one of these names; or choose a model of maskfold.models."
        )
    return model


def _parameters(target: str) -> set[str]:
    try:
        return {*inspect.signature(get_object(target)).parameters}
    except (ImportError, ValueError, TypeError):  # whoever builds it says what is wrong
        return set()
