"""What is behind an object: colours as people write them, and pictures."""

import cv2
import numpy as np
import pytest

from maskfold.cutout.frames import open_backdrop
from maskfold.errors import MaskfoldError


@pytest.mark.parametrize(
    ("text", "colour"),
    [("white", (255, 255, 255)), ("#f4f4f4", (244, 244, 244)), ("f4f4f4", (244, 244, 244)), ("Navy", (0, 0, 128))],
)
def test_colours_are_given_by_name_or_by_digits(text, colour):
    assert open_backdrop(text).colour == colour


def test_a_picture_is_another_backdrop_when_its_bytes_change(tmp_path):
    path = tmp_path / "wood.png"
    cv2.imwrite(str(path), np.full((4, 5, 3), 7, np.uint8))
    first = open_backdrop(f"{path}")
    cv2.imwrite(str(path), np.full((4, 5, 3), 8, np.uint8))

    assert first.picture.shape == (4, 5, 3)
    assert open_backdrop(f"{path}").identity != first.identity


def test_what_is_neither_is_refused():
    with pytest.raises(MaskfoldError, match="backdrop=whyte: neither a colour, such as white or f4f4f4, nor a picture"):
        open_backdrop("whyte")
