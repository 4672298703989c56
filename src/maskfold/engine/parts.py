"""What a kind of task brings to training, besides the network: the option of the config group `task`."""

import inspect
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from hydra.utils import get_object
from torch import nn
from torch.utils.data import Dataset

from maskfold.engine.objective import Objective


class TaskParts(Protocol):
    """Objective, data sets and samples of a task; `rows` are rows of the image table.

    A task to which the data matters beyond its rows has `of_data(source) -> dict` besides, which is called first of
    all: it takes what it needs of a `maskfold.data.sources.Source`, and returns what models are told besides their
    configuration, such as `{"classes": 4}`.
    """

    def network(self, model: nn.Module) -> nn.Module:
        """Return the network around a model: images as they are loaded in, the model's output out.

        Raises:
            MaskfoldError: If the model does not accept what the data sets give.
        """

    def objective(self) -> Objective:
        """Return what is learned and measured."""

    def training_set(self, rows: pd.DataFrame, *, seed: int) -> Dataset:
        """Return the samples to learn from, asked for by `(epoch, index)` and random by these and the seed alone."""

    def validation_set(self, rows: pd.DataFrame, *, seed: int) -> Dataset:
        """Return the samples to measure, asked for likewise."""

    def draw_samples(
        self, checkpoint: Path, rows: pd.DataFrame, *, batch_size: int, precision: str, accelerator: str
    ) -> dict[str, np.ndarray]:
        """Draw what the weights of a checkpoint make of a few rows: `image_id -> (H, W, 3) uint8` RGB.

        Raises:
            MaskfoldError: If that cannot be done; training goes on without pictures.
        """


def with_arguments(model: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return how a model is built with what the data tells it, as far as it takes such arguments and says none itself.

    Args:
        model: Plain, with `_target_`.
        arguments: By name, such as `classes`.
    """
    try:
        taken = inspect.signature(get_object(model["_target_"])).parameters if arguments else {}
    except (ImportError, ValueError, TypeError):  # whoever builds it says what is wrong
        return model
    return model | {name: value for name, value in arguments.items() if name in taken and name not in model}
