"""Checkpoints: written whole or not at all, read without running code from them."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from maskfold.engine.schedules import Schedule
from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path
from maskfold.runs.monitor import Monitor


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes to a temporary name and renames, so that a kill never leaves half a checkpoint."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Save `checkpoint` to `path`.

        Raises:
            MaskfoldError: If it cannot be written (full disk, read-only folder).
        """
        # Through a file of our own: given a path, torch reports a full disk as an internal error of its own.
        with atomic_path(Path(path)) as part, part.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):  # which torch covers up while it closes its archive
                    raise error.__context__ from None
                raise


def checkpoint_callbacks(folder: Path, *, monitor: Monitor) -> list[ModelCheckpoint]:
    """Return what keeps `best.ckpt` (weights only, of the best epoch) and `last.ckpt` (every epoch) in `folder`."""
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=monitor.name,
        mode=monitor.mode,
        save_weights_only=True,
        enable_version_counter=False,
    )
    # Not save_last: beside a monitor that saves only when the monitor improves.
    last = ModelCheckpoint(dirpath=folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    return [best, last]


class Snapshots(Callback):
    """Keeps the weights at the end of every cycle as `snapshot0.ckpt`, `snapshot1.ckpt` and so on.

    Snapshot ensembles: Huang et al. 2017, train one network through several cycles, get M of them for free.
    """

    def __init__(self, schedule: Schedule, folder: Path) -> None:
        self.schedule = schedule
        self.folder = folder

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep the weights if a cycle ends here."""
        if self.schedule.epoch(trainer.current_epoch).snapshot:
            number = self.schedule.snapshots_before(trainer.current_epoch)
            trainer.save_checkpoint(self.folder / f"snapshot{number}.ckpt", weights_only=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, refusing anything but tensors and plain values.

    Raises:
        MaskfoldError: If the file is missing, damaged, or something else.
    """
    if not path.is_file():
        others = ", ".join(sorted(other.stem for other in path.parent.glob("*.ckpt")))
        way_out = f"There are {others}." if others else "Train this fold first."
        raise MaskfoldError(f"{path}: no such checkpoint. {way_out}")
    try:
        _check_archive(path)
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise MaskfoldError(
            f"{path}: not a readable checkpoint ({str(error).partition(chr(10))[0]}). Put a whole copy in its "
            "place, or train this fold from the start with overwrite=true."
        ) from error
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise MaskfoldError(f"{path}: not a checkpoint of a training, though torch can read it. Name another file.")
    return checkpoint


def _check_archive(path: Path) -> None:
    """Compare every part with its checksum, which torch writes but does not look at."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"{damaged} inside it is damaged")
