"""A car put together from its parts."""

import numpy as np

from maskfold.studio.bodies import Car
from maskfold.studio.mesh import Mesh, pebble, tube
from maskfold.studio.parts import Part
from maskfold.studio.shell import CROWN, Shell
from maskfold.studio.wheels import RIM, axle_positions, wheel_parts

ARCH = 1.13  # radius of a wheel arch over the radius of the tyre
BED_DEPTH = 0.48  # metres


def build_parts(car: Car, rng: np.random.Generator) -> list[Part]:
    """Build every part of `car`, in metres: x forwards from the middle, y to the car's left, z up from the floor."""
    shell = Shell(car.body)
    parts = [
        Part(kind="body", mesh=shell.lower_mesh(), cut=lambda position: _body_openings(position, car, shell)),
        Part(kind="cabin", mesh=shell.cabin_mesh()),
        Part(kind="chassis", mesh=_chassis(car, shell), cut=lambda position: _near_axles(position, car, 0.92 * RIM)),
        Part(kind="chassis", mesh=_lining(shell), cut=lambda position: _body_openings(position, car, shell)),
        *wheel_parts(car, rng),
        *_mirrors(shell),
    ]
    if car.body.bed:
        parts.append(Part(kind="bed", mesh=_bed(car, shell)))
    if car.antenna != "none":
        parts.append(Part(kind="antenna", mesh=_antenna(car, shell)))
    if car.rails:
        parts += [Part(kind="rail", mesh=_rail(car, shell, side)) for side in (1, -1)]
    return parts


def _near_axles(position: np.ndarray, car: Car, reach: float) -> np.ndarray:
    radius = car.body.wheel_radius
    height = (position[:, 2] - radius) ** 2
    cut = np.zeros(len(position), dtype=bool)
    for axle in axle_positions(car):
        cut |= (position[:, 0] - axle) ** 2 + height < (reach * radius) ** 2
    return cut


def _body_openings(position: np.ndarray, car: Car, shell: Shell) -> np.ndarray:
    cut = _near_axles(position, car, ARCH) & (np.abs(position[:, 1]) > 0.5 * shell.half_width)
    if car.body.bed:
        x, y, z = position.T
        start, end = (shell.half_length - value for value in car.body.bed)
        cut |= (x < start) & (x > end) & (np.abs(y) < 0.81 * shell.half_width) & (z > shell.top(x) - 0.1)
    return cut


def _chassis(car: Car, shell: Shell) -> Mesh:
    low, high = 0.9 * car.body.sill, 0.74 * shell.top_at(0.0)
    return pebble(
        (0.0, 0.0, (low + high) / 2),
        (shell.half_length - 0.25, 0.74 * shell.half_width, (high - low) / 2),
        exponent=9.0,
    )


def _lining(shell: Shell) -> Mesh:
    """Make the inside of the bodywork, which shows through the wheel arches."""
    outside = shell.lower_mesh(ring=56, side=5, top=5)
    return _inside_out(Mesh(outside.vertices * 0.985, outside.normals, outside.triangles))


def _bed(car: Car, shell: Shell) -> Mesh:
    start, end = (shell.half_length - value for value in car.body.bed)
    top = shell.top_at(end)
    size = ((start - end) / 2 + 0.02, 0.82 * shell.half_width, BED_DEPTH / 2)
    box = pebble(((start + end) / 2, 0.0, top - BED_DEPTH / 2), size, exponent=12.0)
    return _inside_out(box)


def _inside_out(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, -mesh.normals, mesh.triangles[:, ::-1])


def _mirrors(shell: Shell) -> list[Part]:
    x = shell.half_length - shell.body.windscreen[0] - 0.42
    height = shell.top_at(x) + 0.1
    reach = shell.half_width + 0.1
    parts = []
    for side in (1, -1):
        head = pebble((x, side * reach, height), (0.07, 0.115, 0.075), exponent=3.2)
        stalk = pebble((x, side * (reach - 0.2), height - 0.06), (0.045, 0.16, 0.025))
        parts += [Part(kind="mirror", mesh=head), Part(kind="trim", mesh=stalk)]
    return parts


def _antenna(car: Car, shell: Shell) -> Mesh:
    x = shell.half_length - car.body.rear_glass[1] + 0.18
    height = float(shell.roof(np.array(x)))
    if car.antenna == "fin":
        return pebble((x, 0.0, height + 0.015), (0.085, 0.02, 0.045), exponent=2.2)
    rise = np.linspace(-0.02, 0.3, 8)
    return tube(np.stack([x - 0.55 * rise, np.zeros(8), height + rise], axis=1), 0.0065)


def _rail(car: Car, shell: Shell, side: int) -> Mesh:
    front = shell.half_length - car.body.windscreen[1] - 0.1
    rear = shell.half_length - car.body.rear_glass[1] + 0.1
    x = np.linspace(front, rear, 24)
    lift = 0.075 * np.minimum(1.0, np.minimum(front - x, x - rear) / 0.15) - 0.03
    y = np.full_like(x, side * 0.84 * car.body.roof_width * shell.half_width)
    return tube(np.stack([x, y, shell.roof(x) - 0.3 * CROWN + lift], axis=1), 0.02)
