"""Weights that make the pixels along a mask's boundary count more."""

import numpy as np
import torch
from torch.nn import functional as F

# Side of the box, in pixels, by image height; the values of the Carvana winners.
BOX_HEIGHTS = (128, 256, 512, 1024, 1280)
BOX_SIDES = (11, 21, 21, 41, 51)


def box_side(height: int) -> int:
    """Return the side of the box for an image height, both in pixels: the nearest odd number.

    Between the winners' heights it is interpolated; beyond them it keeps its proportion to the nearest of them.
    """
    clamped = min(max(height, BOX_HEIGHTS[0]), BOX_HEIGHTS[-1])
    side = np.interp(clamped, BOX_HEIGHTS, BOX_SIDES) * height / clamped
    return 2 * int(side // 2) + 1


def boundary_weight(mask: torch.Tensor, *, factor: float = 3.0) -> torch.Tensor:
    """Weigh the pixels near a boundary `factor` times the others, normalised to a mean of 1 in every image.

    A pixel is near a boundary if the mean of the mask in a box around it lies in [0.01, 0.99]. The idea and the
    numbers are the Carvana winners'. Theirs counts what lies beyond the frame as background and normalises over the
    batch; here the mean is over the pixels there are, so that a mask cut by the frame has no boundary along it, and
    an image's weights do not depend on the rest of its batch.

    Args:
        mask: (N, 1, H, W), 0..1.
        factor: Weight of a pixel near the boundary, as a multiple of any other's.

    Returns:
        (N, 1, H, W) float32.
    """
    side = box_side(mask.shape[-2])
    local_mean = mask.float()
    for box in ((side, 1), (1, side)):  # two thin boxes cost side/2 times less than the square one
        padding = (box[0] // 2, box[1] // 2)
        local_mean = F.avg_pool2d(local_mean, box, stride=1, padding=padding, count_include_pad=False)
    near = (local_mean >= 0.01) & (local_mean <= 0.99)
    weight = 1 + (factor - 1) * near.float()
    return weight / weight.mean(dim=(1, 2, 3), keepdim=True)
