"""Several processes of one run, its ranks: how many there are, what each takes of a step, and who is told lost."""

import logging
import os
import re
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import counted

log = logging.getLogger(__name__)

IMAGES = "images_per_step"  # in run.json
SIZE_FOUND = "batch_size"  # likewise: the size that trials have found
NEW_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"

# What the libraries say when a rank does not answer: gloo, NCCL, the store through which ranks find one another.
_LOST = r"gloo|NCCL|TCPStore|Connection (closed|reset)|Timed out waiting"


def devices_and_machines(devices: int | str, machines: int) -> tuple[int | str, int]:
    """Return how many devices of a machine, and machines, are at work: under torchrun, which started them, as it says.

    Lightning does not look: with one device each process would train by itself, on all photos.

    Args:
        devices: What was asked for; it counts where Lightning starts the processes.
        machines: The same.
    """
    if not started_by_torchrun():
        return devices, machines
    return int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ.get("GROUP_WORLD_SIZE", 1))


def started_by_torchrun() -> bool:
    """Return whether this process is a rank that torchrun starts, and starts again when one is lost."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def warn_of_shared_store() -> None:
    """Say that ranks which torchrun starts again may not find one another, where it was not told otherwise.

    It keeps the store in which they leave their addresses, and they read those of ranks that are gone
    (https://github.com/pytorch/pytorch/issues/135712; so it still is in torch 2.14).
    """
    if started_by_torchrun() and rank_zero_only.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        log.warning(
            "torchrun keeps the addresses of processes that are gone: those that it starts again may miss one another, "
            "which costs restarts. Put %s=1 in front of its command.",
            NEW_STORE,
        )


def refuse_anew(name: str) -> None:
    """Refuse `overwrite=true` where lost ranks are started again with the same command.

    Args:
        name: The member's.

    Raises:
        MaskfoldError: Under torchrun.
    """
    if started_by_torchrun():
        raise MaskfoldError(
            "overwrite=true: torchrun starts lost processes again with the same command, and each time the run would "
            f"begin anew. Remove what is there first (maskfold runs remove {name}), and leave overwrite out."
        )


def batches_to_a_step(folder: RunFolder, *, batch_size: int, accumulate: int, effective: int | None, ranks: int) -> int:
    """Return how many batches each rank accumulates, so that a step has the images that the run was begun with.

    The first rank keeps that number in the run's folder; ranks may come and go from one start to the next.

    Args:
        folder: The run's.
        batch_size: Images to a batch, in each rank.
        accumulate: Batches to a step, in each rank, where no number of images is asked for.
        effective: Images to a step, over all ranks.
        ranks: How many there are now.

    Raises:
        MaskfoldError: If so many ranks cannot share a step evenly.
    """
    begun = files.read_json(folder.run) if folder.last.exists() and folder.run.exists() else {}
    if begun and IMAGES not in begun:  # an earlier version took it to be each rank's, and only beside a size by trial
        effective = effective * ranks if effective and SIZE_FOUND in begun else None
    images = begun.get(IMAGES) or effective or batch_size * accumulate * ranks
    batches, rest = divmod(images, batch_size * ranks)
    if rest or not batches:
        raise MaskfoldError(_uneven(folder.path, images=images, batch_size=batch_size, ranks=ranks))
    if rank_zero_only.rank == 0 and IMAGES not in begun and folder.run.exists():
        files.write_json(folder.run, files.read_json(folder.run) | {IMAGES: images})
    return batches


def _uneven(path: Path, *, images: int, batch_size: int, ranks: int) -> str:
    whole, rest = divmod(images, batch_size)
    possible = [] if rest else [number for number in range(1, whole + 1) if whole % number == 0]
    way_out = (
        f"Start {', '.join(map(str, possible))} processes"
        if possible
        else "Give a trainer.effective_batch that is a multiple of the batch size"
    )
    return (
        f"{path}: a step takes {counted(images, 'image')}, which {counted(ranks, 'process', 'processes')} with "
        f"trainer.batch_size={batch_size} cannot share evenly. {way_out}."
    )


def describe_lost_rank(error: RuntimeError) -> str | None:
    """Return in words what torch says when another rank is gone or stands still; None of any other error."""
    if not torch.distributed.is_available():
        return None
    together = torch.distributed.is_initialized() or started_by_torchrun()
    if not (isinstance(error, torch.distributed.DistError) or (together and re.search(_LOST, f"{error}"))):
        return None
    sentence = f"{error}".strip().partition("\n")[0].partition(". ")[0]
    reason = re.sub(r"^\[\S+] ", "", sentence).rstrip(".")  # without the place in gloo's source
    again = "If torchrun has restarts left it starts all of them again" if started_by_torchrun() else _BY_HAND
    return (
        "Another process of this run is gone, or has not answered for so long as trainer.rank_timeout says "
        f"({reason}). {again}: what is finished is kept, and a training goes on from what it has saved last."
    )


_BY_HAND = "Run the same command again"
