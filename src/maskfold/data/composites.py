"""Cutting an object out of its photo and laying it on something else, without a rim of what was behind it.

H, W are a photo's height and width. Colours are RGB of 0..255; alpha is the object's share of a pixel, 0..1.
"""

import cv2
import numpy as np

# Box blurs of 90 and 6 pixels on photos of 1918x1280 (M. Forte, Approximate Fast Foreground Colour Estimation, 2021).
_BOXES = (90 / 1567, 6 / 1567)  # of the root of a photo's area
_LEAST_BOX = 3  # pixels: a smaller one does not reach past the pixel
# Of the blur that makes a mask soft, pixels: what explains the edges of street and studio photos best at 320x320, where
# one of 1 that suits whole photos is too wide.
_SIGMA, _RADIUS = 0.7, 3
_TINY = np.float32(1e-5)
_RING = (1.5 / 192, 6 / 192)  # from the outline inwards, of the photo's height
_LIGHTEST = 1.6  # of the median: lamps and sky of a dark photo would be all that is left of a backdrop


def object_of(mask: np.ndarray) -> np.ndarray:
    """Return the object of a mask, `(H, W)`; of several classes, `(H, W, C)`, where any of them is."""
    return mask if mask.ndim == 2 else mask.max(axis=2)


def soft_alpha(mask: np.ndarray) -> np.ndarray:
    """Return how much of each pixel is object, `(H, W) float32`: the mask, blurred by less than a pixel.

    Args:
        mask: `(H, W)`, uint8 0 or 1, or float32 in [0, 1].
    """
    size = 2 * _RADIUS + 1
    return cv2.GaussianBlur(mask.astype(np.float32), (size, size), _SIGMA)


def separate(image: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Guess the colour of the object and of what is behind it, of which the pixels along the outline are a mixture.

    Blur fusion: both are weighted means of the neighbourhood, first of a wide and then of a narrow one, and each takes
    its share of what they do not explain of a pixel. (As it was published the object's alone does; then a backdrop's
    pattern would be lost in a seam around the object.)

    Args:
        image: `(H, W, 3) uint8`.
        alpha: `(H, W) float32`.

    Returns:
        Both `(H, W, 3) float32`: the object's colour, which is the photo's own where alpha is 1, and the backdrop's,
        which is the photo's own where alpha is 0.
    """
    photo = image.astype(np.float32)
    share = cv2.merge([alpha] * 3)
    rest = 1 - share
    front = back = photo
    for box in _BOXES:
        size = max(round(box * np.sqrt(alpha.size)), _LEAST_BOX)
        front, back = _local_mean(front, share, size), _local_mean(back, rest, size)
        unexplained = photo - share * front - rest * back
        front, back = (np.clip(part, 0, 255) for part in (front + share * unexplained, back + rest * unexplained))
    return front, back


def _local_mean(colour: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    box = (size, size)
    return cv2.blur(colour * weight, box) / (cv2.blur(weight, box) + _TINY)


def shading(backdrop: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return how light a backdrop is, relative to its median: its folds, shadows and fall of light.

    Args:
        backdrop: `(H, W, 3) float32`, see `separate`.
        alpha: `(H, W) float32`; where the object is, the backdrop does not count.

    Returns:
        `(H, W) float32`, 1 where it is as light as its median, and 1.6 at most.
    """
    light = cv2.cvtColor(backdrop, cv2.COLOR_RGB2GRAY)
    seen = light[alpha < 0.5]
    median = float(np.median(seen)) if seen.size else 0.0
    return np.minimum(light / max(median, 1.0), _LIGHTEST)


def change_backdrop(image: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Lay a photo's object on a backdrop of another colour, under the light of the old one.

    Args:
        image: `(H, W, 3) uint8`.
        mask: `(H, W)`, uint8 0 or 1, or float32 in [0, 1].
        colour: `(3,)`, where the old backdrop is as light as its median.

    Returns:
        A new `(H, W, 3) uint8` photo.
    """
    alpha = soft_alpha(mask)
    front, back = separate(image, alpha)
    share = alpha[..., None]
    new = np.minimum(shading(back, alpha)[..., None] * np.asarray(colour, np.float32), 255)
    return to_bytes(share * front + (1 - share) * new)


def ring_colour(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mean Lab colour, `(3,) float32`, of a ring along the inside of an object's outline.

    Args:
        image: `(H, W, 3) uint8`.
        mask: `(H, W)`; the object is 0.5 and above, and not empty. Where it is too thin for a ring, all of it counts.
    """
    inside = (mask >= 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)
    near, far = (max(part * len(mask), 1) for part in _RING)
    ring = (depth >= near) & (depth <= far)
    pixels = image[ring if ring.any() else inside > 0]
    return to_lab(pixels).mean(axis=0)


def to_lab(colours: np.ndarray) -> np.ndarray:
    """Turn `(N, 3)` RGB colours of 0..255 into `(N, 3) float32` Lab, L of 0..100."""
    return cv2.cvtColor(np.asarray(colours, np.float32)[None] / 255, cv2.COLOR_RGB2LAB)[0]


def from_lab(colours: np.ndarray) -> np.ndarray:
    """Turn `(N, 3)` Lab colours into `(N, 3) float32` RGB of 0..255; what no screen shows is brought to its limits."""
    return 255 * np.clip(cv2.cvtColor(np.asarray(colours, np.float32)[None], cv2.COLOR_LAB2RGB)[0], 0, 1)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Round a photo to uint8."""
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)
