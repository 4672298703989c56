"""The large letters on the wall, drawn with strokes: the first of them thin, the others bold."""

from functools import lru_cache

import cv2
import numpy as np

WORD, THIN = "MASKFOLD", 4  # letters, and how many of them are thin
LETTER, GAP, STROKE, BOLD = 300, 78, 26, 62  # pixels: height, space between, widths of the strokes
BITS = 4


def _arc(x: float, y: float, across: float, down: float, start: float, end: float) -> list[tuple[float, float]]:
    turn = np.radians(np.linspace(start, end, 32))
    return list(zip(x + across * np.cos(turn), y + down * np.sin(turn), strict=True))


# Per letter its width over its height, and strokes in a box of that width and height 1, y downwards.
GLYPHS = {
    "M": (1.05, [[(0, 1), (0.12, 0), (0.52, 0.85), (0.93, 0), (1.05, 1)]]),
    "A": (1.0, [[(0, 1), (0.5, 0), (1.0, 1)]]),
    "S": (0.66, [[*_arc(0.33, 0.26, 0.3, 0.26, -35, -270), *_arc(0.33, 0.76, 0.33, 0.24, -90, 145)]]),
    "K": (0.75, [[(0, 0), (0, 1)], [(0.7, 0), (0.02, 0.58)], [(0.22, 0.42), (0.75, 1)]]),
    "F": (0.6, [[(0, 1), (0, 0), (0.6, 0)], [(0, 0.48), (0.52, 0.48)]]),
    "O": (1.04, [_arc(0.52, 0.5, 0.52, 0.5, 0, 360)]),
    "L": (0.58, [[(0, 0), (0, 1), (0.58, 1)]]),
    "D": (0.86, [[(0, 0), (0, 1), *_arc(0.34, 0.5, 0.52, 0.5, 90, -90), (0, 0)]]),
    "C": (0.9, [_arc(0.5, 0.5, 0.5, 0.5, -50, -310)]),
    "E": (0.6, [[(0.6, 0), (0, 0), (0, 1), (0.6, 1)], [(0, 0.5), (0.5, 0.5)]]),
    "H": (0.8, [[(0, 0), (0, 1)], [(0.8, 0), (0.8, 1)], [(0, 0.5), (0.8, 0.5)]]),
    "I": (0.05, [[(0, 0), (0, 1)]]),
    "N": (0.85, [[(0, 1), (0, 0), (0.85, 1), (0.85, 0)]]),
    "R": (0.7, [[(0, 1), (0, 0), *_arc(0.4, 0.27, 0.27, 0.27, -90, 90), (0, 0.54)], [(0.35, 0.54), (0.7, 1)]]),
    "T": (0.8, [[(0, 0), (0.8, 0)], [(0.4, 0), (0.4, 1)]]),
    "V": (1.0, [[(0, 0), (0.5, 1), (1.0, 0)]]),
}


@lru_cache(maxsize=4)
def draw_word(letters: str = WORD, thin: int = THIN, strokes: tuple[int, int] = (STROKE, BOLD)) -> np.ndarray:
    """Draw a word.

    Args:
        letters: Keys of `GLYPHS`.
        thin: How many of them are thin.
        strokes: Pixels, how wide the strokes of thin and of bold letters are, of 300 that a letter is high.

    Returns:
        (H, W) float32, 1 where there is ink, just large enough for the word.
    """
    width = sum(round(GLYPHS[letter][0] * LETTER) + GAP for letter in letters) - GAP
    margin = max(strokes)
    ink = np.zeros((LETTER + margin, width + margin), np.float32)
    left = margin / 2
    for number, letter in enumerate(letters):
        span, lines = GLYPHS[letter]
        for line in lines:
            points = np.array(line) * LETTER + (left, margin / 2)
            pixels = np.round(points * (1 << BITS)).astype(np.int32)
            cv2.polylines(ink, [pixels], False, 1.0, strokes[0] if number < thin else strokes[1], cv2.LINE_8, BITS)
        left += round(span * LETTER) + GAP
    return cv2.GaussianBlur(ink, (0, 0), 1.5)
