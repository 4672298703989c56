"""Predict photos into a probability store, image by image, on whatever Lightning's Trainer runs on."""

from collections import defaultdict
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch.utils.data import DataLoader, Dataset

from maskfold.data.dataset import PhotoDataset, Preprocess
from maskfold.data.geometry import Geometry
from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.prediction.store import ProbabilityStore, to_bytes
from maskfold.prediction.tta import predict_probability
from maskfold.training.engine import choose_precision, interruptible
from maskfold.training.loaders import default_workers, one_thread


class Batches(Dataset):
    """Photos in batches that are always the same ones.

    How a photo is rounded may depend on what it shares a batch with, so a run that goes on must not form new batches
    of what is left: those that are unfinished are done again, whole.
    """

    def __init__(self, photos: Dataset, batches: Sequence[Sequence[int]]) -> None:
        self.photos = photos
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> list[dict[str, Any]]:
        """Return a batch's photos."""
        return [self.photos[index] for index in self.batches[number]]


class Predictor(lightning.LightningModule):
    """Forwards each photo's windows, restores the photo's own size, and writes the map.

    Args:
        network: Photos in, logits out.
        geometry: The way back from the network's windows.
        store: Where the maps go.
        wanted: The `image_id`s whose maps are written.
        tta: A name of `maskfold.prediction.tta.VIEWS`.
        batch_size: The most windows in one forward pass.
    """

    def __init__(
        self,
        network: Network,
        *,
        geometry: Geometry,
        store: ProbabilityStore,
        wanted: Set[str],
        tta: str,
        batch_size: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.geometry = geometry
        self.store = store
        self.wanted = wanted
        self.tta = tta
        self.batch_size = batch_size

    def transfer_batch_to_device(
        self, batch: list[dict[str, Any]], device: torch.device, dataloader_idx: int
    ) -> list[dict[str, Any]]:
        """Move the windows; the rest of a photo stays where it is."""
        return [photo | {"windows": photo["windows"].to(device, non_blocking=True)} for photo in batch]

    def predict_step(self, batch: list[dict[str, Any]], batch_idx: int) -> None:
        """Predict a list of photos, those whose windows are of one size together.

        Raises:
            MaskfoldError: If a map cannot be written, or the network answers with something that is no number.
        """
        alike = defaultdict(list)
        for photo in batch:
            alike[tuple(photo["windows"].shape[2:])].append(photo)
        for photos in alike.values():
            probability = self._forward(torch.cat([photo["windows"] for photo in photos]))
            ends = np.cumsum([len(photo["windows"]) for photo in photos])[:-1]
            for photo, windows in zip(photos, np.split(probability, ends), strict=True):
                if photo["image_id"] in self.wanted:
                    self._write(photo, windows)

    def _write(self, photo: dict[str, Any], windows: np.ndarray) -> None:
        restored = self.geometry.restore(windows, photo["placement"])
        if np.isnan(restored.min()):
            raise MaskfoldError(
                f"{photo['image_id']}: the network's answer is not a number. Its training diverged (train again with "
                "a smaller rate or trainer.gradient_clip), or the precision is too low (trainer.precision=32-true)."
            )
        self.store.write(photo["image_id"], to_bytes(restored))

    def _forward(self, windows: torch.Tensor) -> np.ndarray:
        parts = [predict_probability(self.network, part, self.tta) for part in windows.split(self.batch_size)]
        return torch.cat(parts).cpu().numpy()


def predict_photos(
    network: Network,
    table: pd.DataFrame,
    *,
    geometry: Geometry,
    preprocess: Preprocess | None,
    store: ProbabilityStore,
    tta: str,
    batch_size: int,
    num_workers: int | None,
    precision: str,
    accelerator: str,
    devices: int | str,
) -> None:
    """Predict every photo of `table` that has no map in `store` yet; done in one go or in many, the maps are the same.

    Args:
        network: Photos in, logits out.
        table: Rows of the image table.
        geometry: The way to the network and back, as in training.
        preprocess: As in training.
        store: Where the maps go; those that are there are kept.
        tta: A name of `maskfold.prediction.tta.VIEWS`.
        batch_size: The most windows in one forward pass, and the photos loaded together.
        num_workers: Loading processes; None is one per core beside a GPU, none otherwise.
        precision: Lightning's name, or `auto` as in training.
        accelerator: Lightning's name.
        devices: How many, or `auto`.

    Raises:
        MaskfoldError: If a photo cannot be read or a map cannot be written; maps written before are kept.
        KeyboardInterrupt: If the user stops it.
    """
    wanted = set(store.missing(table["image_id"]))
    batches = [range(len(table))[start : start + batch_size] for start in range(0, len(table), batch_size)]
    todo = [batch for batch in batches if not wanted.isdisjoint(table["image_id"].iloc[batch])]
    if not todo:
        return
    workers = default_workers() if num_workers is None else num_workers
    loader = DataLoader(
        Batches(PhotoDataset(table, geometry=geometry, preprocess=preprocess), todo),
        batch_size=None,
        num_workers=workers,
        worker_init_fn=one_thread,
        pin_memory=torch.cuda.is_available(),
    )
    predictor = Predictor(network, geometry=geometry, store=store, wanted=wanted, tta=tta, batch_size=batch_size)
    trainer = lightning.Trainer(
        default_root_dir=Path(store.folder),
        precision=choose_precision(precision, accelerator),
        accelerator=accelerator,
        devices=devices,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        callbacks=[TQDMProgressBar(refresh_rate=5)],
    )
    with interruptible():
        trainer.predict(predictor, loader, return_predictions=False)
