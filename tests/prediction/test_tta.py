"""Test-time augmentation against sums worked out by hand."""

import pytest
import torch

from maskfold.errors import MaskfoldError
from maskfold.prediction.tta import VIEWS, check_tta, predict_probability


def left_of(images: torch.Tensor) -> torch.Tensor:
    """Answer with logits that are the value of the pixel's left neighbour, 0 at the border; not mirror-symmetric."""
    values = images[:, :1].float()
    return torch.nn.functional.pad(values, (1, 0))[..., :-1]


def sigmoid(value: float) -> float:
    return 1 / (1 + 2.718281828459045**-value)


IMAGES = torch.tensor([[[[1, 2, 3]], [[9, 9, 9]], [[9, 9, 9]]]], dtype=torch.uint8)  # (1, 3, 1, 3)


def test_without_it_the_answer_is_the_networks():
    probability = predict_probability(left_of, IMAGES, "none")

    assert probability.shape == (1, 1, 1, 3)
    assert probability.dtype == torch.float32
    assert probability[0, 0, 0].tolist() == pytest.approx([sigmoid(0), sigmoid(1), sigmoid(2)])


def test_hflip_averages_the_probabilities_of_photo_and_mirror_image():
    # The mirrored row is 3 2 1; shifted, 0 3 2; mirrored back, 2 3 0: the right neighbour of each pixel.
    expected = [(sigmoid(0) + sigmoid(2)) / 2, (sigmoid(1) + sigmoid(3)) / 2, (sigmoid(2) + sigmoid(0)) / 2]

    assert predict_probability(left_of, IMAGES, "hflip")[0, 0, 0].tolist() == pytest.approx(expected)


def test_mirror_is_the_other_half_of_hflip():
    expected = [sigmoid(2), sigmoid(3), sigmoid(0)]

    assert predict_probability(left_of, IMAGES, "mirror")[0, 0, 0].tolist() == pytest.approx(expected)


def test_hflip_of_a_mirrored_photo_is_the_mirrored_answer():
    images = torch.randint(0, 5, (2, 3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(
        predict_probability(left_of, images.flip(-1), "hflip"), predict_probability(left_of, images, "hflip").flip(-1)
    )


def test_every_class_has_its_plane():
    probability = predict_probability(lambda images: torch.cat([left_of(images), -left_of(images)], 1), IMAGES, "hflip")

    torch.testing.assert_close(probability[:, :1], predict_probability(left_of, IMAGES, "hflip"))
    torch.testing.assert_close(probability[:, 1], 1 - probability[:, 0])


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_is_its_own_inverse(name):
    for view in VIEWS[name]:
        assert torch.equal(view(view(IMAGES)), IMAGES)


def test_half_precision_logits_give_float32():
    assert predict_probability(lambda images: left_of(images).half(), IMAGES, "hflip").dtype == torch.float32


def test_an_unknown_name_is_refused_with_the_known_ones():
    assert check_tta("hflip") == "hflip"
    with pytest.raises(MaskfoldError, match="tta=rot90 is unknown: choose one of none, hflip"):
        check_tta("rot90")
