"""The parts of a segmentation: what `conf/task/segmentation.yaml` builds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from maskfold.data.augmentation import DEVICE, Augmentation, ByEpoch, refuse_colours
from maskfold.data.drawing import Drawing, drawing
from maskfold.data.geometry import Geometry
from maskfold.data.loading import read_image
from maskfold.data.preprocessing import Preprocess
from maskfold.data.windows import are_large, open_photo
from maskfold.engine.deep_supervision import supervised
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import named
from maskfold.models.deep import chosen_layers
from maskfold.models.network import Network
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.members import load_network
from maskfold.prediction.tta import check_tta
from maskfold.segmentation.dataset import LabelledDataset
from maskfold.segmentation.losses import CrossEntropy
from maskfold.segmentation.mixing import MaskMixing
from maskfold.segmentation.objective import MaskObjective
from maskfold.segmentation.samples import predict_samples

_LOOK = 1024  # pixels of a side: enough of a photo to see its kind


class SegmentationParts:
    """Photos with masks; see `maskfold.engine.parts.TaskParts`.

    Args:
        geometry: The way to the network and back.
        preprocess: What is done to every photo.
        augment: What training does to samples; where its `device` is `device`, they only say what is to be done.
        loss: `(logits, target) -> (N,)`.
        tta: Test-time augmentation, a name of `maskfold.prediction.tta.VIEWS`.
        deep: How many of the decoder's last stages are compared with the masks as well, or the names of layers.
        mixing: The arguments of `MaskMixing` but the seed: how training mixes photos; None or zeros for not at all.
        channels: Of the photos, see `maskfold.data.loading.read_image`.
        classes: The names of several classes; none for one.
        exclusive: Whether these never overlap.
        metric: What the data is scored by, a name.

    Raises:
        MaskfoldError: If there is no such test-time augmentation or metric, the loss is for classes that never overlap,
            and these may, or it does not fit `deep`.
    """

    def __init__(
        self,
        *,
        geometry: Geometry,
        preprocess: Preprocess,
        augment: Augmentation | ByEpoch,
        loss: nn.Module,
        tta: str,
        deep: int | Sequence[str] = 0,
        mixing: Mapping[str, float] | None = None,
        channels: int | None = None,
        classes: Sequence[str] = (),
        exclusive: bool = False,
        metric: str = "dice",
    ) -> None:
        self.geometry = geometry
        self.preprocess = preprocess
        self.augment = augment
        self.deep = _checked(deep)
        outputs = 1 + (self.deep if isinstance(self.deep, int) else len(self.deep))
        self.loss = loss if outputs == 1 else supervised(loss, outputs=outputs)
        self.tta = check_tta(tta)
        self.mixing = dict(mixing or {})
        self.channels = channels
        self.classes = tuple(classes)
        self.exclusive = exclusive and bool(self.classes)
        self.metric = named(metric)
        if self.classes and not self.exclusive and any(isinstance(part, CrossEntropy) for part in self.loss.modules()):
            raise MaskfoldError(
                "loss: CrossEntropy is for classes that never overlap. If these do not, set data.exclusive=true; "
                "otherwise choose loss=bce_dice or another."
            )

    def network(self, model: nn.Module, **settings: Any) -> Network:
        """See `TaskParts`; the geometry must give sizes that the model accepts. `settings` are those of `Network`."""
        layers = chosen_layers(model, self.deep)
        network = Network(model, exclusive=self.exclusive, deep=layers, **settings)
        self.geometry.check_stride(network.stride)
        return network

    def objective(self, rows: pd.DataFrame | None = None, *, seed: int = 0) -> MaskObjective:
        """See `TaskParts`; by the seed photos are mixed."""
        mixing = MaskMixing(**self.mixing, seed=seed) if self.mixing else None
        return MaskObjective(self.loss, metric=self.metric, classes=self.classes, mixing=mixing)

    def training_set(self, rows: pd.DataFrame, *, seed: int) -> LabelledDataset:
        """See `TaskParts`; colours are changed in RGB photos of 8 bits alone."""
        if self.channels is not None and len(rows):
            read = open_photo if are_large(rows).iloc[0] else read_image
            image = read(rows["image"].iloc[0], channels=self.channels)[:_LOOK, :_LOOK]
            refuse_colours(self.augment, self.preprocess(image))
        on_device = getattr(self.augment, "device", None) == DEVICE
        return self._samples(rows, seed=seed, augment=drawing(self.augment) if on_device else self.augment)

    def validation_set(self, rows: pd.DataFrame, *, seed: int) -> LabelledDataset:
        """See `TaskParts`."""
        return self._samples(rows, seed=seed, augment=None)

    def _samples(
        self, rows: pd.DataFrame, *, seed: int, augment: Augmentation | ByEpoch | Drawing | None
    ) -> LabelledDataset:
        shown = {"geometry": self.geometry, "preprocess": self.preprocess, "channels": self.channels}
        return LabelledDataset(rows, **shown, seed=seed, augment=augment, classes=max(len(self.classes), 1))

    def draw_samples(
        self, checkpoint: Path, rows: pd.DataFrame, *, batch_size: int, precision: str, accelerator: str
    ) -> dict[str, np.ndarray]:
        """See `TaskParts`."""
        branch = Branch(self.geometry, self.preprocess, [Voter(load_network(checkpoint), self.tta)])
        how = {"batch_size": batch_size, "precision": precision, "accelerator": accelerator}
        return predict_samples(branch, rows, **how, classes=self.classes)


def _checked(deep: int | Sequence[str]) -> int | tuple[str, ...]:
    if isinstance(deep, list | tuple) and all(isinstance(name, str) for name in deep):
        return tuple(deep)
    if isinstance(deep, int) and not isinstance(deep, bool) and deep >= 0:
        return deep
    raise MaskfoldError(f"deep={deep}: give a whole number of 0 or more, or names of layers: deep=[up.1,up.0].")
