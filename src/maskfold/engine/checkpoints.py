"""Checkpoints: written whole or not at all, read without running code from them."""

import logging
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from maskfold.engine.schedules import Schedule
from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path
from maskfold.runs.monitor import UNKNOWN, Monitor
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import readable

log = logging.getLogger(__name__)


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
    """Return what keeps `best.ckpt` (weights only, of the best epoch) and `last.ckpt` (every epoch) in `folder`.

    Where the score is `UNKNOWN`, the best epoch is the last.
    """
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=None if monitor == UNKNOWN else monitor.name,
        mode=monitor.mode,  # without a monitor too, by which Lightning tells the states of both apart
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


class KeepBest(Callback):
    """Keeps the weights of the best epochs so far as `kept-<epoch>.ckpt`, the epoch as `metrics.csv` counts it.

    Which they are follows from the rows of the log alone, which a resumed run has. What falls out is removed when the
    next epoch begins, since by then the state to go on from is saved: a kill in between loses nothing that would be
    needed again.

    Args:
        count: How many.
        folder: The run's.
        monitor: What an epoch is judged by.
        rows: Of `metrics.csv`, one an epoch so far, that of the epoch which ends among them.
    """

    def __init__(
        self, count: int, folder: RunFolder, *, monitor: Monitor, rows: Callable[[], list[dict[str, float]]]
    ) -> None:
        self.count = count
        self.folder = folder
        self.monitor = monitor
        self.rows = rows

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Say what they take on the disk."""
        size = sum(tensor.nbytes for tensor in module.state_dict().values())
        log.info(
            "keep_best=%d: up to %s of checkpoints in %s", self.count, readable(self.count * size), self.folder.path
        )

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep the weights if this epoch is one of the best."""
        if trainer.current_epoch in self._best():
            trainer.save_checkpoint(self.folder.kept(trainer.current_epoch), weights_only=True)

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Remove what is none of the best any more; the state to go on from is saved by now."""
        best = self._best()
        for epoch, path in self.folder.kept_checkpoints().items() if trainer.is_global_zero else ():
            if epoch not in best:
                path.unlink()

    def on_fit_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Do so at the end of the run."""
        self.on_train_epoch_start(trainer, module)

    def _best(self) -> list[int]:
        return [int(row["epoch"]) for row in self.monitor.ranked(self.rows())[: self.count]]


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
