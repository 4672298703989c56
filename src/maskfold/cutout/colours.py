"""What colour the object itself has where its edge is mixed with what was behind it.

H, W are a photo's height and width; alpha is the object's share of a pixel, 0..1.
"""

import numpy as np

from maskfold.cutout.matting import foreground_estimate
from maskfold.data.composites import separate, to_bytes

_LEAST_SIDE = 4  # pixels: of a single one pymatting would take a logarithm


def kept(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the photo's own colours, `(H, W, 3) uint8`: a rim of the old backdrop stays."""
    return photo


def fast(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the object's colours by blur fusion, `(H, W, 3) uint8`; see `maskfold.data.composites.separate`."""
    return _own_where_whole(to_bytes(separate(photo, alpha)[0]), photo, alpha)


def clean(photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the object's colours by the multi-level estimate, `(H, W, 3) uint8`; those of `fast` without pymatting."""
    estimate = foreground_estimate()
    if estimate is None or max(alpha.shape) < _LEAST_SIDE:
        return fast(photo, alpha)
    colours = estimate(photo.astype(np.float32) / 255, alpha)
    return _own_where_whole(to_bytes(255 * colours), photo, alpha)


def _own_where_whole(colours: np.ndarray, photo: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the photo's own colours where there is nothing but object: an estimate need not give them back."""
    return np.where((alpha == 1)[..., None], photo, colours)


COLOURS = {"clean": clean, "fast": fast, "keep": kept}
