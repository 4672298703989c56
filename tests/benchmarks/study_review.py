"""How long a person takes to correct a planted fault: actions counted in a real browser, seconds by a known model.

A wheel is missing, or a shadow is too much, in a photo of 1918x1280. One member has it right and a key takes it, or
none has, so that it is painted or cut away. Every step is done in headless Chromium, and the mask that is saved is held
against the truth. Seconds are the keystroke-level model's (Card, Moran and Newell, 1980): a key 0.2, to point at
something 1.1, to press or release a button 0.1, to make up one's mind 1.35, once before each part of the job. Writes
docs/measured/review.csv.

    python tests/benchmarks/study_review.py
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from routed import as_map, scene, with_shadow, without_wheel, write_routed
from screens import VIEWPORT, Screen, browser, served

TABLE = Path("docs/measured/review.csv").absolute()
KEY, POINT, BUTTON, MIND = 0.2, 1.1, 0.1, 1.35  # seconds
HEIGHT, WIDTH = 1280, 1918
UNIT, FLOOR = HEIGHT / 40, HEIGHT * 0.72  # of `scene`


class Hand:
    """Does what a person does on a screen, and counts it."""

    def __init__(self, screen: Screen) -> None:
        self.screen, self.actions, self.seconds = screen, 0, 0.0

    def mind(self) -> None:
        """Decide what comes next."""
        self.seconds += MIND

    def keys(self, *names: str) -> None:
        """Press keys."""
        self.screen.keys(*names)
        self._count(len(names), KEY * sum(1 + name.count("Shift") for name in names))

    def click(self, x: float, y: float, **options: str) -> None:
        """Point and click."""
        self.screen.click(x, y, **options)
        self._count(1, POINT + 2 * BUTTON)

    def drag(self, *points: tuple[float, float]) -> None:
        """Point, press, draw from point to point, release."""
        self.screen.drag(*points)
        self._count(1, POINT * len(points) + 2 * BUTTON)

    def _count(self, actions: int, seconds: float) -> None:
        self.actions += actions
        self.seconds += seconds


def take_proposal(hand: Hand) -> None:
    """Look at what is disputed and at the thumbnails, take the third member's."""
    hand.mind()
    hand.keys("3")


def paint_wheel(hand: Hand) -> None:
    """Make the brush nearly as large as the wheel, and turn it on the spot."""
    hand.mind()
    hand.keys("0", *["]"] * 6)  # 200 pixels; the wheel has 256
    hand.mind()
    x, y = WIDTH / 2 + 12 * UNIT, FLOOR - UNIT
    hand.drag((x - 27, y), (x - 20, y + 20), (x, y + 28), (x + 20, y + 20), (x + 27, y))


def cut_shadow(hand: Hand) -> None:
    """Wipe along below the wheels, between them, and once at either side."""
    hand.mind()
    hand.keys("0", "e", *["]"] * 3)  # 70 pixels, 2.2 units
    hand.mind()
    below, beside = FLOOR + 4.2 * UNIT, FLOOR + 2.2 * UNIT
    hand.drag((WIDTH / 2 - 21 * UNIT, below), (WIDTH / 2 + 21 * UNIT, below))
    hand.drag((WIDTH / 2 - 7.4 * UNIT, beside), (WIDTH / 2 + 7.4 * UNIT, beside))
    for side in (-1, 1):
        hand.click(WIDTH / 2 + side * 16.4 * UNIT, beside + 0.2 * UNIT)


CASES: dict[str, tuple[Callable, bool, Callable[[Hand], None]]] = {
    "a missing wheel, one member of three has it": (without_wheel, True, take_proposal),
    "a missing wheel, no member has it: brush": (without_wheel, False, paint_wheel),
    "a shadow too much, one member of three has it right": (with_shadow, True, take_proposal),
    "a shadow too much, no member has it right: eraser": (with_shadow, False, cut_shadow),
}


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Return the IoU of two masks."""
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


def main() -> None:
    """Do all cases and write the table."""
    photo, truth = scene(HEIGHT, WIDTH)
    rows = []
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        for number, (name, (spoil, one_right, act)) in enumerate(CASES.items()):
            wrong = spoil(truth)
            maps = [as_map(wrong), as_map(wrong), as_map(truth if one_right else wrong)]
            routes = write_routed(Path(folder) / f"{number}", [("photo", photo, maps, 0.5)])
            with served(routes) as address:
                context = chromium.new_context(viewport=VIEWPORT)
                hand = Hand(Screen(context.new_page(), address, routes).opened("photo"))
                act(hand)
                hand.keys("Enter")
                hand.screen.page.wait_for_selector("#notice:not([hidden])")
                kept = hand.screen.reviews.mask("photo")
                context.close()
            gain = {"iou_before": round(float(iou(wrong, truth)), 4), "iou_after": round(float(iou(kept, truth)), 4)}
            rows.append({"fault": name, "actions": hand.actions, "seconds": round(hand.seconds, 2)} | gain)
            print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
