"""Wheels one can see through: tyre, rim face with spokes and gaps, rim barrel, brake."""

import numpy as np

from maskfold.studio.bodies import Car
from maskfold.studio.mesh import revolved
from maskfold.studio.parts import Part

RIM = 0.68  # radius of the rim over the radius of the tyre
HUB, GAP_END = 0.3, 0.9  # the gaps between spokes begin and end here, over the radius of the rim
TYRE_WIDTH = 0.21  # metres


def axle_positions(car: Car) -> tuple[float, float]:
    """Return x of the front and the rear axle, metres from the car's middle."""
    return car.body.length / 2 - car.body.front_axle, car.body.length / 2 - car.body.rear_axle


def wheel_gaps(position: np.ndarray, car: Car, centre: np.ndarray, phase: float) -> np.ndarray:
    """Tell which points of a rim's face lie between spokes.

    Args:
        position: (N, 3) metres.
        car: Its spokes.
        centre: (3,) of the wheel, metres.
        phase: The turn of the wheel, radians.
    """
    x, z = position[:, 0] - centre[0], position[:, 2] - centre[2]
    rim = RIM * car.body.wheel_radius
    radius = np.hypot(x, z) / rim
    turn = (np.arctan2(z, x) - phase) * car.spokes / (2 * np.pi)
    off_spoke = np.abs(turn - np.round(turn)) * 2
    # A spoke is a little wider at the hub than a mere sector would be.
    return (radius > HUB) & (radius < GAP_END) & (off_spoke > car.spoke_width * (0.75 + 0.25 / (radius + 0.3)))


def wheel_parts(car: Car, rng: np.random.Generator) -> list[Part]:
    """Build the four wheels, each with its own turn."""
    parts = []
    for x in axle_positions(car):
        for side in (1, -1):
            outer = side * (car.body.width / 2 - 0.025 - TYRE_WIDTH / 2)
            parts += _wheel(car, np.array([x, outer, car.body.wheel_radius]), side, float(rng.uniform(0, 2 * np.pi)))
    return parts


def _wheel(car: Car, centre: np.ndarray, side: int, phase: float) -> list[Part]:
    tyre, rim, half = car.body.wheel_radius, RIM * car.body.wheel_radius, TYRE_WIDTH / 2
    profiles = {
        "tyre": (
            (rim * 0.97, half * 0.75), (rim, half * 0.9), (rim * 1.05, half * 0.98), (tyre * 0.9, half),
            (tyre * 0.975, half * 0.88), (tyre, half * 0.6), (tyre, -half * 0.6), (tyre * 0.95, -half),
            (rim, -half),
        ),
        "rim": ((0.0, half * 0.74), (rim * 0.18, half * 0.72), (rim * 0.3, half * 0.6), (rim * 0.85, half * 0.7),
                (rim * 0.93, half * 0.86), (rim, half * 0.9)),
        "barrel": ((rim * 0.92, -half * 0.35), (rim * 0.95, half * 0.85)),
        "brake": ((0.0, -half * 0.1), (rim * 0.62, -half * 0.1)),
    }  # fmt: skip
    cut = (lambda position: wheel_gaps(position, car, centre, phase)) if car.open_wheels else None
    kinds = profiles if car.open_wheels else ("tyre", "rim")
    return [
        Part(
            kind=kind,
            mesh=revolved(profiles[kind], side).moved(tuple(centre)),
            cut=cut if kind == "rim" else None,
            cut_is_gap=kind == "rim",
            both_sides=kind in ("brake", "rim"),
        )
        for kind in kinds
    ]
