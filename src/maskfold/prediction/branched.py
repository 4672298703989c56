"""What predicts photos of any size has in common: the networks, on the device that Lightning chooses."""

from collections.abc import Sequence

import lightning
import torch

from maskfold.prediction.branches import Branch
from maskfold.prediction.several_stores import SeveralStores
from maskfold.prediction.store import ProbabilityStore


class BranchedPredictor(lightning.LightningModule):
    """Holds networks and where their maps go; a subclass says how photos are shown to them.

    Args:
        branches: The networks.
        store: Where the maps go; where voters have shares of several means, as many.
        batch_size: The most windows in one forward pass.
        channels_last: Lay images out as convolutions on GPUs like them.
        compile_networks: Compile the networks with `torch.compile`: True, or the name of one of its modes.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        *,
        store: ProbabilityStore | SeveralStores,
        batch_size: int,
        channels_last: bool = False,
        compile_networks: bool | str = False,
    ) -> None:
        super().__init__()
        self.branches, self.store, self.batch_size = branches, store, batch_size
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        networks = [voter.network for branch in branches for voter in branch.voters]
        self.networks = torch.nn.ModuleList(networks).to(memory_format=self.layout)  # so that they go to the device
        if compile_networks:
            for network in networks:
                network.compile(mode=compile_networks if isinstance(compile_networks, str) else None)
