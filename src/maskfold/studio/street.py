"""The street: a wider world than the studio's, where every photo has a room, a light and a lens of its own.

The cars and their masks are the studio's; only how they look differs.
"""

import cv2
import numpy as np

from maskfold.studio.camera import Camera, Rig
from maskfold.studio.scene import Look, empty_studio
from maskfold.studio.shading import Light, step
from maskfold.studio.street_room import coarse_noise, draw_room, furnish

SEE_THROUGH_SHARE = 0.6  # of the photos show the room through the car's glass


class StreetLight(Light):
    """Light of one photo: how much from where, which bright and dark things are mirrored, how wavy the sheet metal is.

    Args:
        rng: Where the chances come from.
    """

    def __init__(self, rng: np.random.Generator):
        self.gloss, self.glass_gloss = float(rng.uniform(0.5, 2.5)), float(rng.uniform(0.4, 4.0))
        self._ambient, self._top, self._front, self._side = rng.uniform((0.15, 0.4, 0.0, -0.25), (0.5, 1.1, 0.5, 0.25))
        self._foot, self._shade_height = rng.uniform((0.25, 0.15), (0.95, 0.9))
        self._wall, self._floor, self._behind = rng.uniform((0.4, 0.05, 0.0), (1.2, 0.7, 0.9))
        self._horizon = float(rng.uniform(-0.12, 0.12))
        count = int(rng.integers(1, 6))
        # Of each strip: azimuth, height, their halves, softness, and how bright it is (or how dark).
        self._strips = rng.uniform((-3.1, 0.0, 0.1, 0.03, 0.02, -0.5), (3.1, 0.95, 1.5, 0.2, 0.15, 2.5), (count, 6))
        self._waves = rng.normal(0, 1, (3, 3)) * (0.7, 1.5, 5.0)
        self._lifts = rng.normal(0, rng.uniform(0.0, 0.06), (3, 3)).astype(np.float32)
        self._phases = rng.uniform(0, 2 * np.pi, 3)

    def mirrored(
        self, points: np.ndarray, normals: np.ndarray, to_camera: np.ndarray, facing: np.ndarray
    ) -> np.ndarray:
        """Return the mirrored directions (N, 3), as sheet metal that is not quite flat gives them."""
        bent = normals.copy()
        for wave, lift, phase in zip(self._waves.astype(np.float32), self._lifts, self._phases, strict=True):
            bent += np.sin(points @ wave * 4 + phase).astype(np.float32)[:, None] * lift
        bent /= np.maximum(np.linalg.norm(bent, axis=1, keepdims=True), 1e-6)
        return 2 * np.einsum("nk,nk->n", bent, to_camera)[:, None] * bent - to_camera

    def irradiance(self, points: np.ndarray, normals: np.ndarray, camera: Camera) -> np.ndarray:
        """Return the diffuse light (N,)."""
        from_camera = np.maximum(normals @ camera.towards.astype(np.float32), 0)
        from_side = normals @ camera.right.astype(np.float32)
        high = np.clip(points[:, 2] / self._shade_height, 0, 1)
        near_floor = self._foot + (1 - self._foot) * np.where(normals[:, 2] > 0.3, 1, high)
        light = self._ambient + self._top * (0.5 + 0.5 * normals[:, 2]) + self._front * from_camera
        return np.maximum(light + self._side * from_side, 0.05) * near_floor

    def surroundings(self, direction: np.ndarray, camera: Camera) -> np.ndarray:
        """Return the light (N,) that comes from `direction` (N, 3)."""
        up = direction[:, 2]
        towards, right = direction @ camera.towards.astype(np.float32), direction @ camera.right.astype(np.float32)
        wall = self._wall * (1 - self._behind * step(towards, -0.3, 0.5))
        floor = self._floor * (1 - 0.5 * step(up, -0.3, 0.0))
        light = floor + (wall - floor) * step(up, self._horizon - 0.04, self._horizon + 0.04)
        azimuth = np.arctan2(right, towards)
        for where, height, wide, tall, soft, bright in self._strips:
            aside = np.abs((azimuth - where + np.pi) % (2 * np.pi) - np.pi)
            inside = step(-aside, -wide - 3 * soft, -wide) * step(-np.abs(up - height), -tall - soft, -tall)
            light += bright * inside
        return np.maximum(light, 0)


def compose(
    picture: np.ndarray,
    cover: np.ndarray,
    glass: np.ndarray,
    shaded: np.ndarray,
    room: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Put a car into its room, with seats behind its glass and the room behind them.

    Args:
        picture: (H, W, 3) float32 linear light of the car, times `cover`.
        cover: (H, W) float32, 0..1, how far a pixel is car.
        glass: (H, W) float32, 0..1, how far it is glass.
        shaded: (H, W) float32, the light that the car leaves on the floor.
        room: (H, W, 3) float32 linear light.
        rng: Where the chances come from.
    """
    height, width = cover.shape
    seats = np.zeros((height, width), np.float32)
    for cells in (6, 14, 30):
        noise = coarse_noise(rng, cells, height, width)
        low, high = np.sort(rng.uniform(-1.0, 1.2, 2))
        seats += step(noise, low, high + 0.02)
    colour = rng.uniform(0.0, 0.12) * rng.uniform(0.8, 1.2, 3)
    through = rng.uniform(0.05, 0.6) if rng.random() < SEE_THROUGH_SHARE else 0.0
    panes = glass[..., None] * (seats[..., None] * colour + through * (1 - seats[..., None] / 3) * room)
    return picture + panes.astype(np.float32) + (1 - cover)[..., None] * room * shaded[..., None]


def street_room(
    rig: Rig, view: int, size: tuple[int, int], rng: np.random.Generator, *, blinding: bool
) -> tuple[Look, np.ndarray]:
    """Draw the room of one photo.

    Args:
        rig: The camera's set-up.
        view: 1 to 16.
        size: (height, width) in pixels.
        rng: Where the chances come from.
        blinding: Whether wall and floor are nearly as white as paper.

    Returns:
        Its look, and the room without a car, (H, W, 3) float32 linear light.
    """
    camera = Camera(rig, view, *size)
    look: Look = draw_room(rng, blinding=blinding)
    kerb = rng.uniform(0.03, 0.14) if rng.random() < 0.3 else 0.0
    room = empty_studio(look, camera, kerb=kerb)
    furnish(room, camera, rng)
    return look, cv2.GaussianBlur(room, (0, 0), float(rng.uniform(0.3, 1.0)))
