"""Charts of errors: what they name, and colours at known places."""

from xml.etree import ElementTree

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.analysis.charts import as_png, as_svg
from maskfold.analysis.error_charts import distance_chart, matrix_chart, object_chart
from maskfold.analysis.location import GRID, REACH, distance_table
from maskfold.masks import pictures


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_bands_are_named_from_inside_to_outside():
    table = distance_table(np.ones((2, 2, REACH), np.int64))

    found = texts(as_svg(distance_chart(table)))

    assert [text for text in found if text in set(table["distance"])] == table["distance"].tolist()
    assert {"missed", "too much"} <= set(found)


def test_a_matrix_has_its_names_and_numbers():
    names = ["$a_b$", "c & d"]
    matrix = pd.DataFrame([[1.0, 0.25], [0.25, np.nan]], index=names, columns=names)

    found = texts(as_svg(matrix_chart(matrix, title="what")))

    assert {"$a_b$  1", "c & d  2", "0.25", "1.00", "nan", "what"} <= set(found)


@pytest.mark.parametrize("views", [[""], ["01"], [f"{view:02d}" for view in range(1, 6)]])
def test_every_view_has_its_picture(views):
    layers = np.zeros((3, *GRID))
    layers[0, 10:30, 10:50] = 1

    found = texts(as_svg(object_chart(dict.fromkeys(views, layers))))

    assert [text for text in found if text.startswith("view")] == [f"view {view}" for view in views if view]


def test_missed_is_blue_and_too_much_is_orange():
    layers = np.zeros((3, *GRID))
    layers[0, 12:36, 18:54] = 1
    layers[1, 14:34, 20:34] = 0.5  # strongest, so in full colour
    layers[2, 38:48, 20:50] = 0.5

    png = as_png(object_chart({"": layers}))

    drawn = cv2.cvtColor(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    off = [np.abs(drawn.astype(int) - colour).max(axis=2) for colour in (pictures.BLUE, pictures.ORANGE)]
    shares = [(distance <= 2).mean() for distance in off]
    assert shares[0] == pytest.approx(280 / 3456, rel=0.25)  # of the picture, which does not fill the figure
    assert shares[1] == pytest.approx(300 / 3456, rel=0.25)


def test_a_perfect_ensemble_can_be_drawn():
    layers = np.zeros((3, *GRID))
    layers[0] = 1

    assert "wrong in 0 %" in as_svg(object_chart({"": layers}))
