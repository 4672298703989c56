"""How the ranks of a run add up their gradients: in buckets, each on its way while the next are still computed."""

import logging

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from maskfold.errors import MaskfoldError

log = logging.getLogger(__name__)

BF16 = "bf16"
_BACKENDS = ("nccl", "gloo")  # that add up numbers of 16 bits


def set_up_reduction(trainer: lightning.Trainer, *, bucket_mb: int, same_graph: bool) -> None:
    """Have several ranks reduce as cheaply as the training allows; with one there is nothing to set.

    Gradients are views of the buckets that are sent, so that they are not copied. Where every step has the same graph,
    torch need not look for parameters that take no part: in all trainings but those that accumulate, since steps
    without a reduction break its first one (torch 2.14), that compile, or that name a strategy which looks.

    Args:
        trainer: Before it fits, with its number of batches to a step.
        bucket_mb: MiB of gradients that are sent together.
        same_graph: Whether the network has the same graph in every step.
    """
    strategy = trainer.strategy
    if trainer.world_size == 1 or not isinstance(strategy, DDPStrategy):
        return
    looks = strategy._ddp_kwargs.get("find_unused_parameters", False)
    static = same_graph and not looks and trainer.accumulate_grad_batches == 1
    strategy._ddp_kwargs |= {"gradient_as_bucket_view": True, "bucket_cap_mb": bucket_mb, "static_graph": static}


class CompressGradients(Callback):
    """Sends gradients as bf16: half as many bytes, with 8 bits of each number's digits."""

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Have them compressed, or say that there is nothing to compress.

        Raises:
            MaskfoldError: If the ranks do not share gradients in a way that can be compressed.
        """
        if trainer.world_size == 1:
            log.warning("trainer.compress_gradients=bf16: this run has one process, which sends no gradients.")
            return
        backend = torch.distributed.get_backend()
        if not isinstance(trainer.model, DistributedDataParallel) or backend not in _BACKENDS:
            kind = type(trainer.strategy).__name__
            raise MaskfoldError(
                f"trainer.compress_gradients=bf16: not to be had with {kind} through {backend}. Leave it out, or take "
                f"trainer.strategy=ddp through {' or '.join(_BACKENDS)}."
            )
        from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook

        trainer.model.register_comm_hook(None, bf16_compress_hook)
