"""The stage that scores a submission."""

import numpy as np
import pytest
from PIL import Image

from maskfold.config import compose
from maskfold.stages.score import score
from maskfold.submission.writer import write_submission


def test_the_mean_over_the_images_is_printed(tmp_path, capsys):
    (tmp_path / "truth").mkdir()
    for name in ("a_01", "a_02"):
        Image.fromarray(np.eye(2, dtype=np.uint8) * 255).save(tmp_path / "truth" / f"{name}_mask.gif")
    write_submission(tmp_path / "submission.csv.gz", [("a_01.jpg", "", "1 1 4 1"), ("a_02.jpg", "", "1 2")])

    scores = score(compose("score", [f"submission={tmp_path}/submission.csv.gz", f"truth={tmp_path}/truth"]))

    assert scores["dice"].tolist() == [1, pytest.approx(0.5)]
    assert "Dice 0.750000, IoU 0.666667, the mean over 2 images" in capsys.readouterr().out
