"""What a kind of task brings to training, besides the network: the option of the config group `task`."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from torch import nn
from torch.utils.data import Dataset

from maskfold.engine.objective import Objective


class TaskParts(Protocol):
    """Objective, data sets and samples of a task; `rows` are rows of the image table.

    What the data says of itself (`classes`, `exclusive`, `metric` of `maskfold.data.source.Source`) a task is built
    with where it is not the usual.
    """

    def network(self, model: nn.Module, **settings: Any) -> nn.Module:
        """Return the network around a model: images as they are loaded in, the model's output out.

        `settings` follow from the data: the mean and the standard deviation of each channel, where it counts them.

        Raises:
            MaskfoldError: If the model does not accept what the data sets give.
        """

    def objective(self, rows: pd.DataFrame | None = None, *, seed: int = 0) -> Objective:
        """Return what is learned and measured.

        Args:
            rows: What is learned from; None where only its monitor is asked for.
            seed: The run's, for what is random in it.
        """

    def training_set(self, rows: pd.DataFrame, *, seed: int) -> Dataset:
        """Return the samples to learn from, asked for by `(epoch, index)` and random by these and the seed alone.

        Where rows are not all drawn alike (`balance`), a sample that an epoch has once more is asked for by
        `(epoch, index, n)`.
        """

    def validation_set(self, rows: pd.DataFrame, *, seed: int) -> Dataset:
        """Return the samples to measure, asked for likewise."""

    def draw_samples(
        self, checkpoint: Path, rows: pd.DataFrame, *, batch_size: int, precision: str, accelerator: str
    ) -> dict[str, np.ndarray]:
        """Draw what the weights of a checkpoint make of a few rows: `image_id -> (H, W, 3) uint8` RGB.

        Raises:
            MaskfoldError: If that cannot be done; training goes on without pictures.
        """
