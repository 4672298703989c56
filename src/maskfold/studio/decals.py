"""Decals: pictures of what is on the bodywork, drawn in metres and projected on it from one side."""

from dataclasses import dataclass

import cv2
import numpy as np

SCALE = 280  # pixels per metre of a decal
BITS = 4

GLASS, CHROME, PLASTIC = (0.012, 0.015, 0.016), (0.55, 0.55, 0.56), (0.02, 0.02, 0.021)
LAMP, RED_LAMP, AMBER, SEAM = (0.5, 0.52, 0.54), (0.34, 0.012, 0.015), (0.55, 0.16, 0.02), (0.004, 0.004, 0.004)
DARK_LAMP, PLATE, PLATE_BLUE = (0.12, 0.125, 0.13), (0.75, 0.77, 0.78), (0.06, 0.3, 0.6)


@dataclass(frozen=True)
class Decal:
    """A picture to project on the bodywork.

    Attributes:
        colour: (H, W, 4) float32, linear-light red, green, blue, times how much it covers, 0..1, and that share.
        glass: (H, W) float32, 0..1, how far the surface is glass.
        left: The horizontal coordinate of column 0, metres.
        step: +1 if the coordinate grows with the column, else -1.
        top: The height of row 0, metres.
    """

    colour: np.ndarray
    glass: np.ndarray
    left: float
    step: int
    top: float

    def polygon(self, points: list | np.ndarray, colour: tuple, glass: float = 0.0) -> None:
        """Fill a polygon of (horizontal, height) in metres."""
        outline = [self._pixels(points)]
        cv2.fillPoly(self.colour, outline, _ink(colour, 1.0), cv2.LINE_8, BITS)
        cv2.fillPoly(self.glass, outline, glass, cv2.LINE_8, BITS)

    def band(self, foot: tuple[float, float], head: tuple[float, float], colour: tuple, glass: float = 0.0) -> None:
        """Fill a trapezoid that is symmetrical about 0, given (half width, height) at foot and head, metres."""
        (half_foot, low), (half_head, high) = foot, head
        self.polygon([(half_head, high), (-half_head, high), (-half_foot, low), (half_foot, low)], colour, glass)

    def ellipse(
        self, centre: tuple[float, float], size: tuple[float, float], colour: tuple, glass: float = 0.0
    ) -> None:
        """Fill an ellipse of half-axes `size`, metres."""
        turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        self.polygon(np.stack([np.cos(turn), np.sin(turn)], axis=1) * size + centre, colour, glass)

    def line(self, points: list | np.ndarray, colour: tuple, width: float, cover: float = 1.0) -> None:
        """Draw a line `width` metres wide through points (horizontal, height) in metres."""
        thickness = max(1, round(width * SCALE))
        cv2.polylines(self.colour, [self._pixels(points)], False, _ink(colour, cover), thickness, cv2.LINE_8, BITS)

    def at(self, horizontal: np.ndarray, height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look the decal up, bilinearly, at (N,) positions in metres: colour (N, 4) and glass (N,)."""
        x = ((horizontal - self.left) * self.step * SCALE).astype(np.float32)
        y = ((self.top - height) * SCALE).astype(np.float32)
        count = len(x)
        size = -(-count // 1024)
        maps = [np.resize(values, (size, 1024)) for values in (x, y)]
        colour = cv2.remap(self.colour, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        glass = cv2.remap(self.glass, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return colour.reshape(-1, 4)[:count], glass.ravel()[:count]

    def smoothed(self) -> "Decal":
        """Soften the edges, which were drawn hard; cover and colour together, so that both fade alike."""
        soft = (cv2.GaussianBlur(layer, (0, 0), 1.1) for layer in (self.colour, self.glass))
        # pyrefly: ignore[bad-argument-count]
        return Decal(*soft, self.left, self.step, self.top)

    def _pixels(self, points: list | np.ndarray) -> np.ndarray:
        points = np.asarray(points, dtype=float)
        x, y = (points[:, 0] - self.left) * self.step * SCALE, (self.top - points[:, 1]) * SCALE
        return np.round(np.stack([x, y], axis=1) * (1 << BITS)).astype(np.int32)


def blank(left: float, right: float, top: float) -> Decal:
    """Make an empty decal from `left` to `right` and from the floor to `top`, metres."""
    size = int(np.ceil(top * SCALE)), int(np.ceil(abs(right - left) * SCALE))
    return Decal(np.zeros((*size, 4), np.float32), np.zeros(size, np.float32), left, 1 if right > left else -1, top)


def _ink(colour: tuple, cover: float) -> tuple:
    return (*(value * cover for value in colour), cover)
