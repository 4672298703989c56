import math

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.pseudo.selection import confident

SCORES = pd.DataFrame(
    {
        "image_id": ["a", "b", "c", "d", "e"],
        "unconfidence": [0.3, 0.0, 0.1, math.inf, 0.2],
        "area": [0.4, 0.0, 0.4, 0.4, 0.4],
    }
)


@pytest.mark.parametrize(
    ("quantile", "empty", "expected"),
    [
        (0.5, False, ["c", "e"]),  # two of c, e, a, d
        (0.5, True, ["b", "c", "e"]),  # two and a half, rounded up, of b, c, e, a, d
        (1.0, False, ["c", "e", "a", "d"]),
        (0.01, False, ["c"]),
    ],
)
def test_the_surest_are_taken(quantile, empty, expected):
    assert confident(SCORES, quantile=quantile, empty=empty)["image_id"].tolist() == expected


@pytest.mark.parametrize("quantile", [0.0, -0.1, 1.5])
def test_a_share_outside_its_range_is_refused(quantile):
    with pytest.raises(MaskfoldError, match="quantile="):
        confident(SCORES, quantile=quantile, empty=False)


def test_nothing_found_anywhere_is_refused():
    with pytest.raises(MaskfoldError, match="In none of 1 photos"):
        confident(SCORES[SCORES["image_id"] == "b"], quantile=0.5, empty=False)
