"""Trained members, rebuilt from their checkpoints."""

from pathlib import Path

from hydra.utils import instantiate

from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.training.checkpoints import load_checkpoint

PREFIX = "network."  # of the network's parameters among the training task's
PRETRAINED = ("weights", "encoder_weights")  # arguments that would fetch what the checkpoint replaces


def load_network(path: Path) -> Network:
    """Rebuild the network of a segmentation checkpoint, in evaluation mode on the CPU.

    Raises:
        MaskfoldError: If the file is missing, damaged, or not a checkpoint of this repository.
    """
    checkpoint = load_checkpoint(path)
    if "construction" not in checkpoint:
        raise MaskfoldError(f"{path}: does not say how its network was built; it is no checkpoint of maskfold.")
    construction = checkpoint["construction"]
    construction |= {key: None for key in PRETRAINED if key in construction}
    network = Network(instantiate(construction, _convert_="all"))
    state = checkpoint["state_dict"]
    network.load_state_dict({key.removeprefix(PREFIX): state[key] for key in state if key.startswith(PREFIX)})
    return network.eval()
