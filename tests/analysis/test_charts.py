"""Charts: whole drawings, the same each time, with names as they are."""

from xml.etree import ElementTree

import cv2
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from maskfold.analysis.charts import (
    as_png,
    as_svg,
    box_chart,
    dice_histogram,
    doubt_scatter,
    interval_chart,
    risk_chart,
)

NAME = "a_$b$ <c> & d"


def charts() -> list[Figure]:
    rng = np.random.default_rng(0)
    dice = pd.Series(np.r_[rng.uniform(0.5, 1, 50), 0.0, 1.0])
    scores = pd.DataFrame({"dice": dice, "unconfidence": np.r_[rng.uniform(0, 2, 50), 0, np.inf]})
    table = pd.DataFrame({"name": [NAME, "b"], "pooled": [0.9, 0.8], "low": [0.85, 0.7], "high": [0.95, 0.9]})
    curve = pd.DataFrame({"coverage": [0.5, 1.0], "risk": [0.1, 0.2]})
    return [
        interval_chart(table),
        dice_histogram({NAME: dice, "b": dice}),
        doubt_scatter(scores, marked=pd.Series(scores.index < 2), label=NAME, title=NAME),
        risk_chart(curve, curve),
        box_chart([(NAME, dice.to_numpy()), ("b", np.ones(1))], title=NAME),
    ]


@pytest.fixture(scope="module")
def drawn() -> list[str]:
    return [as_svg(chart) for chart in charts()]


def test_every_chart_is_a_drawing_that_names_what_it_shows(drawn):
    for number, svg in enumerate(drawn):
        root = ElementTree.fromstring(svg)
        texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert number == 3 or any(NAME in text for text in texts)
        assert not any("mathdefault" in text for text in texts)


def test_the_same_numbers_give_the_same_bytes(drawn):
    assert [as_svg(chart) for chart in charts()] == drawn


def test_a_chart_is_a_picture_too():
    pictures = [as_png(chart, dpi=50) for chart in charts()]

    assert pictures == [as_png(chart, dpi=50) for chart in charts()]
    assert cv2.imdecode(np.frombuffer(pictures[1], np.uint8), cv2.IMREAD_COLOR).shape == (160, 280, 3)


def test_equal_scores_can_be_drawn():
    perfect = pd.Series([1.0, 1.0])

    assert "<svg" in as_svg(dice_histogram({"a": perfect}))
