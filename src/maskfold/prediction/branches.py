"""Which networks look at a photo, and through which geometry: one network, or a whole ensemble at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from maskfold.data.geometry import Geometry
from maskfold.data.loading import read_image
from maskfold.data.preprocessing import Preprocess
from maskfold.models.network import Network


@dataclass(frozen=True)
class Voter:
    """A network with its share of the mean.

    Attributes:
        network: Photos in, logits out.
        tta: A name of `maskfold.prediction.tta.VIEWS`.
        weight: Its share; those of all voters of all branches add up to 1.
    """

    network: Network
    tta: str
    weight: float = 1.0


@dataclass(frozen=True)
class Branch:
    """Networks that are shown a photo in the same way.

    Attributes:
        geometry: The way to the networks and back, as in training.
        preprocess: As in training.
        voters: The networks.
    """

    geometry: Geometry
    preprocess: Preprocess | None
    voters: Sequence[Voter]


class BranchedPhotos(Dataset):
    """Photos for prediction, each read once and cut into the windows of every branch."""

    def __init__(self, table: pd.DataFrame, branches: Sequence[Branch]) -> None:
        self.ids = table["image_id"].tolist()
        self.images = table["image"].tolist()
        self.ways = [(branch.geometry, branch.preprocess) for branch in branches]  # the networks stay in their process

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `image_id`; `windows`, for each branch `(K, 3, h, w) uint8`; and `placements`, for each the way back.

        Raises:
            MaskfoldError: If the photo cannot be read, or does not fit a geometry.
        """
        image = read_image(self.images[index])
        windows, placements = [], []
        for geometry, preprocess in self.ways:
            shown, placement = geometry.forward(image if preprocess is None else preprocess(image))
            windows.append(torch.from_numpy(np.ascontiguousarray(shown.transpose(0, 3, 1, 2))))
            placements.append(placement)
        return {"image_id": self.ids[index], "windows": windows, "placements": placements}
