"""A run folder that has been begun, for trackers to be told of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskfold.files import locked
from maskfold.runs.run_folder import RunFolder
from maskfold.tracking.run import Run


@pytest.fixture
def begun(tmp_path) -> Callable[..., Run]:
    """Begin fold 2 of the member `m`, or go on with it."""

    def begin(*, overwrite: bool = False, name: str = "m") -> Run:
        folder = RunFolder(tmp_path / "experiments/m/fold2")
        with locked(folder.path, anew=overwrite):
            pass
        config = {"name": name, "fold": 2, "seed": 3, "optimizer": {"lr": 0.1}}
        config |= {"task": {"_target_": "colours.Colours"}, "freeze": []}
        folder.begin(config, identity={"data": "d4", "folds": "f5"})
        folder.metrics.write_text("epoch\n0\n")  # without it, nothing was trained and the run begins anew
        return Run(folder)

    return begin


@pytest.fixture
def picture() -> np.ndarray:
    """A picture of 4x6, red on the left and blue on the right."""
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:, :3, 0] = 255
    picture[:, 3:, 2] = 255
    return picture


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A file in a checkpoint's place."""
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def row() -> dict[str, float]:
    """A row of `metrics.csv`."""
    return {"epoch": 0, "rate": 0.1, "train/loss": 0.75, "val/dice": 0.5, "val/iou": 0.25}
