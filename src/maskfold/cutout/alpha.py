"""How much of each pixel is object: a map's probabilities become an alpha that is soft along the outline alone.

H, W are a photo's height and width; a map is round(255 p), alpha the object's share of a pixel, 0..1.
"""

import cv2
import numpy as np

INSIDE = 128  # of a map: the object is p >= 0.5

# How far from the outline a pixel may be a mixture: a camera's blur grows with the photo.
_LEAST_REACH = 2.0  # pixels
_REACH = 0.0015  # of the photo's diagonal


def reach_of(height: int, width: int) -> float:
    """Return how far from the outline alpha may be neither 0 nor 1, in pixels of a photo of this size."""
    return max(_LEAST_REACH, _REACH * float(np.hypot(height, width)))


def hard_alpha(probability: np.ndarray) -> np.ndarray:
    """Return 1 where a map is the object and 0 elsewhere, `(H, W) float32`."""
    return (probability >= INSIDE).astype(np.float32)


def soft_alpha(probability: np.ndarray, reach: float) -> np.ndarray:
    """Return the probability itself along the outline, and 0 or 1 from `reach` on, `(H, W) float32`.

    In between it is held between two straight ramps, 0 on the outline to 1 at `reach` inside, and 1 on the outline to 0
    at `reach` outside: so it has no step, however blurred the map is.

    Args:
        probability: `(H, W) uint8`.
        reach: Pixels, see `reach_of`.
    """
    share = probability.astype(np.float32) / 255
    depth = signed_distance(probability) / np.float32(reach)
    return np.clip(share, np.clip(depth, 0, 1), np.clip(1 + depth, 0, 1))


def softened(mask: np.ndarray, reach: float) -> np.ndarray:
    """Return a mask that a person drew as a map: blurred along its outline, each pixel on the side where it was.

    Args:
        mask: `(H, W) uint8`, 0 or 1.
        reach: Pixels, see `reach_of`.

    Returns:
        `(H, W) uint8`, `INSIDE` and more where the mask is 1, less where it is 0.
    """
    blurred = cv2.GaussianBlur(mask * np.uint8(255), (0, 0), reach / 2)
    return np.where(mask > 0, np.maximum(blurred, INSIDE), np.minimum(blurred, INSIDE - 1)).astype(np.uint8)


def signed_distance(probability: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from the outline, inside above 0, outside below, `(H, W) float32` pixels."""
    inside = (probability >= INSIDE).astype(np.uint8)
    # The outline runs between two pixels, half a pixel from the middle of each.
    to_outside = np.maximum(cv2.distanceTransform(inside, cv2.DIST_L2, 5) - 0.5, 0)
    to_inside = np.maximum(cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5) - 0.5, 0)
    return to_outside - to_inside
