"""The batch size by trial: the largest that fits the device, while accumulation keeps the effective batch."""

import logging
from collections.abc import Callable

from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.memory import garbage_collection_cuda

from maskfold import files
from maskfold.engine.engine import DeviceMemoryError
from maskfold.engine.ranks import SIZE_FOUND
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder

log = logging.getLogger(__name__)


def settle_batch_size(folder: RunFolder, effective: int | None, trial: Callable[[int], None]) -> int:
    """Return the batch size that a run has found before, or find it and keep it in the run's folder.

    Args:
        folder: The run's.
        effective: Images to an optimizer step; `effective // batch_size` batches are accumulated.
        trial: Trains a little with batches of so many images, or raises `DeviceMemoryError`.

    Raises:
        MaskfoldError: If the effective batch is not given, or not even one image fits.
    """
    if effective is None or effective < 1:
        raise MaskfoldError(
            "trainer.batch_size=auto: say with trainer.effective_batch=<n> how many images an optimizer step takes, "
            "which is batch_size x accumulate as it was."
        )
    record = files.read_json(folder.run)
    if SIZE_FOUND not in record:
        if rank_zero_only.rank != 0:
            raise MaskfoldError(
                "trainer.batch_size=auto: the size is tried out by one process alone. Begin the run with "
                "trainer.devices=1 trainer.num_nodes=1, stop it when it has printed the size, and give that to all "
                "processes: trainer.batch_size=<n> trainer.accumulate=<m> overwrite=true."
            )
        record[SIZE_FOUND] = largest_batch(effective, trial)
        files.write_json(folder.run, record)
    log.info("trainer.batch_size=auto: %d, %d batches to a step", record[SIZE_FOUND], effective // record[SIZE_FOUND])
    return record[SIZE_FOUND]


def largest_batch(effective: int, trial: Callable[[int], None]) -> int:
    """Return the largest divisor of the effective batch with which a trial does not run out of memory.

    Only divisors: other sizes would not add up to the effective batch.

    Raises:
        MaskfoldError: If not even one image fits.
    """
    for size in (size for size in range(effective, 0, -1) if effective % size == 0):
        try:
            trial(size)
        except DeviceMemoryError:
            log.info("Batches of %d do not fit the device.", size)
        else:
            return size
        finally:
            garbage_collection_cuda()
    raise MaskfoldError(
        "Not even one image at a time fits the device's memory: choose a smaller geometry (geometry=tile, or smaller "
        "geometry.height and width), a smaller model, or a larger device."
    )
