"""The flank of a car as a decal: windows, doors, lamps, cladding."""

import numpy as np

from maskfold.studio.bodies import Car
from maskfold.studio.decals import AMBER, CHROME, GLASS, LAMP, PLASTIC, RED_LAMP, SEAM, Decal, blank
from maskfold.studio.shell import Shell


def side_decal(car: Car, shell: Shell) -> Decal:
    """Paint the flank, the same for both sides; the horizontal coordinate is x."""
    decal = blank(shell.half_length, -shell.half_length, car.body.height + 0.1)
    _side_windows(decal, car, shell)
    _doors(decal, car, shell)
    _side_lamps(decal, car, shell)
    if car.body.cladding:
        low = car.body.cladding
        x = shell.half_length
        decal.polygon([(x, low), (-x, low), (-x, 0), (x, 0)], PLASTIC)
        for axle in (car.body.front_axle, car.body.rear_axle):
            turn = np.linspace(0, np.pi, 30)
            reach = 1.27 * car.body.wheel_radius
            arch = np.stack([x - axle + reach * np.cos(turn), car.body.wheel_radius + reach * np.sin(turn)], axis=1)
            decal.polygon(arch, PLASTIC)
    return decal.smoothed()


def tail_lamp(car: Car, shell: Shell) -> tuple[float, float]:
    """Return the upper edge of the tail lamps above the floor, and their height, metres."""
    top = shell.top_at(-shell.half_length + 0.1)
    if car.body.bed:
        return top - 0.1, 0.42
    return (top - 0.06, 0.2) if car.body.last_window else (top + 0.25, 0.42)


def _side_windows(decal: Decal, car: Car, shell: Shell) -> None:
    outlines = _side_panes(car, shell)
    for outline in outlines:
        decal.line(np.concatenate([outline, outline[:2]]), CHROME if car.chrome else PLASTIC, 0.03)
    for outline in outlines:
        decal.polygon(outline, GLASS, glass=1.0)


def _side_panes(car: Car, shell: Shell) -> list[np.ndarray]:
    """Return the outline of each side window, (N, 2) of x and height in metres: straight pillars, curved elsewhere."""
    level = np.linspace(0.2, 0.95, 12)
    front, rear = shell.glass_ends(level)
    front, rear = front - 0.13 - 0.1 * (1 - level), rear + 0.13
    edges = [shell.half_length - pillar for pillar in car.body.pillars]
    panes = list(zip([None, *edges], [*edges, None], strict=True))
    if not car.body.last_window:
        panes = panes[:-1]
    outlines = []
    for start, end in panes:
        left = front if start is None else np.minimum(front, start - 0.04)
        right = rear if end is None else np.maximum(rear, end + 0.04)
        keep = left - right > 0.02
        if keep.sum() < 2:
            continue
        ahead, behind, heights = left[keep], right[keep], level[keep]
        across = np.linspace(0, 1, 12)
        top = ahead[-1] + (behind[-1] - ahead[-1]) * across
        bottom = behind[0] + (ahead[0] - behind[0]) * across
        x = np.concatenate([ahead, top, behind[::-1], bottom])
        levels = np.concatenate([heights, np.full(12, heights[-1]), heights[::-1], np.full(12, heights[0])])
        outlines.append(np.stack([x, shell.cabin_height(x, levels)], axis=1))
    return outlines


def _doors(decal: Decal, car: Car, shell: Shell) -> None:
    body, x0 = car.body, shell.half_length
    low = body.sill + 0.14
    edges = [body.windscreen[0] + 0.1, *body.pillars]
    for edge in edges[:3]:
        x = x0 - edge
        near_arch = abs(body.rear_axle - edge) < 1.35 * body.wheel_radius
        end = body.wheel_radius * 2.1 if near_arch else low
        decal.line([(x, shell.top_at(x) + 0.02), (x - 0.02, end)], SEAM, 0.012, 0.75)
    decal.line(
        [(x0 - edges[0], low), (x0 - min(edges[-1], body.rear_axle - 1.2 * body.wheel_radius), low)], SEAM, 0.01, 0.6
    )
    for edge in edges[1:3] if len(edges) > 2 else edges[1:]:
        x = x0 - edge + 0.24
        height = shell.top_at(x) - 0.13
        decal.line([(x - 0.09, height), (x + 0.09, height)], SEAM, 0.045, 0.35)
        decal.line([(x - 0.09, height + 0.006), (x + 0.09, height + 0.006)], CHROME if car.chrome else SEAM, 0.02, 0.6)
    if not body.last_window:
        x = np.array([x0 - body.pillars[0] - 0.15, -x0 + 0.15])
        decal.line(np.stack([x, [0.86 * body.height] * 2], axis=1), SEAM, 0.01, 0.4)
        decal.line([(x[0] - 1.1, 0.86 * body.height), (x[0] - 1.1, low)], SEAM, 0.012, 0.7)


def _side_lamps(decal: Decal, car: Car, shell: Shell) -> None:
    x0 = shell.half_length
    front, rear = shell.top_at(x0 - 0.25), shell.top_at(-x0 + 0.1)
    decal.polygon(
        [(x0, front - 0.14), (x0 - 0.34, front - 0.05), (x0 - 0.2, front - 0.19), (x0, front - 0.22)], LAMP, glass=0.6
    )
    decal.polygon([(x0 - 0.2, front - 0.09), (x0 - 0.3, front - 0.07), (x0 - 0.2, front - 0.15)], AMBER, glass=0.5)
    high, deep = tail_lamp(car, shell)
    decal.polygon(
        [(-x0, high), (-x0 + 0.26, high - 0.02), (-x0 + 0.14, high - deep), (-x0, high - deep)], RED_LAMP, glass=0.6
    )
    decal.line([(x0, 0.5 * front + 0.05), (x0 - 0.2, 0.5 * front + 0.05)], SEAM, 0.01, 0.5)
    decal.line([(-x0, 0.55 * rear), (-x0 + 0.25, 0.55 * rear)], SEAM, 0.01, 0.5)
