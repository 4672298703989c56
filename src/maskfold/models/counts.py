"""What a model is built for besides RGB photos and one class: the number of channels that its data have."""

import inspect
from typing import Any

from hydra.utils import get_object

from maskfold.errors import MaskfoldError

USUAL = {"channels": 3}
_ELSEWHERE = {"channels": ("in_channels", "in_chans")}  # what other libraries call it
_DATA = {"channels": "data.channels"}


def with_counts(model: dict[str, Any], **counts: int) -> dict[str, Any]:
    """Return how a model is built for other counts than the usual ones; for those it stays as it is.

    Args:
        model: A `_target_` and its arguments.
        counts: By the keys of `USUAL`.

    Raises:
        MaskfoldError: If the target has no argument for a count, or is given another one.
    """
    for name, count in counts.items():
        if count != USUAL[name]:
            model = _with_count(model, name, count)
    return model


def _with_count(model: dict[str, Any], name: str, count: int) -> dict[str, Any]:
    target, names = model["_target_"], (name, *_ELSEWHERE[name])
    key = next((key for key in names if key in model), None)
    if key is not None and model[key] != count:
        raise MaskfoldError(f"model.{key}={model[key]}, and {_DATA[name]} says {count}. Make them alike.")
    if key is None:
        parameters = inspect.signature(get_object(target)).parameters
        key = next((key for key in names if key in parameters), None)
    if key is None:
        raise MaskfoldError(
            f"model: {target} has no argument {' or '.join(names)}, and {_DATA[name]} says {count}. If it takes the "
            f"number by another way, give it one of these names; or choose a model of maskfold.models."
        )
    return model | {key: count}
