import numpy as np
import pytest

from maskfold.errors import MaskfoldError
from maskfold.recognition.framing import Framing

PLAIN = {"scale": [1, 1], "ratio": [1, 1], "turn": 0, "brightness": 0, "contrast": 0, "saturation": 0}


class Drawn:
    """A generator that draws what it is told to."""

    def __init__(self, *values: float):
        self.values = [*values]

    def uniform(self, low, high):
        return self.values.pop(0)

    def random(self):
        return self.values.pop(0)


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_middle_is_shown_pixel_for_pixel_where_nothing_is_scaled():
    image = photo(10, 14)

    # The shorter side is 10 of 10: 8 pixels in the middle of both sides.
    assert np.array_equal(Framing(size=8, resize=10).shown(image), image[1:9, 3:11])


def test_a_larger_photo_is_shrunk_by_the_mean_of_its_pixels():
    image = photo(24, 24)
    means = image.reshape(8, 3, 8, 3, 3).mean((1, 3))

    assert np.abs(Framing(size=8, resize=8).shown(image) - means).max() <= 0.51


def test_a_quarter_turn_moves_the_corner_to_the_next_corner():
    image = np.zeros((9, 9, 3), np.uint8)
    image[0, 0] = 255
    framing = Framing(size=9, resize=9, **PLAIN | {"turn": 90})
    # The share of the area, the logarithm of the ratio, the corner, and the turn; colours as they are.
    turned = framing.training(image, Drawn(1, 0, 0, 0, 90, 1, 1, 1))

    assert np.argwhere(turned[..., 0] > 127).tolist() in ([[0, 8]], [[8, 0]])


def test_a_mirror_image_is_the_photo_from_right_to_left():
    image = photo(9, 9)
    framing = Framing(size=9, resize=9, **PLAIN, flip=True)

    assert np.array_equal(framing.training(image, Drawn(1, 0, 0, 0, 0.4, 1, 1, 1)), image[:, ::-1])
    assert np.array_equal(framing.training(image, Drawn(1, 0, 0, 0, 0.6, 1, 1, 1)), image)


def test_brightness_contrast_and_saturation_do_what_they_are_called():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0] = 100
    framing = Framing(size=2, resize=2, **PLAIN)

    bright = framing.training(image, Drawn(1, 0, 0, 0, 1.5, 1, 1))
    even = framing.training(image, Drawn(1, 0, 0, 0, 1, 0.5, 1))
    assert bright[0, 0].tolist() == [150] * 3
    assert even[:, 0, 0].tolist() == [75, 25]  # half as far from the mean, 50
    red = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    assert framing.training(red, Drawn(1, 0, 0, 0, 1, 1, 0))[0, 0].tolist() == [60] * 3  # 0.299 * 200


def test_the_same_seed_shows_the_same_bytes_and_another_shows_others():
    image, framing = photo(40, 60), Framing(size=16, resize=20)
    first, again, other = (framing.training(image, np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"size": 0}, "size=0"),
        ({"size": 300}, "resize=256"),
        ({"scale": [0.5, 2]}, "scale"),
        ({"ratio": [2, 1]}, "ratio"),
    ],
)
def test_a_number_out_of_range_is_named(keys, named):
    with pytest.raises(MaskfoldError, match=named):
        Framing(**keys)
