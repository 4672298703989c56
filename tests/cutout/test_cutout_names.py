"""No two photos share a cut-out."""

import pytest

from maskfold.cutout.names import cutout_names
from maskfold.errors import MaskfoldError


def test_each_photo_has_a_cut_out_of_its_own():
    photos = ["a/1.jpg", "a/1.png", "b/1.png", "1.jpg", "1.jpg.png"]

    names = cutout_names(photos, ".png")

    assert names["a/1.jpg"] == "a/1.jpg.png"
    assert len({*names.values()}) == len(photos)


def test_short_names_are_refused_where_two_photos_would_share_one():
    assert cutout_names(["a/1.jpg", "b/1.png"], ".webp", True) == {"a/1.jpg": "a/1.webp", "b/1.png": "b/1.webp"}
    with pytest.raises(MaskfoldError, match=r"(?s)'a/1.jpg' and 'a/1.png': 'a/1.webp'.*leave out replace_suffix"):
        cutout_names(["a/1.jpg", "a/1.png"], ".webp", True)
    with pytest.raises(MaskfoldError, match=r"'A\.jpg' and 'a\.jpg'"):
        cutout_names(["A.jpg", "a.jpg"], ".png", True)
