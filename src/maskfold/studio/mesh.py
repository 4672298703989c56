"""Triangle meshes of the few shapes a car is made of, each a bent grid with smooth normals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Mesh:
    """Vertices (V, 3) float64 in metres, unit normals (V, 3), triangles (T, 3) int, counter-clockwise from outside."""

    vertices: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray

    def moved(self, offset: tuple[float, float, float]) -> "Mesh":
        """Return the mesh shifted by `offset` metres."""
        return Mesh(self.vertices + np.asarray(offset), self.normals, self.triangles)


def grid_mesh(points: np.ndarray) -> Mesh:
    """Make a mesh of a grid of points, (U, V, 3), closed along U, open along V.

    The outside is where the cross product of the U and the V direction points.
    """
    rows, columns, _ = points.shape
    along_u = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    normals = np.cross(along_u, np.gradient(points, axis=1)).reshape(-1, 3)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    row, column = np.meshgrid(np.arange(rows), np.arange(columns - 1), indexing="ij")
    a, b = (row * columns + column).ravel(), ((row + 1) % rows * columns + column).ravel()
    triangles = np.concatenate([np.stack([a, b, b + 1], axis=1), np.stack([a, b + 1, a + 1], axis=1)])
    return Mesh(points.reshape(-1, 3), normals, triangles)


def smooth_curve(points: tuple[tuple[float, float], ...], softness: float) -> Curve:
    """Return a function through `points`, straight between them, its corners rounded by a Gaussian.

    Args:
        points: (argument, value) in rising order of argument.
        softness: Standard deviation of the Gaussian, in units of the argument.
    """
    x, y = np.array(points, dtype=float).T
    step = (x[-1] - x[0]) / 400
    reach = int(np.ceil(3 * softness / step))
    grid = x[0] + step * np.arange(-reach, 401 + reach)
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / softness) ** 2)
    smooth = np.convolve(np.interp(grid, x, y), window / window.sum(), mode="valid")
    return lambda argument: np.interp(argument, grid[reach : reach + 401], smooth)


def rounded_outline(count: int, front: float, rear: float, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (x, y), each (count,) in [-1, 1]: a rectangle with round corners, evenly spaced, counter-clockwise.

    It is a superellipse whose exponent is `front` where x > 0 and `rear` where x < 0; `aspect` is the length over the
    width at which the spacing is even.
    """
    angle = np.linspace(0, 2 * np.pi, 8001)
    cosine, sine = np.cos(angle), np.sin(angle)
    exponent = np.where(cosine > 0, 2 / front, 2 / rear)
    x, y = np.sign(cosine) * np.abs(cosine) ** exponent, np.sign(sine) * np.abs(sine) ** exponent
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x) * aspect, np.diff(y)))])
    even = np.arange(count) * length[-1] / count
    return np.interp(even, length, x), np.interp(even, length, y)


def tube(path: np.ndarray, radius: float, sides: int = 6) -> Mesh:
    """Make a round bar, closed at both ends, along `path` (P, 3) in metres."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    across = np.cross(tangent, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(tangent, across)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = np.cos(angle)[:, None, None] * across + np.sin(angle)[:, None, None] * other
    body = path + radius * ring
    ends = np.broadcast_to(path, body.shape)
    return grid_mesh(np.concatenate([ends[:, :1], body, ends[:, -1:]], axis=1))


def pebble(centre: tuple[float, float, float], size: tuple[float, float, float], exponent: float = 3.0) -> Mesh:
    """Make a box of half-sizes `size` metres, rounded as a superellipsoid."""
    turn, rise = np.arange(20) * np.pi / 10, np.linspace(-np.pi / 2, np.pi / 2, 11)

    def bent(value: np.ndarray) -> np.ndarray:
        return np.sign(value) * np.abs(value) ** (2 / exponent)

    x, y = np.outer(bent(np.cos(turn)), bent(np.cos(rise))), np.outer(bent(np.sin(turn)), bent(np.cos(rise)))
    z = np.broadcast_to(bent(np.sin(rise)), x.shape)
    return grid_mesh(np.stack([x, y, z], axis=-1) * np.asarray(size)).moved(centre)


def revolved(profile: tuple[tuple[float, float], ...], side: int, sides: int = 36) -> Mesh:
    """Turn a profile of (radius, outward distance) about the y axis; `side` +1 faces left (+y), -1 right.

    The outside of the surface is on the left hand of the profile's direction when it is drawn with the radius to the
    right and the outward distance up.
    """
    radius, outward = np.array(profile, dtype=float).T
    angle = side * np.arange(sides) * 2 * np.pi / sides
    x, z = np.outer(np.cos(angle), radius), np.outer(np.sin(angle), radius)
    y = np.broadcast_to(side * outward, x.shape)
    return grid_mesh(np.stack([x, y, z], axis=-1))
