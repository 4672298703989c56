"""quality.json: written, read, and what it makes of measures."""

import json
import subprocess
import sys

import numpy as np
import pytest

from maskfold.errors import MaskfoldError
from maskfold.quality.measures import measure
from maskfold.quality.model import QUALITY, QualityModel
from maskfold.quality.predictor import fit_ranks

MEASURED = {"soft_dice": np.array([0.0, 1.0]), "pairwise_dice": np.array([0.0, 1.0])}


def model(weights=None, **changes):
    """Return a model whose score of a soft Dice of 0, 0.5 and 1 is 0.25, 0.5 and 0.75, and whose IoU is the score."""
    predictor = fit_ranks("soft_dice", MEASURED, weights or {"soft_dice": 1.0})
    given = {"ensemble": "e", "predictor": predictor, "calibration": ((0.0, 1.0), (0.0, 1.0)), "threshold": 0.6}
    return QualityModel(**given | {"reject_below": 0.3} | changes)


@pytest.mark.parametrize(
    ("soft_dice", "area", "route", "reason"),
    [
        (1.0, 0.1, "ship", "score 0.7500 at or above 0.6000"),
        (0.5, 0.1, "review", "score 0.5000 below 0.6000"),
        (0.0, 0.1, "reject", "estimated IoU 0.250 below 0.3"),
        (1.0, 0.0, "reject", "no object"),
        (np.nan, 0.1, "review", "not known: soft_dice"),
    ],
)
def test_a_mask_goes_where_its_score_says(soft_dice, area, route, reason):
    assessment = model().assess({"soft_dice": soft_dice, "area": area})

    assert (assessment.route, assessment.reason) == (route, reason)


def test_nothing_ships_where_nothing_can_be_promised():
    assessment = model(threshold=None).assess({"soft_dice": 1.0, "area": 0.5})

    assert (assessment.score, assessment.iou, assessment.route) == (0.75, 0.75, "review")
    assert assessment.reason == "no threshold holds what was asked for"


def test_it_says_what_it_wants_to_see():
    both = model({"soft_dice": 0.5, "pairwise_dice": 0.5})

    assert (model().wants_members, both.wants_members, both.wants_mirrored) == (False, True, False)
    maps = np.full((2, 4, 4), 255, np.uint8)
    # Sure of everything and of one mind: both measures 1, both ranks 3/4.
    assert both.assess(measure(maps[0], members=maps)).score == 0.75
    with pytest.raises(MaskfoldError, match="without area, pairwise_dice"):
        both.assess({"soft_dice": 1.0})


def test_what_is_written_is_read(tmp_path):
    written = model(promise={"granted": True}, reference={"photos": 3}, masker="0" * 16, made_of=[{"name": "a"}])
    written.write(tmp_path / QUALITY)

    assert QualityModel.read(tmp_path / QUALITY) == written


def spoilt():
    """Return ways to spoil a file's content, each with what the message says."""
    return [
        (lambda content: content.update(version=2), "version 2, and this program reads 1"),
        (lambda content: content.pop("predictor"), "lacks 'predictor'"),
        (lambda content: content.update(threshold="high"), "'high' is no number"),
        (lambda content: content.update(threshold=True), "True is no number"),
        (lambda content: content.update(threshold=10**400), "too large"),
        (lambda content: content.update(cut=0), "cut is 0"),
        (lambda content: content.update(reject_below=float("nan")), "nan is no number"),
        (lambda content: content.update(calibration={"scores": [1, 0], "ious": [0, 1]}), "do not rise"),
        (lambda content: content.update(calibration={"scores": [0, 1], "ious": [0]}), "do not belong together"),
        (lambda content: content["predictor"]["terms"][0].update(measure="__class__"), "'__class__' is not known"),
        (lambda content: content["predictor"].update(terms=[]), "no list of 1"),
        (lambda content: content["predictor"]["terms"][0].update(values=None), "no list of 1"),
        (lambda content: content.update(predictor=[]), "no such model"),
        (lambda content: content["predictor"]["terms"][0].update(values=[0.0] * 20_000), "no list of 1 to 10,000"),
    ]


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(("spoil", "message"), spoilt())
def test_a_spoilt_file_is_refused_by_name(tmp_path, spoil, message):
    model().write(tmp_path / QUALITY)
    content = json.loads((tmp_path / QUALITY).read_text())
    spoil(content)
    (tmp_path / QUALITY).write_text(json.dumps(content))

    with pytest.raises(MaskfoldError, match=rf"quality.json: .*{message}"):
        QualityModel.read(tmp_path / QUALITY)


@pytest.mark.slow  # a process of its own
def test_a_model_is_read_and_asked_without_pandas_or_opencv(tmp_path):
    model().write(tmp_path / QUALITY)
    code = (
        "import sys; from maskfold.quality.model import QualityModel\n"
        f"QualityModel.read({str(tmp_path / QUALITY)!r}).assess({{'soft_dice': 1.0, 'area': 0.5}})\n"
        "print(sorted({'pandas', 'cv2', 'torch', 'sklearn'} & {*sys.modules}))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
