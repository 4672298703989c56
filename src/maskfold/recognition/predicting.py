"""Predict photos of products into a store of answers, part by part, on whatever Lightning's Trainer runs on."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from maskfold.data.loading import read_image
from maskfold.engine.tensors import to_tensor
from maskfold.errors import MaskfoldError
from maskfold.memory import keep_freed_memory
from maskfold.models.network import Network
from maskfold.prediction.batch_size import settle_batch_size
from maskfold.prediction.predictor import run_prediction
from maskfold.prediction.tta import VIEWS
from maskfold.prediction.writing import Writers
from maskfold.recognition.answers import KEPT, PART, Answers, AnswerStore
from maskfold.recognition.framing import Framing


class Parts(Dataset):
    """Photos in parts that are always the same ones, whatever was predicted before.

    Args:
        table: Rows of the image table.
        framing: What is shown of a photo.
        numbers: The parts that are asked for, each of `PART` rows.
    """

    def __init__(self, table: pd.DataFrame, framing: Framing, numbers: Sequence[int]) -> None:
        self.image_ids, self.images = table["image_id"].tolist(), table["image"].tolist()
        self.framing, self.numbers = framing, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return a part: its `number`, `image_ids` and `images (N, 3, S, S) uint8`.

        Raises:
            MaskfoldError: If a photo cannot be read.
        """
        rows = slice(self.numbers[index] * PART, (self.numbers[index] + 1) * PART)
        images = [to_tensor(self.framing.shown(read_image(path))) for path in self.images[rows]]
        return {"number": self.numbers[index], "image_ids": self.image_ids[rows], "images": torch.stack(images)}


class AnswerPredictor(lightning.LightningModule):
    """Shows parts to a network and writes what it answers, a file each.

    Args:
        network: A classifier.
        active: `(C,) bool`: which classes may be answered.
        store: Where the answers go.
        writers: Who writes them, while the device is at the next part.
        tta: A name of `VIEWS`: logits and embeddings are the mean over the views.
        batch_size: The most photos in one forward pass.
        kept: Logits of a photo that are kept, at most.
        channels_last: Lay images out as convolutions on GPUs like them.
        compile_network: Compile the network with `torch.compile`: True, or the name of one of its modes.
    """

    def __init__(
        self,
        network: Network,
        *,
        active: np.ndarray,
        store: AnswerStore,
        writers: Writers,
        tta: str,
        batch_size: int,
        kept: int = KEPT,
        channels_last: bool = False,
        compile_network: bool | str = False,
    ) -> None:
        super().__init__()
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.layout)
        self.retired, self.store, self.views = ~active, store, VIEWS[tta]
        self.batch_size, self.kept, self.writers = batch_size, kept, writers
        self.answer = network.answer
        if compile_network:
            mode = compile_network if isinstance(compile_network, str) else None
            self.answer = torch.compile(network.answer, mode=mode)

    def transfer_batch_to_device(
        self, batch: dict[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        """Move the photos; the rest of a part stays where it is."""
        return batch | {"images": batch["images"].to(device, non_blocking=True)}

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Answer a part, and have it written.

        Raises:
            MaskfoldError: If an earlier one could not be written, or the network answers with something that is no
                number.
        """
        shares = [self._answer(images) for images in batch["images"].split(self.batch_size)]
        logits, embeddings = (torch.cat(parts).numpy() for parts in zip(*shares, strict=True))
        _refuse_no_numbers(batch["image_ids"], logits, embeddings)
        if logits.shape[1] != len(self.retired):
            raise MaskfoldError(
                f"The network answers for {logits.shape[1]} classes, and its run folder names {len(self.retired)}. "
                "Put the run folder's own classes.parquet back."
            )
        logits[:, self.retired] = -np.inf
        answers = Answers.of(batch["image_ids"], logits, embeddings, kept=self.kept)
        write = partial(self.store.write, answers, number=batch["number"])
        self.writers.submit(write, size=logits.nbytes + embeddings.nbytes)

    def _answer(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images = images.contiguous(memory_format=self.layout)
        answers = [self.answer(view.to(images, self.network.stride)) for view in self.views]
        logits, embeddings = (torch.stack([part.float() for part in parts]) for parts in zip(*answers, strict=True))
        return logits.mean(0).cpu(), embeddings.mean(0).cpu()


def _refuse_no_numbers(image_ids: Sequence[str], logits: np.ndarray, embeddings: np.ndarray) -> None:
    wrong = ~(np.isfinite(logits).all(axis=1) & np.isfinite(embeddings).all(axis=1))
    if wrong.any():
        raise MaskfoldError(
            f"{image_ids[int(wrong.argmax())]}: the network's answer is not a number. Its training diverged (train "
            "again with a smaller rate or trainer.gradient_clip), or the precision is too low "
            "(trainer.precision=32-true)."
        )


def predict_answers(
    network: Network,
    table: pd.DataFrame,
    *,
    framing: Framing,
    active: np.ndarray,
    store: AnswerStore,
    tta: str,
    batch_size: int | str,
    writers: int | None = None,
    channels_last: bool = False,
    compile: bool | str = False,
    **options: Any,
) -> None:
    """Answer every photo of `table` that has no answer in `store` yet; in one go or in many, the files are the same.

    Args:
        network: A classifier.
        table: Rows of the image table.
        framing: What is shown of a photo, as in validation.
        active: See `AnswerPredictor`.
        store: Where the answers go.
        tta: See `AnswerPredictor`, as the next two.
        batch_size: Likewise; or `auto`, see `maskfold.prediction.batch_size`.
        writers: Writing threads; None for `maskfold.prediction.writing.default_writers`.
        channels_last: See `AnswerPredictor`.
        compile: As `compile_network`.
        options: `num_workers`, `load_timeout`, `precision`, `accelerator` and `devices` of `run_prediction`.

    Raises:
        MaskfoldError: If a photo cannot be read, answers cannot be written, or a loading process is lost; the parts
            that were written before are kept.
        KeyboardInterrupt: If the user stops it.
    """
    keep_freed_memory()
    wanted = {*store.missing(table["image_id"])}
    ids = table["image_id"].tolist()
    numbers = [
        number
        for number, first in enumerate(range(0, len(ids), PART))
        if not wanted.isdisjoint(ids[first : first + PART])
    ]
    if numbers:
        begun, on = len(wanted) < len(ids), options["accelerator"]
        batch_size = settle_batch_size(batch_size, framing.size**2, folder=store.folder, begun=begun, accelerator=on)
        how = {"tta": tta, "batch_size": batch_size, "channels_last": channels_last, "compile_network": compile}
        with Writers(writers) as queue:
            predictor = AnswerPredictor(network, active=active, store=store, writers=queue, **how)
            run_prediction(predictor, Parts(table, framing, numbers), folder=store.folder, **options)
