"""Predict photos into a probability store, image by image, on whatever Lightning's Trainer runs on."""

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from maskfold.data.geometry import Geometry, Placement
from maskfold.data.preprocessing import Preprocess
from maskfold.data.windows import are_large, refuse_whole
from maskfold.engine.engine import interruptible
from maskfold.engine.loaders import default_workers, one_thread
from maskfold.engine.precision import choose_precision
from maskfold.engine.progress import PredictionBar
from maskfold.engine.ranks import devices_and_machines
from maskfold.engine.trainer import make_trainer
from maskfold.memory import keep_freed_memory
from maskfold.models.network import Network
from maskfold.prediction.batch_size import largest_window, settle_batch_size
from maskfold.prediction.branched import BranchedPredictor
from maskfold.prediction.branches import (
    Branch,
    BranchedPhotos,
    Voter,
    joined,
    merge_on_device,
    merge_votes,
    no_number,
    vote,
)
from maskfold.prediction.large import predict_large
from maskfold.prediction.several_stores import SeveralStores
from maskfold.prediction.store import ProbabilityStore
from maskfold.prediction.writing import Writers


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


class Predictor(BranchedPredictor):
    """Forwards each photo's windows through every network, and has threads restore its size and write the mean map.

    Args:
        branches: The networks.
        wanted: The `image_id`s whose maps are written.
        writers: Who writes them, while the device is at the next photos.
        options: The others of `BranchedPredictor`.
    """

    def __init__(self, branches: Sequence[Branch], *, wanted: Set[str], writers: Writers, **options: Any) -> None:
        super().__init__(branches, **options)
        self.wanted, self.writers = wanted, writers

    def transfer_batch_to_device(
        self, batch: list[dict[str, Any]], device: torch.device, dataloader_idx: int
    ) -> list[dict[str, Any]]:
        """Move the windows; the rest of a photo stays where it is."""
        return [
            photo | {"windows": [windows.to(device, non_blocking=True) for windows in photo["windows"]]}
            for photo in batch
        ]

    def predict_step(self, batch: list[dict[str, Any]], batch_idx: int) -> None:
        """Set the device to work on a list of photos, and have their maps written once it is done.

        Raises:
            MaskfoldError: If the map of an earlier photo could not be written, or was none: the networks answered with
                something that is no number.
        """
        photos = [{**photo, "votes": []} for photo in batch]
        for number, branch in enumerate(self.branches):
            self._answer(branch, number, photos)
        answers = [self._answered(photo) for photo in photos if photo["image_id"] in self.wanted]
        copied = None
        if self.device.type == "cuda":
            copied = torch.cuda.Event()
            copied.record()
        for answered in answers:
            self.writers.submit(partial(self._write, answered, copied), size=answered.size)

    def _answer(self, branch: Branch, number: int, photos: list[dict[str, Any]]) -> None:
        """Append a branch's probabilities to the `votes` of each photo; windows of one size go together."""
        alike = defaultdict(list)
        for photo in photos:
            alike[tuple(photo["windows"][number].shape[2:])].append(photo)
        for group in alike.values():
            windows = [photo["windows"][number] for photo in group]
            votes = vote(branch, joined(windows), batch_size=self.batch_size, layout=self.layout)
            for photo, share in zip(group, votes.split([len(part) for part in windows]), strict=True):
                photo["votes"].append(share)

    def _answered(self, photo: dict[str, Any]) -> "_Answered":
        """Return a photo's answers on their way to the CPU: its map where the device can make it, else the votes."""
        merged = None
        if self.device.type != "cpu":
            merged = merge_on_device(self.branches, photo["votes"], photo["placements"])
        parts = [part.to("cpu", non_blocking=True) for part in merged or photo["votes"]]
        return _Answered(photo["image_id"], photo["placements"], parts, is_map=merged is not None)

    def _write(self, answered: "_Answered", copied: torch.cuda.Event | None) -> None:
        """Write a photo's map, once its answers have come."""
        if copied is not None:
            copied.synchronize()
        if answered.is_map:
            planes, has_no_number = answered.parts
            if has_no_number:
                raise no_number(answered.image_id)
            probability = planes.numpy() if len(planes) > 1 else planes[0].numpy()
        else:
            probability = merge_votes(answered.image_id, self.branches, answered.parts, answered.placements)
        self.store.write(answered.image_id, probability)


@dataclass(frozen=True)
class _Answered:
    """What the networks answered to a photo, on the CPU or on the way there.

    Attributes:
        image_id: The photo.
        placements: The way back, for each branch.
        parts: The map and the flag of `merge_on_device`, or for each branch its votes.
        is_map: Which of the two.
    """

    image_id: str
    placements: Sequence[Placement]
    parts: Sequence[torch.Tensor]
    is_map: bool

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(part.nbytes for part in self.parts)


def predict_photos(
    network: Network,
    table: pd.DataFrame,
    *,
    geometry: Geometry,
    preprocess: Preprocess | None,
    tta: str,
    **options: Any,
) -> None:
    """Predict photos with one network; `options` are those of `predict_together`.

    Args:
        network: Photos in, logits out.
        table: Rows of the image table.
        geometry: The way to the network and back, as in training.
        preprocess: As in training.
        tta: A name of `maskfold.prediction.tta.VIEWS`.
        options: The others of `predict_together`.

    Raises:
        MaskfoldError: As `predict_together`.
        KeyboardInterrupt: If the user stops it.
    """
    predict_together([Branch(geometry, preprocess, [Voter(network, tta)])], table, **options)


def predict_together(
    branches: Sequence[Branch],
    table: pd.DataFrame,
    *,
    store: ProbabilityStore | SeveralStores,
    batch_size: int | str,
    num_workers: int | None,
    load_timeout: float = 0,
    writers: int | None = None,
    precision: str,
    accelerator: str,
    devices: int | str,
    channels_last: bool = False,
    compile: bool | str = False,
) -> None:
    """Predict every photo of `table` that has no map in `store` yet; done in one go or in many, the maps are the same.

    Args:
        branches: The networks, whose mean each map is.
        table: Rows of the image table.
        store: Where the maps go; those that are there are kept.
        batch_size: The most windows in one forward pass, and the photos loaded together; `auto` for what suits them
            and the device, see `maskfold.prediction.batch_size`.
        num_workers: Loading processes; None is one per core beside a GPU, none otherwise.
        load_timeout: Seconds after which a batch that does not come from them is an error; 0 waits for ever.
        writers: Writing threads; None for `maskfold.prediction.writing.default_writers`.
        precision: Lightning's name, or `auto` as in training.
        accelerator: Lightning's name.
        devices: How many, or `auto`; under torchrun, as many as it has started.
        channels_last: Lay images out as convolutions on GPUs like them.
        compile: Compile the networks with `torch.compile`: True, or the name of one of its modes.

    Raises:
        MaskfoldError: If a photo cannot be read, a map cannot be written or a loading process is lost; maps written
            before are kept.
        KeyboardInterrupt: If the user stops it.
    """
    keep_freed_memory()
    wanted = set(store.missing(table["image_id"]))
    if not wanted:
        return
    large = are_large(table)
    for branch in branches:
        refuse_whole(table[large], branch.geometry)
    pixels = largest_window(table, [branch.geometry for branch in branches])
    begun = len(wanted) < len(table)
    batch_size = settle_batch_size(batch_size, pixels, folder=Path(store.folder), begun=begun, accelerator=accelerator)
    layout = {"batch_size": batch_size, "channels_last": channels_last, "compile_networks": compile}
    on = {"folder": Path(store.folder), "precision": precision, "accelerator": accelerator, "devices": devices}
    predict_large(
        branches,
        table[large & table["image_id"].isin(wanted)],
        store=store,
        make_trainer=partial(prediction_trainer, **on),
        **layout,
    )
    table = table[~large]
    batches = [range(len(table))[start : start + batch_size] for start in range(0, len(table), batch_size)]
    # pyrefly: ignore[bad-index]
    todo = [batch for batch in batches if not wanted.isdisjoint(table["image_id"].iloc[batch])]
    if not todo:
        return
    photos = Batches(BranchedPhotos(table, branches), todo)
    with Writers(writers) as queue:
        predictor = Predictor(branches, store=store, wanted=wanted, writers=queue, **layout)
        run_prediction(predictor, photos, num_workers=num_workers, load_timeout=load_timeout, **on)


def run_prediction(
    predictor: lightning.LightningModule,
    batches: Dataset,
    *,
    num_workers: int | None,
    load_timeout: float = 0,
    **on: Any,
) -> None:
    """Show every batch to what predicts and keeps it, with a bar of them.

    Args:
        predictor: Whose `predict_step` writes what comes out.
        batches: A batch an item.
        num_workers: As for `predict_together`.
        load_timeout: Likewise.
        on: See `prediction_trainer`.

    Raises:
        MaskfoldError: What loading and the predictor raise; or if a loading process is lost.
        KeyboardInterrupt: If the user stops it.
    """
    workers = default_workers() if num_workers is None else num_workers
    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        timeout=load_timeout if workers else 0,
        worker_init_fn=one_thread,
        pin_memory=torch.cuda.is_available(),
    )
    trainer = prediction_trainer(callbacks=[PredictionBar()], **on)
    with interruptible():
        trainer.predict(predictor, loader, return_predictions=False)


def prediction_trainer(
    *, folder: Path, precision: str, accelerator: str, devices: int | str, callbacks: Sequence[lightning.Callback] = ()
) -> lightning.Trainer:
    """Return what predictions run on.

    Args:
        folder: Where they go.
        precision: As for `predict_together`, as the next two.
        accelerator: Likewise.
        devices: Likewise.
        callbacks: Lightning's.
    """
    devices, machines = devices_and_machines(devices, 1)
    return make_trainer(
        default_root_dir=folder,
        precision=choose_precision(precision, accelerator),
        accelerator=accelerator,
        devices=devices,
        num_nodes=machines,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        callbacks=[*callbacks],
    )
