"""Photos on textured ground with their masks, and a car, drawn for tests of what photos tell about masks."""

import cv2
import numpy as np


def textured_photo(
    rng: np.random.Generator, height: int = 64, width: int = 64, contrast: float = 30
) -> tuple[np.ndarray, np.ndarray]:
    """Return a grey photo `(height, width) uint8` and the mask of one to three ellipses, lighter or darker than it."""
    grain = [rng.normal(0, strength, (height // step, width // step)) for step, strength in ((1, 10), (4, 15), (9, 20))]
    ground = 128 + sum(cv2.resize(part, (width, height), interpolation=cv2.INTER_CUBIC) for part in grain)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(1, 4)):
        centre = rng.integers(0, (width, height)).tolist()
        cv2.ellipse(mask, centre, rng.integers(5, 18, 2).tolist(), int(rng.integers(180)), 0, 360, 1, -1)
    return np.clip(ground + rng.choice([-1, 1]) * contrast * 2 * mask, 0, 255).astype(np.uint8), mask


def car(height: int = 128, width: int = 192) -> np.ndarray:
    """Draw a body, a cabin and two wheels, one of them with a gap."""
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(mask, (width // 2, height * 3 // 5), (width // 3, height // 6), 0, 0, 360, 1, -1)
    cv2.rectangle(mask, (width // 3, height // 4), (width * 3 // 5, height * 3 // 5), 1, -1)
    for x in (width // 3, width * 2 // 3):
        cv2.circle(mask, (x, height * 3 // 4), height // 10, 1, -1)
    cv2.circle(mask, (width // 3, height * 3 // 4), height // 20, 0, -1)
    return mask
