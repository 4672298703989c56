"""Lightning's Trainer, whose refusals name the keys that they are about."""

from typing import Any

import lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException

from maskfold.errors import MaskfoldError

_KEYS = ("accelerator", "devices", "num_nodes", "strategy", "precision")


def make_trainer(**arguments: Any) -> lightning.Trainer:
    """Return a Trainer.

    Args:
        arguments: Lightning's.

    Raises:
        MaskfoldError: If Lightning refuses them, or the machine has no such device.
    """
    try:
        return lightning.Trainer(**arguments)
    except (MisconfigurationException, ValueError, TypeError) as error:
        keys = ", ".join(f"trainer.{key}={arguments[key]}" for key in _KEYS if key in arguments)
        reason = " ".join(f"{error}".split()).rstrip(".")
        raise MaskfoldError(f"{keys}: Lightning cannot have these together: {reason}. Change one of them.") from error
