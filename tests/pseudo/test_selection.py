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
    ("quantile", "empty", "expected"),  # nothing is certain in d
    [
        (0.5, False, ["c", "e"]),  # one and a half, rounded up, of c, e, a
        (0.5, True, ["b", "c"]),  # two of b, c, e, a
        (1.0, False, ["c", "e", "a"]),
        (0.01, False, ["c"]),
    ],
)
def test_the_surest_are_taken(quantile, empty, expected):
    assert confident(SCORES, quantile=quantile, empty=empty)["image_id"].tolist() == expected


@pytest.mark.parametrize("quantile", [0.0, -0.1, 1.5])
def test_a_share_outside_its_range_is_refused(quantile):
    with pytest.raises(MaskfoldError, match="quantile="):
        confident(SCORES, quantile=quantile, empty=False)


@pytest.mark.parametrize("image_id", ["b", "d"])
def test_nothing_sure_anywhere_is_refused(image_id):
    with pytest.raises(MaskfoldError, match="In none of 1 photos"):
        confident(SCORES[SCORES["image_id"] == image_id], quantile=0.5, empty=False)
