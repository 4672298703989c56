"""How an object stands out from what is around it, along its outline: light products on light backdrops hardly do."""

import cv2
import numpy as np

HEIGHT = 192  # pixels, at which photos are looked at
ALIKE = 12.0  # dE76 below which the two sides of an outline are alike
NEAR, FAR = 1.5, 6.0  # pixels from the outline between which a side is looked at; nearer, both sides mix
WINDOW = 19  # pixels, 9 to either side, over which a side's colour is averaged


def outline_differences(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the difference in colour, dE76, between inside and outside at each pixel of an object's outline.

    A pixel counts where both sides are seen within the window, so neither the frame nor thin parts do.

    Args:
        image: `(H, W, 3) uint8` RGB.
        mask: `(H, W) uint8` 0 or 1.

    Returns:
        `(P,) float32`; none where the outline is not seen.
    """
    if mask.all() or not mask.any():
        return np.empty(0, np.float32)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    inside, outside = (cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for side in (mask, 1 - mask))
    outline = (mask > 0) & (inside <= 1)
    (inner, has_inner), (outer, has_outer) = (_means(lab, (at >= NEAR) & (at <= FAR)) for at in (inside, outside))
    seen = outline & has_inner & has_outer
    return np.linalg.norm(inner[seen] - outer[seen], axis=1)


def light_share(differences: np.ndarray) -> float:
    """Return the share of an outline whose sides are alike; NaN of an outline that is not seen."""
    return float((differences < ALIKE).mean()) if differences.size else float("nan")


def _means(lab: np.ndarray, ring: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a ring's mean colour in the window around each pixel, and where there is one."""
    weight = ring.astype(np.float32)
    window = {"ksize": (WINDOW, WINDOW), "normalize": False, "borderType": cv2.BORDER_CONSTANT}
    count = cv2.boxFilter(weight, -1, **window)
    total = cv2.boxFilter(lab * weight[..., None], -1, **window)
    some = count > 0.5
    return total / np.maximum(count, 1)[..., None], some
