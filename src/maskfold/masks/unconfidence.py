"""How unsure an ensemble is of an image: the ranking that shows which images deserve a look or a repair."""

import numpy as np

from maskfold.errors import MaskfoldError

# The 1st place's intervals in the Carvana Image Masking Challenge (2017), as values of 255: p in [0.3, 0.8] is unsure
# (76.5 to 204); p in [0, 0.3) or (0.8, 0.9] is what it is compared with (up to 229.5).
GREY_ZONE = (77, 204)
_COMPARED_TO = 229


def unconfidence(probability: np.ndarray) -> float:
    """Divide the number of pixels with p in [0.3, 0.8] by the number with p in [0, 0.3) or (0.8, 0.9].

    Pixels above 0.9 count on neither side, so the value does not depend on how large a well-found object is.

    Args:
        probability: `(H, W)` uint8, p = value / 255; of several classes `(C, H, W)`, whose pixels count together.

    Returns:
        0 or more, larger is worse; 0 when no pixel is unsure, infinite when some are and no pixel is compared.

    Raises:
        MaskfoldError: The map is not uint8.
    """
    if probability.dtype != np.uint8:
        raise MaskfoldError(
            f"a probability map must be uint8 with 255 for certain, but this one is {probability.dtype}"
        )
    return unconfidence_of(*unsure_and_compared(probability))


def unsure_and_compared(probability: np.ndarray) -> tuple[int, int]:
    """Count the two kinds of pixels that `unconfidence` divides, of a map or of a part of one."""
    unsure = np.count_nonzero(in_grey_zone(probability))
    return unsure, np.count_nonzero(probability <= _COMPARED_TO) - unsure


def unconfidence_of(unsure: int, compared: int) -> float:
    """Return the `unconfidence` of a map whose pixels have been counted."""
    if unsure == 0:
        return 0.0
    return unsure / compared if compared else float("inf")


def in_grey_zone(probability: np.ndarray) -> np.ndarray:
    """Return where a map `(H, W) uint8` is unsure, p in [0.3, 0.8]: `(H, W) bool`."""
    first, last = GREY_ZONE
    # One comparison for both bounds: what lies below the first wraps round to large values.
    return probability - np.uint8(first) <= last - first
