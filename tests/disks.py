"""A red disk on green whose alpha is known, and a masker that knows it too."""

import numpy as np

from maskfold.prediction.masker import Answer

RED, GREEN = np.float32([200, 30, 30]), np.float32([20, 160, 40])


def disk(height: int = 120, width: int = 160, *, radius: float = 40, hole: float = 0) -> np.ndarray:
    """Return the alpha of a disk in the middle, `(H, W) float32`, whose edge is three pixels wide."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(rows - height / 2, columns - width / 2)
    inside = np.clip((radius - distance) / 3 + 0.5, 0, 1)
    return inside if not hole else np.minimum(inside, np.clip((distance - hole) / 3 + 0.5, 0, 1))


def photo_of(alpha: np.ndarray, front: np.ndarray = RED, back: np.ndarray = GREEN) -> np.ndarray:
    """Return a photo of an object of one colour on another, `(H, W, 3) uint8`."""
    return np.rint(alpha[..., None] * front + (1 - alpha[..., None]) * back).astype(np.uint8)


def on(backdrop: float, colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return colours laid on a grey, `(H, W, 3)` float."""
    return alpha[..., None] * colours + (1 - alpha[..., None]) * backdrop


def as_map(alpha: np.ndarray) -> np.ndarray:
    """Return alpha as a map, `(H, W) uint8`."""
    return np.rint(255 * alpha).astype(np.uint8)


class RednessMasker:
    """Calls object what is redder than green: right about every disk here. Counts what it is asked."""

    name, identity, members, symmetric = "redness", "0123456789abcdef", ("redness",), False

    def __init__(self) -> None:
        self.asked = 0

    def answer(self, photos, *, members=False):
        """See `maskfold.prediction.masker.Masker`."""
        self.asked += len(photos)
        shares = [np.clip((photo[..., 0] - GREEN[0]) / (RED[0] - GREEN[0]), 0, 1) for photo in photos]
        return [Answer(as_map(share), as_map(share)[None] if members else None) for share in shares]
