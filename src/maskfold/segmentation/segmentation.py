"""The segmentation task: what one step computes, and what one validation measures."""

from collections.abc import Callable, Iterable
from typing import Any

import lightning
import torch
from torch import nn

from maskfold.models.network import Network
from maskfold.segmentation.metrics import SegmentationMetrics

Batch = dict[str, torch.Tensor]


class SegmentationTask(lightning.LightningModule):
    """Trains a network on `image (N, 3, H, W)` and `mask (N, 1, H, W)`, uint8, and `weight (N,) float32`.

    A mask is 255 where the object is certain; a soft one, a pseudo-label, has all values from 0.

    Args:
        network: Photos in, logits out.
        loss: `(logits, target) -> (N,)`, one value an image.
        optimizer: Makes the optimizer from the parameters.
        scheduler: Makes a torch scheduler from the optimizer, stepped every epoch; None where a table of rates rules.
        construction: How the network was built, kept in every checkpoint beside its weights.
        channels_last: Lay images out as convolutions on GPUs like them.
        compile_network: Compile the network with `torch.compile`: True, or the name of one of its modes.
    """

    def __init__(
        self,
        network: Network,
        *,
        loss: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        scheduler: Callable[[torch.optim.Optimizer], Any] | None = None,
        construction: dict[str, Any] | None = None,
        channels_last: bool = False,
        compile_network: bool | str = False,
    ) -> None:
        super().__init__()
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=layout)
        if compile_network:
            # In place: the names of the parameters in the checkpoint stay as they are.
            self.network.compile(mode=compile_network if isinstance(compile_network, str) else None)
        self.loss = loss
        self.make_optimizer = optimizer
        self.make_scheduler = scheduler
        self.construction = construction or {}
        self.layout = layout
        self.metrics = SegmentationMetrics()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map `(N, 3, H, W) uint8` photos to `(N, 1, H, W)` logits."""
        return self.network(image.contiguous(memory_format=self.layout))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Return the mean of the images' losses, each times its weight.

        Not divided by the sum of the weights: an image of weight 0.5 counts half whatever else is in its batch.
        """
        losses = self.loss(self(batch["image"]), batch["mask"] / 255)
        loss = (losses * batch["weight"]).mean()
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(losses), sync_dist=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a batch."""
        logits, target = self(batch["image"]), batch["mask"] / 255
        losses = self.loss(logits, target)
        self.log("val/loss", losses.mean(), batch_size=len(losses), sync_dist=True)
        self.metrics.update(logits, target)

    def on_validation_epoch_end(self) -> None:
        """Log the means over all images of all ranks."""
        self.log_dict({f"val/{name}": value for name, value in self.metrics.compute().items()})
        self.metrics.reset()

    def configure_optimizers(self) -> Any:
        """Return the optimizer, with its scheduler if there is one."""
        optimizer = self.make_optimizer(self.network.parameters())
        if self.make_scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.make_scheduler(optimizer)}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep how the network was built."""
        checkpoint["construction"] = self.construction
