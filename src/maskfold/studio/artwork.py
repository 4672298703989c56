"""The print of a package, flat: two colours, an emblem, the brand and the word."""

from collections.abc import Callable

import cv2
import numpy as np

from maskfold.studio.products import Colour, Product

LEAST = 320  # pixels that a print is drawn high before it is made smaller, so that letters have shape
CREAM, INK = (248, 244, 232), (28, 26, 30)
FACES = (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX)
# Where the middles of brand, emblem and word lie, from the top (0) to the bottom (1), by layout.
PLACES = {
    "band": (0.19, 0.37, 0.69),
    "split": (0.18, 0.36, 0.74),
    "diagonal": (0.18, 0.40, 0.80),
    "panel": (0.24, 0.45, 0.76),
    "frame": (0.20, 0.46, 0.76),
    "disc": (0.14, 0.38, 0.62),
}
ANGLES = np.linspace(0, 2 * np.pi, 90, endpoint=False)


def _peak(angle: np.ndarray, at: float) -> np.ndarray:
    """Return 1 at an angle and next to nothing half a radian away from it."""
    away = (angle - at + np.pi) % (2 * np.pi) - np.pi
    return np.exp(-((away / 0.4) ** 2))


# Radius of each emblem by angle; 0 points upwards.
OUTLINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "star": lambda angle: 0.62 + 0.38 * np.cos(5 * angle),
    "flower": lambda angle: 0.75 + 0.25 * np.cos(6 * angle),
    "sun": lambda angle: 0.85 + 0.15 * np.cos(14 * angle),
    "drop": lambda angle: 0.6 + 0.4 * np.abs(np.cos(angle / 2)) ** 12,
    "leaf": lambda angle: 0.42 / np.sqrt(1 - 0.82 * np.cos(angle) ** 2),
    "heart": lambda angle: 0.8 - 0.35 * _peak(angle, 0) + 0.2 * _peak(angle, np.pi),
    "ring": lambda angle: np.ones_like(angle),
}


def draw_front(product: Product, height: int, width: int, *, seen: float = 0.86) -> np.ndarray:
    """Draw what a customer looks at.

    Args:
        product: What is printed.
        height: Pixels.
        width: Pixels.
        seen: Share of the width that letters keep to, as what is farther out is bent away.

    Returns:
        (height, width, 3) uint8, red, green, blue.
    """
    high = max(LEAST, height)
    art = np.empty((high, max(1, round(high * width / height)), 3), np.uint8)
    art[:] = product.main
    _paint_second(art, product)
    brand, emblem, word = PLACES[product.layout]
    _draw_emblem(art, product, emblem)
    _write(art, product.brand.upper(), brand, (0.2, seen), product.font)
    _write(art, product.word, word, (0.2, seen), 0)
    return cv2.resize(art, (width, height), interpolation=cv2.INTER_AREA)


def draw_side(product: Product, height: int, width: int) -> np.ndarray:
    """Draw what stands beside the front of a box: the colours, and lines of small print.

    Returns:
        (height, width, 3) uint8.
    """
    art = np.empty((LEAST, max(1, round(LEAST * width / height)), 3), np.uint8)
    art[:] = product.main
    art[round(0.52 * LEAST) : round(0.85 * LEAST)] = product.second
    across = art.shape[1]
    ink = _ink(product.main)
    for line in range(5):
        y = round((0.14 + 0.07 * line) * LEAST)
        cv2.line(art, (round(0.18 * across), y), (round((0.84 - 0.12 * (line % 3)) * across), y), ink, 6, cv2.LINE_AA)
    return cv2.resize(art, (width, height), interpolation=cv2.INTER_AREA)


def draw_peel(product: Product, height: int, width: int) -> np.ndarray:
    """Draw the skin of a fruit: stripes of the second colour on the first, and no letter.

    Returns:
        (height, width, 3) uint8.
    """
    across = np.linspace(0, 10 * np.pi, width, dtype=np.float32)
    down = np.linspace(0, 5, height, dtype=np.float32)[:, None]
    share = (0.5 + 0.5 * np.sin(across + 0.6 * np.sin(3 * down)))[..., None] ** 2
    return np.uint8(share * np.float32(product.second) + (1 - share) * np.float32(product.main))


def _paint_second(art: np.ndarray, product: Product) -> None:
    """Lay the second colour on the print, and the panel that goes with it."""
    high, wide = art.shape[:2]
    second = product.second

    def block(colour: Colour, left: float, top: float, right: float, bottom: float) -> None:
        art[round(top * high) : round(bottom * high), round(left * wide) : round(right * wide)] = colour

    if product.layout == "band":
        block(CREAM, 0, 0.5, 1, 0.88)
        block(second, 0, 0.53, 1, 0.85)
    elif product.layout == "split":
        block(second, 0, 0.5, 1, 1)
    elif product.layout == "diagonal":
        cv2.fillConvexPoly(art, np.int32([(0, 0.75 * high), (wide, 0.45 * high), (wide, high), (0, high)]), second)
    elif product.layout == "panel":
        block(CREAM, 0.1, 0.12, 0.9, 0.9)
        block(second, 0.1, 0.62, 0.9, 0.9)
    elif product.layout == "frame":
        for left in (0, 0.86):
            block(second, left, 0, left + 0.14, 1)
        block(second, 0, 0.6, 1, 0.92)
    else:
        cv2.circle(art, (wide // 2, round(0.56 * high)), round(0.46 * wide), second, -1, cv2.LINE_AA)


def _draw_emblem(art: np.ndarray, product: Product, place: float) -> None:
    outline = OUTLINES.get(product.emblem)
    if outline is None:
        return
    high, wide = art.shape[:2]
    middle = wide / 2, place * high
    radius = min(0.13 * high, 0.3 * wide)
    colour = product.second if product.layout in ("panel", "split", "diagonal", "band") else CREAM
    reach = radius * outline(ANGLES)
    points = np.column_stack([middle[0] + reach * np.sin(ANGLES), middle[1] - reach * np.cos(ANGLES)])
    cv2.fillPoly(art, [np.int32(np.round(points))], colour, cv2.LINE_AA)
    if product.emblem == "ring":
        cv2.circle(art, (round(middle[0]), round(middle[1])), round(0.55 * radius), product.main, -1, cv2.LINE_AA)


def _write(art: np.ndarray, text: str, place: float, most: tuple[float, float], font: int) -> None:
    """Write a line in the middle, as large as its shares of height and width allow, in ink that can be read."""
    high, wide = art.shape[:2]
    face, thick = FACES[font], round(high / 50)
    (across, up), _ = cv2.getTextSize(text, face, 1, 1)
    scale = min(most[0] * high / up * 0.7, (most[1] * wide - thick) / across)
    start = round((wide - across * scale) / 2), round(place * high + up * scale / 2)
    ground = art[round(place * high), wide // 2]
    cv2.putText(art, text, start, face, scale, _ink(ground), thick, cv2.LINE_AA)


def _ink(ground: Colour | np.ndarray) -> Colour:
    """Return dark ink for light paper, and light ink for dark."""
    return INK if float(np.dot(ground, (0.3, 0.59, 0.11))) > 130 else CREAM
