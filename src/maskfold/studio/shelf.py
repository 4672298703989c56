"""Where packages are photographed: on a shelf, a counter or a belt, among others, and half behind something."""

import cv2
import numpy as np

PLACES = ("shelf", "counter", "belt")
HIDDEN = 0.35  # of the photos have something in front of the package
SKIN = (205, 160, 130)


def empty_place(rng: np.random.Generator, size: int) -> tuple[np.ndarray, int]:
    """Draw a place without the package.

    Args:
        rng: Draws which, and its colours.
        size: Pixels, height and width.

    Returns:
        (size, size, 3) float32, 0 to 255, and the row on which things stand.
    """
    place = str(rng.choice(PLACES))
    ground = round(size * rng.uniform(0.86, 0.94))
    picture = _wall(rng, size)
    if place == "shelf":
        for left in (True, False):
            _neighbour(picture, rng, ground, left=left)
        picture[ground:] = rng.uniform(140, 225)
        _price_rail(picture, rng, ground)
    else:
        ground = round(size * rng.uniform(0.8, 0.9))
        top = round(size * rng.uniform(0.35, 0.65))
        colour = np.float32((150, 110, 75) if place == "counter" else (48, 48, 52)) * rng.uniform(0.8, 1.4)
        _grain(picture[top:], colour, rng)
    blur = size * rng.uniform(0.004, 0.02)
    return cv2.GaussianBlur(picture, (0, 0), blur), ground


def _wall(rng: np.random.Generator, size: int) -> np.ndarray:
    base = np.float32(rng.uniform(90, 225) + rng.uniform(-14, 14, 3))
    slope = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.8, 1.1), size, dtype=np.float32)[:, None, None]
    across = np.linspace(rng.uniform(0.8, 1), rng.uniform(0.8, 1), size, dtype=np.float32)[:, None]
    return np.clip(base * slope * across, 0, 255).astype(np.float32)


def _grain(surface: np.ndarray, colour: np.ndarray, rng: np.random.Generator) -> None:
    """Give a table or a belt its colour, with streaks along it."""
    rows, columns = surface.shape[:2]
    streaks = rng.normal(1, 0.05, (max(2, rows // 3), 3)).astype(np.float32)
    surface[:] = np.clip(
        cv2.resize(streaks, (columns, rows), interpolation=cv2.INTER_LINEAR)[..., None] * colour, 0, 255
    )


def _neighbour(picture: np.ndarray, rng: np.random.Generator, ground: int, *, left: bool) -> None:
    """Set another package beside the middle: its colours alone, as the lens is not on it."""
    size = len(picture)
    width, high = round(size * rng.uniform(0.12, 0.32)), round(size * rng.uniform(0.4, 0.8))
    columns = slice(0, width) if left else slice(size - width, size)
    shade = np.linspace(1, 0.65, width, dtype=np.float32)[:: 1 if left else -1, None]
    for top, bottom in ((0, 0.5), (0.5, 0.75), (0.75, 1)):
        rows = slice(ground - high + round(top * high), ground - high + round(bottom * high))
        picture[rows, columns] = rng.uniform(20, 240, 3).astype(np.float32) * shade


def _price_rail(picture: np.ndarray, rng: np.random.Generator, ground: int) -> None:
    size = len(picture)
    left, width = round(size * rng.uniform(0, 0.8)), round(size * 0.18)
    edge = ground + round(0.02 * size)
    picture[edge:, left : left + width] = 245
    picture[edge + round(0.02 * size) : edge + round(0.04 * size), left : left + width // 2] = 40


def stand_shadow(size: int, ground: int, reach: float) -> np.ndarray:
    """Return (size, size, 1) float32, how much light is left around where a package of half this width stands."""
    dark = np.zeros((size, size), np.float32)
    axes = max(1, round(reach * 1.05)), max(1, round(size * 0.035))
    cv2.ellipse(dark, (size // 2, ground), axes, 0, 0, 360, 0.6, -1)
    return 1 - cv2.GaussianBlur(dark, (0, 0), size * 0.025)[..., None]


def hide_a_part(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Put something before the package in some photos: a neighbour's edge, a tag, a thumb or glare."""
    if rng.random() >= HIDDEN:
        return
    size = len(picture)
    kind = rng.integers(4)
    if kind == 0:
        width = round(size * rng.uniform(0.14, 0.3))
        columns = slice(0, width) if rng.random() < 0.5 else slice(size - width, size)
        picture[round(size * rng.uniform(0.1, 0.4)) :, columns] = rng.uniform(20, 240, 3)
    elif kind == 1:
        top, left = (round(size * rng.uniform(*span)) for span in ((0.72, 0.82), (0.2, 0.6)))
        picture[top : top + round(0.14 * size), left : left + round(0.26 * size)] = rng.uniform(215, 250)
    elif kind == 2:
        middle = round(size * rng.choice((0.14, 0.86))), round(size * rng.uniform(0.4, 0.75))
        axes, turn = (round(size * 0.2), round(size * 0.075)), float(rng.uniform(-30, 30))
        skin = [float(value) for value in np.array(SKIN) * rng.uniform(0.5, 1.15)]
        cv2.ellipse(picture, middle, axes, turn, 0, 360, skin, -1, cv2.LINE_AA)
    else:
        glare = np.zeros((size, size), np.float32)
        middle = tuple(round(size * share) for share in rng.uniform(0.3, 0.7, 2))
        cv2.ellipse(
            glare, middle, (round(size * 0.05), round(size * 0.18)), float(rng.uniform(-40, 40)), 0, 360, 200, -1
        )
        picture += cv2.GaussianBlur(glare, (0, 0), size * 0.04)[..., None]
