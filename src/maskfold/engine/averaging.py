"""Averages of the weights along training, which are what is validated and kept: EMA and SWA."""

from collections.abc import Callable, Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from maskfold.errors import MaskfoldError


class WeightAverage(Callback):
    """Keeps a running average of the weights and validates it.

    From the start of a validation to the next epoch's the module holds the average, and this callback the weights
    that are trained on; then they change places again. So the `state_dict` of every checkpoint that is saved at the end
    of an epoch, `best.ckpt` and `last.ckpt`, is the average (Lightning's own callbacks leave it out of checkpoints that
    are saved with `save_weights_only`); that of `middle.ckpt` is the weights that are trained on, since no validation
    has begun. This callback's state has the others, so a resumed run has both.
    The statistics of batch normalisation are averaged like weights. Until the first moment of averaging there is only
    one set of weights.

    Args:
        per_epoch: Average at the end of epochs instead of after every optimizer step.
        due: `number -> bool`, whether to average after an epoch or step, counted from 0.
        share: `n -> float`, the weight of the new value in the average of n values before it.
    """

    def __init__(self, *, per_epoch: bool, due: Callable[[int], bool], share: Callable[[int], float]) -> None:
        self.per_epoch = per_epoch
        self.due = due
        self.share = share
        self.other: dict[str, torch.Tensor] | None = None
        self.averaged = 0
        self.in_module = False

    def state_dict(self) -> dict[str, Any]:
        """Return the weights that the module does not hold, and which they are."""
        return {"other": self.other, "averaged": self.averaged, "in_module": self.in_module}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the weights of a checkpoint."""
        self.other = state_dict["other"]
        self.averaged = state_dict["averaged"]
        self.in_module = state_dict["in_module"]

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Move what came from a checkpoint to the module's device."""
        self.steps = trainer.global_step
        if self.other is not None:
            self.other = {name: tensor.to(module.device) for name, tensor in self.other.items()}

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Give the module the weights that are trained on."""
        if self.in_module:
            self._swap(module)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the weights into the average if it is time."""
        if self.per_epoch:
            now, number = batch_idx + 1 == trainer.num_training_batches, trainer.current_epoch
        else:
            now, number = trainer.global_step > self.steps, trainer.global_step - 1
        self.steps = trainer.global_step
        if now and self.due(number):
            self._average(module)

    def on_validation_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Give the module the average."""
        if self.other is not None and not self.in_module:
            self._swap(module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Do so where nothing is validated, so that the epoch's checkpoints have the average as well."""
        if not trainer.enable_validation:
            self.on_validation_start(trainer, module)

    def _average(self, module: lightning.LightningModule) -> None:
        weights = module.state_dict()
        if self.other is None:
            self.other = {name: tensor.clone() for name, tensor in weights.items()}
        else:
            pairs = [(self.other[name], tensor) for name, tensor in weights.items()]
            floats = [pair for pair in pairs if pair[1].is_floating_point()]
            counts = [pair for pair in pairs if not pair[1].is_floating_point()]
            _all_at_once(torch._foreach_lerp_, floats, self.share(self.averaged))
            _all_at_once(torch._foreach_copy_, counts)
        self.averaged += 1

    def _swap(self, module: lightning.LightningModule) -> None:
        with torch.no_grad():
            pairs = [(self.other[name], tensor) for name, tensor in module.state_dict().items()]
            kept = [(average, tensor.clone()) for average, tensor in pairs]
            _all_at_once(torch._foreach_copy_, [(tensor, average) for average, tensor in pairs])
            _all_at_once(torch._foreach_copy_, kept)
        self.in_module = not self.in_module


def _all_at_once(
    kernel: Callable[..., Any], pairs: Sequence[tuple[torch.Tensor, torch.Tensor]], *arguments: Any
) -> None:
    """Call a kernel that changes many tensors by as many others at once; it takes no empty lists."""
    if pairs:
        changed, others = zip(*pairs, strict=True)
        kernel([*changed], [*others], *arguments)


def ema(*, decay: float = 0.999) -> WeightAverage:
    """Return the exponential moving average over optimizer steps.

    The decay grows from 0.1 to its value as (1 + n) / (10 + n), as TensorFlow's does, so that short runs are not held
    back by their first weights.

    Args:
        decay: What stays of the average in a step, between 0 and 1.

    Raises:
        MaskfoldError: If the decay is not between 0 and 1.
    """
    if not 0 < decay < 1:
        raise MaskfoldError(f"averaging.decay={decay}: give a number between 0 and 1, such as 0.999.")
    return WeightAverage(per_epoch=False, due=lambda step: True, share=lambda n: max(1 - decay, 9 / (10 + n)))


def swa(*, first_epoch: int, every: int = 1) -> WeightAverage:
    """Return stochastic weight averaging (Izmailov et al. 2018): the plain mean of the weights at the end of epochs.

    Args:
        first_epoch: The first epoch whose weights count, from 0.
        every: Epochs from one that counts to the next; the length of a cycle where the rate goes in cycles.

    Raises:
        MaskfoldError: If a number is out of range.
    """
    if first_epoch < 0 or every < 1:
        raise MaskfoldError(f"averaging: first_epoch={first_epoch} must be 0 or more, every={every} 1 or more.")
    return WeightAverage(
        per_epoch=True,
        due=lambda epoch: epoch >= first_epoch and (epoch - first_epoch) % every == 0,
        share=lambda n: 1 / (n + 1),
    )
