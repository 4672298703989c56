"""The parts of a recognition: what `conf/task/recognition.yaml` builds."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import nn

from maskfold.data.class_table import ClassTable
from maskfold.data.loading import read_image
from maskfold.data.table import CLASS_INDEX, LABEL
from maskfold.engine.objective import Objective
from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.prediction.members import load_network
from maskfold.prediction.tta import check_tta
from maskfold.recognition.dataset import ClassDataset
from maskfold.recognition.distillation import DistilledObjective
from maskfold.recognition.framing import Framing
from maskfold.recognition.objective import ClassObjective
from maskfold.runs.run_folder import run_of_checkpoint

_SAMPLES = 8  # photos that trackers are shown


class RecognitionParts:
    """Photos with labels; see `maskfold.engine.parts.TaskParts`.

    Args:
        framing: What is shown of a photo.
        smoothing: See `ClassObjective`, as the next three.
        adjust: Likewise.
        mixup: Likewise.
        cutmix: Likewise.
        tta: Test-time augmentation.
        teacher: The checkpoint of a recogniser to learn from beside the labels; None for none.
        distill_weight: See `DistilledObjective`, as the next one.
        distill_temperature: Likewise.
        classes: The data's classes; None where a source says none.

    Raises:
        MaskfoldError: If the data has masks instead of labels, or there is no such test-time augmentation.
    """

    def __init__(
        self,
        *,
        framing: Framing,
        smoothing: float = 0.0,
        adjust: float = 0.0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        tta: str = "none",
        teacher: Path | None = None,
        distill_weight: float = 0.5,
        distill_temperature: float = 2.0,
        classes: ClassTable | None = None,
    ) -> None:
        if not isinstance(classes, ClassTable):
            raise MaskfoldError(
                "task=recognition learns labels, and this data has none: choose data=label_table, data=class_folders "
                "or another with labels."
            )
        self.framing = framing
        self.classes = classes
        self.options = {"smoothing": smoothing, "adjust": adjust, "mixup": mixup, "cutmix": cutmix}
        self.tta = check_tta(tta)
        self.teacher = teacher
        self.distill = {"weight": distill_weight, "temperature": distill_temperature}

    def network(self, model: nn.Module, **settings: Any) -> Network:
        """See `TaskParts`.

        Raises:
            MaskfoldError: If it is no classifier.
        """
        if not hasattr(model, "embed"):
            raise MaskfoldError(
                f"model: {type(model).__name__} answers with a mask. A recognition takes model=classifier, with any "
                "network of timm as model.architecture."
            )
        return Network(model, **settings)

    def objective(self, rows: pd.DataFrame | None = None, *, seed: int = 0) -> Objective:
        """See `TaskParts`; by the seed photos are mixed.

        Raises:
            MaskfoldError: If the teacher's checkpoint is missing or damaged.
        """
        counts = None if rows is None else np.bincount(rows[CLASS_INDEX], minlength=len(self.classes)).tolist()
        labels = ClassObjective(len(self.classes), counts=counts, seed=seed, **self.options)
        if self.teacher is None or rows is None:
            return labels
        size = run_of_checkpoint(self.teacher).read_config()["framing"]["size"]
        return DistilledObjective(labels, teacher=load_network(self.teacher), size=size, **self.distill)

    def training_set(self, rows: pd.DataFrame, *, seed: int) -> ClassDataset:
        """See `TaskParts`."""
        return ClassDataset(rows, framing=self.framing, seed=seed, training=True)

    def validation_set(self, rows: pd.DataFrame, *, seed: int) -> ClassDataset:
        """See `TaskParts`."""
        return ClassDataset(rows, framing=self.framing, seed=seed)

    def draw_samples(
        self, checkpoint: Path, rows: pd.DataFrame, *, batch_size: int, precision: str, accelerator: str
    ) -> dict[str, np.ndarray]:
        """See `TaskParts`; each photo with what it was taken for, and in brackets what it is where that is wrong."""
        some = rows.iloc[:: max(1, len(rows) // _SAMPLES)][:_SAMPLES]
        network = load_network(checkpoint).eval()
        photos = [self.framing.shown(read_image(path)) for path in some["image"]]
        with torch.inference_mode():
            answers = network(torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2)).argmax(1).tolist()
        labels = self.classes.labels
        return {
            row.image_id: _captioned(photo, labels[answer], getattr(row, LABEL))
            for row, photo, answer in zip(some.itertuples(index=False), photos, answers, strict=True)
        }


def _captioned(photo: np.ndarray, answer: str, label: str) -> np.ndarray:
    """Return a photo with a line below it, green where the answer is right."""
    right = answer == label
    line = np.full((20, photo.shape[1], 3), (40, 110, 60) if right else (160, 50, 40), np.uint8)
    text = answer if right else f"{answer} ({label})"
    text = text.encode("ascii", "replace").decode()  # OpenCV's letters are no others
    cv2.putText(line, text, (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([photo, line])
