"""Nose and tail of a car as decals: windscreen and rear glass, lamps, grille, bumpers, plates."""

import numpy as np

from maskfold.studio.bodies import Car
from maskfold.studio.decals import (
    CHROME,
    DARK_LAMP,
    GLASS,
    LAMP,
    PLASTIC,
    PLATE,
    PLATE_BLUE,
    RED_LAMP,
    SEAM,
    Decal,
    blank,
)
from maskfold.studio.flanks import tail_lamp
from maskfold.studio.shell import CABIN_SINK, Shell


def front_decal(car: Car, shell: Shell) -> Decal:
    """Paint the nose and the windscreen; the horizontal coordinate is y."""
    decal = blank(-shell.half_width - 0.02, shell.half_width + 0.02, car.body.height + 0.1)
    _, half, height = _glass(car, shell, front=True)
    _panes(decal, [np.concatenate([np.stack([half, height], 1), np.stack([-half, height], 1)[::-1]])])
    foot = float(height[0]) - CABIN_SINK / 2
    decal.band((half[0], foot - 0.02), (half[0], foot + 0.05), PLASTIC)
    half_width, top, sill = shell.half_width, shell.top_at(shell.half_length - 0.2), car.body.sill
    if car.body.cladding:
        decal.band((half_width, 0.0), (half_width, car.body.cladding), PLASTIC)
    _grille(decal, car, half_width, top)
    for side in (half_width, -half_width):
        lamp = ((0.48, 0.19), (0.6, 0.09), (1.0, 0.06), (1.0, 0.21), (0.7, 0.24))
        decal.polygon([(side * across, top - down) for across, down in lamp], LAMP, glass=0.6)
        decal.ellipse((side * 0.7, top - 0.16), (0.055, 0.05), DARK_LAMP, glass=0.6)
        decal.ellipse((side * 0.74, sill + 0.16), (0.06, 0.04), LAMP, glass=0.5)
    decal.band((half_width * 0.5, sill + 0.08), (half_width * 0.58, sill + 0.21), PLASTIC)
    _plate(decal, sill + 0.19)
    return decal.smoothed()


def rear_decal(car: Car, shell: Shell) -> Decal:
    """Paint the tail and the rear glass; the horizontal coordinate is y."""
    decal = blank(-shell.half_width - 0.02, shell.half_width + 0.02, car.body.height + 0.1)
    barn_doors = not car.body.last_window
    level, half, height = _glass(car, shell, front=False)
    if barn_doors:
        half, height = half[level > 0.3], height[level > 0.3]
        inner = np.full_like(half, 0.06)
        doors = [(side * 0.9 * half, side * inner) for side in (1, -1)]
        _panes(decal, [np.concatenate([np.stack([a, height], 1), np.stack([b, height], 1)[::-1]]) for a, b in doors])
    else:
        _panes(decal, [np.concatenate([np.stack([half, height], 1), np.stack([-half, height], 1)[::-1]])])
    half_width, sill = shell.half_width, car.body.sill
    if car.body.cladding:
        decal.band((half_width, 0.0), (half_width, car.body.cladding), PLASTIC)
    high, deep = tail_lamp(car, shell)
    inner = 0.55 if deep < 0.3 else 0.82
    for side in (half_width, -half_width):
        a, b = side * inner, side
        decal.polygon([(a, high - 0.03), (b, high), (b, high - deep), (a, high - deep * 0.8)], RED_LAMP, glass=0.6)
        stripe = [(a, high - deep * 0.45), (b, high - deep * 0.45), (b, high - deep * 0.65), (a, high - deep * 0.6)]
        decal.polygon(stripe, LAMP, glass=0.6)
    bumper, lid = sill + 0.33, half_width * 0.8
    decal.line([(-half_width, bumper), (half_width, bumper)], SEAM, 0.012, 0.7)
    decal.line([(-lid, bumper), (-lid, high + 0.02), (lid, high + 0.02), (lid, bumper)], SEAM, 0.01, 0.5)
    decal.band((half_width * 0.66, sill), (half_width * 0.7, sill + 0.1), PLASTIC)
    if barn_doors:
        decal.line([(0.0, sill + 0.1), (0.0, car.body.height)], SEAM, 0.014, 0.7)
    _plate(decal, sill + 0.2 if car.body.bed else high - 0.2)
    return decal.smoothed()


def _glass(car: Car, shell: Shell, *, front: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return level, half width and height of the glass from foot to head, each (12,)."""
    level = np.linspace(0.2, 0.97, 12)
    height = shell.cabin_height(shell.glass_ends(level)[0 if front else 1], level) + 0.03
    return level, shell.cabin_half_width(level) * 0.87, height


def _panes(decal: Decal, panes: list[np.ndarray]) -> None:
    for pane in panes:
        decal.line(np.concatenate([pane, pane[:1]]), PLASTIC, 0.04)
        decal.polygon(pane, GLASS, glass=1.0)


def _grille(decal: Decal, car: Car, half_width: float, top: float) -> None:
    tall = car.body.name in ("Pick-up", "SUV")
    half, middle, depth = (0.42, top - 0.22, 0.13) if tall else (0.36, top - 0.17, 0.075)
    half *= half_width
    decal.band((half, middle - depth), (1.15 * half, middle + depth), PLASTIC)
    for height in np.linspace(middle - depth, middle + depth, 4):
        decal.line([(-1.05 * half, height), (1.05 * half, height)], CHROME, 0.01, 0.8)
    decal.ellipse((0.0, middle), (0.065, 0.065), CHROME)


def _plate(decal: Decal, height: float) -> None:
    decal.band((0.16, height - 0.075), (0.16, height + 0.075), PLATE)
    decal.band((0.16, height - 0.075), (0.16, height - 0.03), PLATE_BLUE)
    decal.ellipse((-0.08, height + 0.02), (0.035, 0.035), PLATE_BLUE)
