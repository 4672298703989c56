"""Fixed changes to every photo, the same in training, validation and prediction."""

from collections.abc import Callable

import cv2
import numpy as np

from maskfold.errors import MaskfoldError

Preprocess = Callable[[np.ndarray], np.ndarray]
"""`(H, W, 3) uint8 -> (H, W, 3) uint8`; where `data.channels` is given, a photo as stored to one of the same kind."""


class Unchanged:
    """Hands every photo on as it is."""

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the image itself, whatever it is."""
        return image


class ClaheLuma:
    """Evens out local contrast; see `clahe_luma`.

    Args:
        clip_limit: How far a histogram bin may rise above the mean one before it is cut; larger is stronger.
        tiles: Tiles along each side of the photo, each with a histogram of its own.
    """

    def __init__(self, *, clip_limit: float = 2.0, tiles: int = 8):
        self.clip_limit, self.tiles = clip_limit, tiles

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return a new (H, W, 3) uint8 image.

        Raises:
            MaskfoldError: If the image is no RGB of 8 bits.
        """
        if image.dtype != np.uint8 or image.shape[2] != 3:
            raise MaskfoldError(
                f"preprocess: CLAHE works on RGB photos of 8 bits, and with data.channels these are {image.dtype} of "
                f"{image.shape[2]}. Choose preprocess=none."
            )
        return clahe_luma(image, self.clip_limit, self.tiles)


def clahe_luma(image: np.ndarray, clip_limit: float = 2.0, tiles: int = 8) -> np.ndarray:
    """Equalise the luma by contrast-limited adaptive histograms (Zuiderveld, 1994), and keep the colour.

    Two of the Carvana winners' LinkNets saw their photos so, with these defaults: it lifts black cars off their
    shadows and white vans off the wall.

    Args:
        image: (H, W, 3) uint8, RGB.
        clip_limit: See `ClaheLuma`.
        tiles: See `ClaheLuma`.

    Returns:
        A new (H, W, 3) uint8 image.
    """
    luma, red, blue = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    luma = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(tiles, tiles)).apply(luma)
    return cv2.cvtColor(cv2.merge([luma, red, blue]), cv2.COLOR_YCrCb2RGB)
