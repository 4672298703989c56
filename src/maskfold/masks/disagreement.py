"""Where a prediction and a mask disagree, and whether it is the mask that looks wrong."""

import numpy as np

# Of 255: p below 0.1 or above 0.9 is sure, as in the winners' unconfidence, where p above 0.9 no longer counts.
SURELY_NOT, SURELY = 25, 230
# On a generated studio set, small networks came to at most 0.10 on true masks, and to 0.32 or more on spoilt ones.
SUSPICIOUS = 0.15


def signed_difference(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Subtract the true mask from the predicted one.

    Args:
        prediction: `(H, W) uint8`, 0 or 1.
        truth: `(H, W) uint8`, 0 or 1.

    Returns:
        `(H, W) int8`: 1 where there is too much (false positive), -1 where something is missed (false negative),
        0 where both agree.
    """
    return prediction.astype(np.int8) - truth.astype(np.int8)


def confident_disagreement(probability: np.ndarray, truth: np.ndarray) -> float:
    """Return how much of the object is contradicted by an ensemble that is sure of itself.

    Where a network is wrong it is mostly unsure; where it is sure and the mask says otherwise, look at the mask.

    Args:
        probability: Out-of-fold, `(H, W) uint8`, 0..255.
        truth: `(H, W) uint8`, 0 or 1.

    Returns:
        Pixels with p < 0.1 inside the mask or p > 0.9 outside it, divided by the pixels that are in the mask or have
        p > 0.9; 0 where there are none.
    """
    inside, sure = truth != 0, probability >= SURELY
    contradicted = np.count_nonzero(inside & (probability <= SURELY_NOT)) + np.count_nonzero(sure & ~inside)
    either = np.count_nonzero(sure | inside)
    return contradicted / either if either else 0.0
