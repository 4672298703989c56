"""Test-time augmentation against sums worked out by hand."""

import pytest
import torch

from maskfold.errors import MaskfoldError
from maskfold.prediction.tta import VIEWS, check_tta, cost_of, predict_probability


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


@pytest.mark.parametrize("name", ["none", "hflip", "mirror", "d4"])
def test_a_mark_of_one_pixel_is_put_back_exactly_where_it_was(name):
    mark = torch.zeros(1, 1, 2, 3)
    mark[0, 0, 0, 1] = 1
    for view in VIEWS[name]:
        assert torch.equal(view.back(view.to(mark, 1), (2, 3)), mark)


def test_the_eight_views_show_a_mark_in_every_turn_once():
    corner = torch.tensor([[1, 2], [3, 4]]).expand(1, 1, 2, 2)
    shown = {tuple(view.to(corner, 1).flatten().tolist()) for view in VIEWS["d4"]}

    # What the corners of a square are, read by rows: as it is, turned left three times, and their mirror images.
    turned, mirrored = {(1, 2, 3, 4), (2, 4, 1, 3), (4, 3, 2, 1), (3, 1, 4, 2)}, {(2, 1, 4, 3), (1, 3, 2, 4)}
    assert shown == turned | mirrored | {(3, 4, 1, 2), (4, 2, 3, 1)}


@pytest.mark.parametrize(
    ("name", "shown", "cost"),
    [
        ("d4", [(64, 96), (96, 64)] * 4, 8),
        # Of 64 and 96: 48 and 72, of which multiples of 32 are 64 (halves up) and 64; 80 and 120 become 96 and 128.
        ("scales", [(64, 64)] * 2 + [(64, 96)] * 2 + [(96, 128)] * 2, 2 * (0.5625 + 1 + 1.5625)),
        ("d4_scales", None, 25),
    ],
)
def test_views_have_sizes_that_fit_the_stride_and_cost_their_pixels(name, shown, cost):
    sizes = []

    class Pointwise:
        stride = 32

        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            sizes.append(tuple(images.shape[-2:]))
            return images[:, :1].float() / 64

    photo = torch.full((1, 3, 64, 96), 96, dtype=torch.uint8)
    probability = predict_probability(Pointwise(), photo, name)

    # A network to which every pixel is the same whatever is around it answers all views alike.
    torch.testing.assert_close(probability, torch.full((1, 1, 64, 96), sigmoid(1.5)))
    assert shown is None or sorted(sizes) == sorted(shown)
    assert all(height % 32 == 0 and width % 32 == 0 for height, width in sizes)
    assert len(sizes) == len(VIEWS[name])
    assert cost_of(name) == cost


def test_turned_views_of_a_network_that_does_not_mind_are_one_map():
    photo = torch.randint(0, 256, (2, 3, 4, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def around(images: torch.Tensor) -> torch.Tensor:
        kernel = torch.tensor([[0, 1, 0], [1, 4, 1], [0, 1, 0]]).float()[None, None]
        return torch.nn.functional.conv2d(images[:, :1].float() / 255, kernel, padding=1)

    torch.testing.assert_close(predict_probability(around, photo, "d4"), predict_probability(around, photo, "none"))


def test_a_size_that_the_network_refuses_names_the_views():
    def only_wide(images: torch.Tensor) -> torch.Tensor:
        if images.shape[-2] > images.shape[-1]:
            raise MaskfoldError("network input of 6 x 4: this one is built for 4 x 6.")
        return images[:, :1].float()

    predict_probability(only_wide, torch.zeros(1, 3, 4, 6), "hflip")
    with pytest.raises(MaskfoldError, match=r"tta=d4 turns .* built for 4 x 6\. Or set tta=hflip"):
        predict_probability(only_wide, torch.zeros(1, 3, 4, 6), "d4")


def test_half_precision_logits_give_float32():
    assert predict_probability(lambda images: left_of(images).half(), IMAGES, "hflip").dtype == torch.float32


def test_an_unknown_name_is_refused_with_the_known_ones():
    assert check_tta("hflip") == "hflip"
    with pytest.raises(MaskfoldError, match="tta=rot90 is unknown: choose one of none, hflip"):
        check_tta("rot90")
