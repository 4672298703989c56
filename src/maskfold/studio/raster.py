"""From parts to pixels: which part is seen where, at which point of its surface."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.studio.camera import Camera
from maskfold.studio.mesh import Mesh
from maskfold.studio.parts import Part

SUBPIXEL_BITS = 4
MIN_AREA = 1e-4  # pixels squared; what is thinner is seen edge on


@dataclass(frozen=True)
class Surface:
    """What the camera sees of a car.

    Attributes:
        part: (H, W) int16, index of the part, -1 where there is none.
        points: (H, W, 3) float32, the surface point, metres.
        normals: (H, W, 3) float32, its normal, not quite of unit length.
        gaps: (H, W) bool, where one looks through the face of a wheel.
    """

    part: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    gaps: np.ndarray


def rasterise(parts: list[Part], camera: Camera) -> Surface:
    """Draw the parts: the nearest wins, pixel by pixel."""
    size = camera.height, camera.width
    nearness = np.zeros(size, np.float32)
    surface = Surface(
        np.full(size, -1, np.int16),
        np.zeros((*size, 3), np.float32),
        np.zeros((*size, 3), np.float32),
        np.zeros(size, bool),
    )
    for index, part in enumerate(parts):
        drawn = _draw(part, camera)
        if drawn is None:
            continue
        rows, columns, values = drawn
        points = values[:, :3] / values[:, 3:4]
        if part.cut is not None:
            cut = part.cut(points)
            if part.cut_is_gap:
                surface.gaps[rows[cut], columns[cut]] = True
            rows, columns, values, points = rows[~cut], columns[~cut], values[~cut], points[~cut]
        nearer = values[:, 3] > nearness[rows, columns]
        rows, columns = rows[nearer], columns[nearer]
        nearness[rows, columns] = values[nearer, 3]
        surface.part[rows, columns] = index
        surface.points[rows, columns] = points[nearer]
        surface.normals[rows, columns] = values[nearer, 4:]
    return surface


def _draw(part: Part, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Draw one part alone.

    Returns:
        Rows (N,), columns (N,) and, per pixel, the point over the depth, one over the depth, and the normal, (N, 7)
        float32; None if nothing of it is in the picture.
    """
    mesh = part.mesh
    pixels, depth = camera.project(mesh.vertices)
    corners = pixels[mesh.triangles]
    areas = _doubled_areas(corners)
    seen = np.abs(areas) > MIN_AREA if part.both_sides else areas < -MIN_AREA
    order = np.flatnonzero(seen)
    first, second, third = corners[order].swapaxes(0, 1)  # a loop over three corners would take longer than the rest
    low, high = np.minimum(np.minimum(first, second), third), np.maximum(np.maximum(first, second), third)
    inside = (low < (camera.width, camera.height)) & (high > -1)
    order = order[inside[:, 0] & inside[:, 1]]
    if not len(order):
        return None
    order = order[np.argsort(-depth[mesh.triangles[order]].sum(axis=1), kind="stable")]
    corners = corners[order]
    corner = np.maximum(np.floor(corners.min(axis=(0, 1))).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=(0, 1))).astype(int) + 2, (camera.width, camera.height))
    which = np.full((bottom - corner[1], right - corner[0]), -1, np.int32)
    corners -= corner
    for number, outline in enumerate(np.round(corners * (1 << SUBPIXEL_BITS)).astype(np.int32)):
        cv2.fillConvexPoly(which, outline, number, lineType=cv2.LINE_8, shift=SUBPIXEL_BITS)
    rows, columns = np.nonzero(which >= 0)
    triangle = which[rows, columns]
    per_corner = _values(mesh, depth).astype(np.float32)[mesh.triangles[order]]
    share = _shares(corners, rows, columns, triangle)
    values = np.einsum("nc,ncv->nv", share, per_corner[triangle])
    return rows + corner[1], columns + corner[0], values


def _doubled_areas(corners: np.ndarray) -> np.ndarray:
    """Return twice the signed areas (T,) of triangles (T, 3, 2)."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


def _values(mesh: Mesh, depth: np.ndarray) -> np.ndarray:
    """Return what is linear in the picture on a triangle, per vertex: (V, 7)."""
    nearness = 1 / depth[:, None]
    return np.concatenate([mesh.vertices * nearness, nearness, mesh.normals], axis=1)


def _shares(corners: np.ndarray, rows: np.ndarray, columns: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """Return each pixel's barycentric coordinates (N, 3) float32 in its triangle, those just outside pulled in."""
    shown = np.zeros(len(corners), bool)
    shown[triangle] = True  # of all triangles, which are mostly hidden by others: not many
    system = np.concatenate([np.ones((shown.sum(), 3, 1)), corners[shown]], axis=2)
    planes = np.linalg.inv(system).astype(np.float32)[(np.cumsum(shown) - 1)[triangle]]
    share = (
        planes[:, 0]
        + columns[:, None].astype(np.float32) * planes[:, 1]
        + rows[:, None].astype(np.float32) * planes[:, 2]
    )
    np.clip(share, 0, 1, out=share)
    share /= share.sum(axis=1, keepdims=True)
    return share
