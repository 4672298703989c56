"""Where a run changes its training samples: on the CPU one by one, or on the device that trains, whole batches."""

import logging
from typing import Any

import torch

from maskfold import files
from maskfold.data.augmentation import AUTO, CPU, DEVICE, Augmentation, ByEpoch
from maskfold.data.drawing import only_on_cpu
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder

AUGMENTED = "augmented_on"  # the fact in `run.json`

log = logging.getLogger(__name__)


def place_of(augment: Augmentation | ByEpoch | Any, folder: RunFolder, *, accelerator: str, anew: bool) -> str:
    """Return `cpu` or `device`. `auto` is what the run has begun with, which goes on so on whatever machine.

    Args:
        augment: What changes samples, the user's own too; its `device` is what is asked for.
        folder: The run's.
        accelerator: Lightning's name of what trains.
        anew: Whether the run begins anew.

    Raises:
        MaskfoldError: If the device is asked for and does not know every change.
    """
    asked = getattr(augment, "device", CPU)
    if asked == CPU:
        return CPU
    names = only_on_cpu(augment)
    if asked == DEVICE and names:
        raise MaskfoldError(
            f"augment.device={DEVICE}: {', '.join(names)} can only be done on the CPU. Leave it at "
            f"augment.device={AUTO}, or choose flips, turns and colours alone, such as augment=soft, heavy or light."
        )
    if asked == DEVICE:
        return DEVICE
    begun = None if anew else _begun(folder)
    if begun is not None:
        return begun
    on_gpu = accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    if on_gpu and names:
        log.info("augment: on the CPU, where alone %s can be done; the GPU waits for it if cores are few.", names)
    return DEVICE if on_gpu and not names else CPU


def _begun(folder: RunFolder) -> str | None:
    """Return where a run that has been begun changes its samples; None if none has."""
    if not folder.holds_training or not folder.run.exists():
        return None
    return files.read_json(folder.run).get(AUGMENTED, CPU)  # earlier versions knew no other place
