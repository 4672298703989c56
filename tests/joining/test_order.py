"""The order of a training table's runs: which photos and masks are read for it."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.joining import order
from maskfold.joining.evidence import Runs
from maskfold.joining.looks import Header
from maskfold.joining.order import TrainRow, drawn_masks, judge

FILE = Path("train.csv")


@pytest.mark.hostile("memory")
def test_very_large_photos_are_not_read():
    """The file is not even there."""
    rows = [TrainRow("large", "", Runs(np.array([[9, 3]]), 8_000, 8_000))]
    judged = judge(rows, {"large": Path("large.png")}, {"large": Header(8_000, 8_000, 3, 8)}, {}, file=FILE)

    assert (judged.order, judged.start) == (None, None)


@pytest.mark.hostile("memory")
def test_masks_are_kept_up_to_a_number_of_pixels(tmp_path, monkeypatch):
    files = {f"p{number}": tmp_path / f"p{number}.png" for number in range(5)}
    for path in files.values():
        cv2.imwrite(str(path), np.zeros((4, 6), np.uint8))
    rows = pd.DataFrame({"photo": [*files], "label": "", "runs": ""})
    assert len(drawn_masks(rows, files)) == 5
    monkeypatch.setattr(order, "_KEPT", 3 * 24)

    assert len(drawn_masks(rows, files)) == 3
