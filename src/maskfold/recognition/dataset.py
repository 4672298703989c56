"""Labelled photos as a classifier eats them."""

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from maskfold.data.loading import read_image
from maskfold.data.table import CLASS_INDEX, WEIGHT
from maskfold.engine.tensors import to_tensor
from maskfold.recognition.framing import Framing


class ClassDataset(Dataset):
    """Photos and the numbers of their classes.

    An item is asked for by `(epoch, index)`, or where an epoch has it once more by `(epoch, index, n)`, and everything
    random about it follows from these and the seed.

    Args:
        table: Rows of the image table with `class_index`; `weight`, where there is such a column, says how much each
            counts in the loss.
        framing: What is shown of a photo.
        seed: The run's seed.
        training: Whether random parts are shown, or the middle.
    """

    def __init__(self, table: pd.DataFrame, *, framing: Framing, seed: int = 0, training: bool = False) -> None:
        self.images = table["image"].tolist()
        self.targets = table[CLASS_INDEX].tolist()
        self.weights = table[WEIGHT].tolist() if WEIGHT in table else [1.0] * len(table)
        self.framing = framing
        self.seed = seed
        self.training = training

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Return `image (3, size, size) uint8`, `target () int64` and `weight () float32`.

        Raises:
            MaskfoldError: If the photo cannot be read.
        """
        index = key[1]
        image = read_image(self.images[index])
        if self.training:
            image = self.framing.training(image, np.random.default_rng((self.seed, *key)))
        else:
            image = self.framing.shown(image)
        return {
            "image": to_tensor(image),
            "target": torch.tensor(self.targets[index]),
            "weight": torch.tensor(self.weights[index], dtype=torch.float32),
        }
