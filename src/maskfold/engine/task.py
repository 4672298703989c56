"""A task: a network, an optimizer and an objective, as Lightning trains them."""

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import nn

from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.freezing import freeze_layers, keep_frozen, named_trainable, trainable
from maskfold.engine.fused import in_one_kernel
from maskfold.engine.groups import ParameterGroups
from maskfold.engine.objective import Batch, Objective, Output
from maskfold.engine.once import working_once
from maskfold.engine.sample_mean import SampleMean
from maskfold.engine.step_schedule import StepSchedule
from maskfold.errors import MaskfoldError

NETWORK = "network."  # before the names of the network's parameters in a checkpoint
AUXILIARY = "auxiliary."  # then before those that only training needs, for outputs beside the main one


class Task(lightning.LightningModule):
    """Trains a network on batches with `image (N, ...)`, whatever its objective needs, and `weight (N,) float32`.

    `weight` may be absent, which is 1 for every sample.

    Args:
        network: Images in, outputs out. In training auxiliary outputs may follow the main one in a tuple.
        optimizer: Makes the optimizer from the parameters that train; `ParameterGroups` from these and their names.
        objective: What is learned and measured.
        scheduler: Makes a torch scheduler from the optimizer, stepped every epoch, a `StepSchedule` one that is stepped
            with every step; None where a table of rates rules.
        construction: How the network was built, kept in every checkpoint beside its weights.
        freeze: Names of layers that do not train, see `maskfold.engine.freezing`.
        channels_last: Lay images out as convolutions on GPUs like them.
        compile_network: Compile the network with `torch.compile`: True, or the name of one of its modes.

    Raises:
        MaskfoldError: If there is no layer of a name to freeze, or none is left to train.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | ParameterGroups,
        objective: Objective,
        scheduler: Callable[[torch.optim.Optimizer], Any] | StepSchedule | None = None,
        construction: dict[str, Any] | None = None,
        freeze: Sequence[str] = (),
        channels_last: bool = False,
        compile_network: bool | str = False,
    ) -> None:
        super().__init__()
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=layout)
        self.frozen = tuple(freeze)
        freeze_layers(self.network, self.frozen)
        if compile_network:
            # In place: the names of the parameters in the checkpoint stay as they are.
            self.network.compile(mode=compile_network if isinstance(compile_network, str) else None)
        self.objective = objective
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.construction = construction or {}
        self.layout = layout
        self.same_graph = not compile_network  # in every step; torch.compile wants no such promise
        self.rate_factor = 1.0  # so many times the optimizer's rates
        self.training_loss, self.validation_loss = SampleMean(), SampleMean()

    def take_weights(self, checkpoint: Path) -> None:
        """Begin with the network of a checkpoint, and with nothing else of it.

        Where this network has more classes, their rows stay as they are, behind those of the checkpoint.

        Raises:
            MaskfoldError: If it cannot be read, or is of another network.
        """
        state = load_checkpoint(checkpoint)["state_dict"]
        weights = {key.removeprefix(NETWORK): value for key, value in state.items() if key.startswith(NETWORK)}
        try:
            self.network.load_state_dict(_with_further_rows_of(self.network, _with_auxiliary_of(self.network, weights)))
        except RuntimeError as error:
            reason = "\n".join(line.strip() for line in str(error).splitlines()[1:4])
            raise MaskfoldError(
                f"start_from: {checkpoint} is of another network than this run's.\n{reason}\nChoose the model that it "
                "was trained with; its run folder says which."
            ) from error

    def train(self, mode: bool = True) -> "Task":
        """Set the mode of every layer but the frozen ones, which stay in evaluation."""
        super().train(mode)
        keep_frozen(self.network, self.frozen)
        return self

    def forward(self, image: torch.Tensor) -> Output:
        """Return the network's output for a batch of images."""
        return self.network(image.contiguous(memory_format=self.layout))

    def on_train_start(self) -> None:
        """Tell the objective how long the run is."""
        self.objective.epochs = self.trainer.max_epochs

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the mean of the samples' losses, each times its weight.

        Not divided by the sum of the weights: a sample of weight 0.5 counts half whatever else is in its batch.
        """
        batch = self.objective.prepared(batch, seed=(self.current_epoch, batch_idx, self.global_rank))
        losses = self._losses(self(batch["image"]), batch)
        if "weight" in batch:
            losses = losses * batch["weight"]
        self.training_loss.update(losses)
        self.log("train/loss", self.training_loss, on_step=False, on_epoch=True)
        return losses.mean()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch."""
        output = self(batch["image"])
        with working_once():
            self.validation_loss.update(self._losses(output, batch))
            self.objective.measure(output, batch)

    def _losses(self, output: Output, batch: Batch) -> torch.Tensor:
        """Return each sample's loss, `(N,)`.

        Raises:
            MaskfoldError: If the objective, which may be the user's own, gives anything else.
        """
        losses, count = self.objective.losses(output, batch), len(batch["image"])
        shape = tuple(losses.shape) if isinstance(losses, torch.Tensor) else type(losses).__name__
        if shape != (count,):
            raise MaskfoldError(
                f"The loss gives {f'a tensor of shape {shape}' if isinstance(shape, tuple) else shape} for {count} "
                "samples; it is to give one value a sample, (N,), so that each has its weight. Take its mean over "
                "everything but the first dimension: reduction='none', then .flatten(1).mean(1)."
            )
        return losses

    def on_validation_epoch_end(self) -> None:
        """Log loss and metric over all samples of all ranks."""
        values = {"loss": self.validation_loss.compute(), **self.objective.metric.compute()}
        self.log_dict({f"val/{name}": value for name, value in values.items()})
        self.validation_loss.reset()
        self.objective.metric.reset()

    def configure_optimizers(self) -> Any:
        """Return the optimizer of what trains, with its scheduler if there is one."""
        scaled = self._trainer is not None and getattr(self.trainer.precision_plugin, "scaler", None) is not None
        if isinstance(self.make_optimizer, ParameterGroups):
            groups = copy.copy(self.make_optimizer)
            groups.optimizer = in_one_kernel(groups.optimizer, scaled=scaled)
            optimizer = groups(named_trainable(self.network))
        else:
            optimizer = in_one_kernel(self.make_optimizer, scaled=scaled)(trainable(self.network))
        for group in optimizer.param_groups if self.rate_factor != 1 else ():
            group["lr"] *= self.rate_factor
            group["factor"] = group.get("factor", 1.0) * self.rate_factor
        if self.make_scheduler is None:
            return optimizer
        if isinstance(self.make_scheduler, StepSchedule):
            scheduler = self.make_scheduler(optimizer, steps=int(self.trainer.estimated_stepping_batches))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.make_scheduler(optimizer)}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep how the network was built, and what it does to images beside its model if that is not the usual."""
        checkpoint["construction"] = self.construction
        if settings := getattr(self.network, "settings", {}):
            checkpoint["network"] = settings


def _with_auxiliary_of(network: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights with those auxiliary ones that a network has: its own where theirs are absent or do not fit."""
    own = {key: value for key, value in network.state_dict().items() if key.startswith(AUXILIARY)}
    fitting = {key: value for key, value in weights.items() if key in own and value.shape == own[key].shape}
    return without_auxiliary(weights) | own | fitting


def _with_further_rows_of(network: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights with the rows behind them that a network has more, where it says that rows can be added."""
    own = network.state_dict()
    names = [name for name in getattr(network, "growing", ()) if name in own and name in weights]
    further = {
        name: own[name][len(weights[name]) :] for name in names if own[name].shape[1:] == weights[name].shape[1:]
    }
    return weights | {name: torch.cat([weights[name].to(rows), rows]) for name, rows in further.items()}


def without_auxiliary(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return a network's weights without those that only training needs."""
    return {key: value for key, value in weights.items() if not key.startswith(AUXILIARY)}
