import numpy as np
import pytest
import torch

from maskfold.segmentation.boundary import boundary_weight, box_side


@pytest.mark.parametrize(
    ("height", "side"),
    [
        *[(128, 11), (256, 21), (512, 21), (1024, 41), (1280, 51)],  # the winners' own
        *[(192, 17), (768, 31), (1152, 47)],  # half-way: 16, 31 and 46, the even ones rounded to an odd neighbour
        *[(64, 5), (2560, 103), (1, 1)],  # in proportion beyond: 5.5, 102, 0.09
    ],
)
def test_box_side(height, side):
    assert box_side(height) == side


def test_weights_of_a_straight_edge():
    """At height 64 the box is 5 wide: it sees both sides from two columns on either side of the edge."""
    mask = torch.zeros(1, 1, 64, 8)
    mask[..., :4] = 1
    expected = torch.tensor([0.5, 0.5, 1.5, 1.5, 1.5, 1.5, 0.5, 0.5])  # 1 and 3, divided by their mean 2
    torch.testing.assert_close(boundary_weight(mask), expected.expand(1, 1, 64, 8))


def test_weights_equal_a_slow_reference():
    height, width, half = 96, 40, 4  # the box at height 96 is 9 wide
    mask = np.zeros((height, width), np.float32)
    mask[60:, 25:] = 1  # cut by the frame
    mask[20, 10] = 1  # a single pixel, 1/81 of the boxes around it
    expected = np.ones((height, width))
    for row in range(height):
        for column in range(width):
            box = mask[max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1]
            if 0.01 <= box.mean() <= 0.99:
                expected[row, column] = 3
    expected /= expected.mean()
    weight = boundary_weight(torch.from_numpy(mask)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(weight, expected, rtol=1e-5)
    assert weight[-1, -1] == weight[0, 0]  # no boundary along the frame


def test_images_of_a_batch_are_weighed_apart():
    masks = torch.zeros(3, 1, 64, 64)
    masks[1] = 1
    masks[2, :, 20:40, 20:40] = 1
    weight = boundary_weight(masks, factor=5)
    assert (weight[:2] == 1).all()
    assert weight[2].mean() == pytest.approx(1)
    assert weight[2].max() / weight[2].min() == pytest.approx(5)
