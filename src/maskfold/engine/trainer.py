"""Lightning's Trainer, whose refusals name the keys that they are about."""

from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from maskfold.errors import MaskfoldError

_KEYS = ("accelerator", "devices", "num_nodes", "strategy", "precision")


def make_trainer(*, one_size: bool = False, **arguments: Any) -> lightning.Trainer:
    """Return a Trainer, which leaves signals alone.

    Lightning's own answer to SIGTERM is a broadcast from within the signal's handler, which waits for ranks that are at
    something else, and one more before every batch; `maskfold.termination` and `maskfold.engine.ending` do without.

    Args:
        one_size: Whether all batches have photos of one size: then cuDNN tries out once which of its ways is quickest,
            unless torch is told to be deterministic.
        arguments: Lightning's.

    Raises:
        MaskfoldError: If Lightning refuses them, or the machine has no such device.
    """
    deterministic = torch.are_deterministic_algorithms_enabled() or torch.backends.cudnn.deterministic
    try:
        trainer = lightning.Trainer(**arguments, benchmark=one_size and not deterministic)
    except (MisconfigurationException, ValueError, TypeError) as error:
        keys = ", ".join(f"trainer.{key}={arguments[key]}" for key in _KEYS if key in arguments)
        reason = " ".join(f"{error}".split()).rstrip(".")
        raise MaskfoldError(f"{keys}: Lightning cannot have these together: {reason}. Change one of them.") from error
    trainer._signal_connector.register_signal_handlers = _nothing
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing
    return trainer


def _nothing() -> None:
    pass
