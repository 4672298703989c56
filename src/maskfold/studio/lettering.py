"""The large letters on the studio's wall, drawn with strokes: the first half thin, the second bold."""

from functools import cache

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
}


@cache
def draw_word() -> np.ndarray:
    """Draw the word.

    Returns:
        (H, W) float32, 1 where there is ink, just large enough for the word.
    """
    width = sum(round(GLYPHS[letter][0] * LETTER) + GAP for letter in WORD) - GAP
    ink = np.zeros((LETTER + BOLD, width + BOLD), np.float32)
    left = BOLD / 2
    for number, letter in enumerate(WORD):
        span, strokes = GLYPHS[letter]
        for stroke in strokes:
            points = np.array(stroke) * LETTER + (left, BOLD / 2)
            line = np.round(points * (1 << BITS)).astype(np.int32)
            cv2.polylines(ink, [line], False, 1.0, STROKE if number < THIN else BOLD, cv2.LINE_8, BITS)
        left += round(span * LETTER) + GAP
    return cv2.GaussianBlur(ink, (0, 0), 1.5)
