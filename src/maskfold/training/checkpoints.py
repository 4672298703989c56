"""Checkpoints: written whole or not at all, read without running code from them."""

import pickle
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary name and renames, so that a kill never leaves half a checkpoint."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save `checkpoint` to `path`."""
        with atomic_path(Path(path)) as part:
            torch.save(checkpoint, part)


def checkpoint_callbacks(folder: Path, *, monitor: str) -> list[ModelCheckpoint]:
    """Return what keeps `best.ckpt` (weights only, largest `monitor`) and `last.ckpt` (every epoch) in `folder`."""
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=monitor,
        mode="max",
        save_weights_only=True,
        enable_version_counter=False,
    )
    # Not save_last: beside a monitor that saves only when the monitor improves.
    last = ModelCheckpoint(dirpath=folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    return [best, last]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, refusing anything but tensors and plain values.

    Raises:
        MaskfoldError: If the file is missing or damaged.
    """
    if not path.is_file():
        raise MaskfoldError(f"{path}: no such checkpoint. Train this fold first.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, ValueError) as error:
        raise MaskfoldError(
            f"{path}: not a readable checkpoint ({str(error).splitlines()[0]}). Delete the file to begin again from "
            "the start, or put a whole copy in its place."
        ) from error
