"""Trained members, rebuilt from their checkpoints."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.errors import InstantiationException
from hydra.utils import instantiate

from maskfold.data.classes import classes_of
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.task import NETWORK, without_auxiliary
from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.runs.run_folder import RunFolder
from maskfold.trust import vetted, without_pretrained


def load_network(path: Path) -> Network:
    """Rebuild the network of a segmentation checkpoint, in evaluation mode on the CPU.

    Raises:
        MaskfoldError: If the file is missing, damaged, or not a checkpoint of this repository, or its network is not
            what it was any more, or would be built by something that is no network.
    """
    checkpoint = load_checkpoint(path)
    if "construction" not in checkpoint:
        raise MaskfoldError(f"{path}: does not say how its network was built; it is no checkpoint of maskfold.")
    construction = without_pretrained(vetted(checkpoint["construction"], "model", path))
    state = checkpoint["state_dict"]
    try:
        network = Network(instantiate(construction, _convert_="all"), **checkpoint.get("network", {}))
        weights = {key.removeprefix(NETWORK): state[key] for key in state if key.startswith(NETWORK)}
        network.load_state_dict(without_auxiliary(weights))
    except (InstantiationException, AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise MaskfoldError(
            f"{path}: its network cannot be rebuilt ({str(error).splitlines()[0]}). "
            "Use the code that it was trained with, whose commit is in run.json, or train it again."
        ) from error
    return network.eval()


def refuse_other_classes(runs: Iterable[RunFolder], classes: Sequence[str]) -> None:
    """Refuse networks that were trained on other classes than the photos to predict have, or in another order.

    Raises:
        MaskfoldError: If one was; the message names the run.
    """
    for run in runs:
        theirs = classes_of(run.read_config()["data"])
        if theirs != tuple(classes):
            trained, wanted = (f"[{', '.join(names)}]" if names else "null" for names in (theirs, classes))
            raise MaskfoldError(
                f"{run.path} was trained with data.classes={trained}, and is to predict with data.classes={wanted}. "
                "Give it those that it was trained with: a map has a plane for each of them, in their order."
            )
