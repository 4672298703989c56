"""How light falls on a car in the studio: white walls around, a bright panel above, a dark hall behind the camera."""

import numpy as np

from maskfold.studio.bodies import PAINTS, Car
from maskfold.studio.camera import Camera
from maskfold.studio.ends import front_decal, rear_decal
from maskfold.studio.flanks import side_decal
from maskfold.studio.parts import Part
from maskfold.studio.raster import Surface
from maskfold.studio.shell import Shell

# Linear-light colour and strength of the mirror-like coat.
STUFFS = {
    "chassis": ((0.006, 0.006, 0.006), 0.0),
    "tyre": ((0.018, 0.018, 0.019), 0.15),
    "rim": ((0.45, 0.45, 0.46), 1.2),
    "barrel": ((0.05, 0.05, 0.05), 0.3),
    "brake": ((0.12, 0.12, 0.125), 0.5),
    "antenna": ((0.015, 0.015, 0.016), 0.3),
    "trim": ((0.015, 0.015, 0.016), 0.3),
    "rail": ((0.2, 0.2, 0.2), 1.0),
    "bed": ((0.015, 0.015, 0.015), 0.0),
}
DARK_RIM = (0.015, 0.015, 0.016)
BARE_PAINT = {"body": 0.8, "cabin": 0.975}  # upward share of the normal where roof, bonnet and lid begin


class Skin:
    """The decals of one car, painted once and looked up at every view."""

    def __init__(self, car: Car):
        shell = Shell(car.body)
        self.paint = np.array(PAINTS[car.paint][0], np.float32)
        self.rim = DARK_RIM if car.dark_wheels else STUFFS["rim"][0]
        self.side, self.front, self.rear = side_decal(car, shell), front_decal(car, shell), rear_decal(car, shell)

    def painted(self, points: np.ndarray, normals: np.ndarray, steepest: float) -> tuple[np.ndarray, ...]:
        """Look up what is seen of the painted parts.

        Args:
            points: (N, 3) float32, metres.
            normals: (N, 3) float32, of unit length.
            steepest: The upward share of a normal beyond which a surface counts as roof, bonnet or lid: bare paint.

        Returns:
            Colour (N, 3), how far it is glass (N,), how far something covers the paint (N,), float32.
        """
        bare = normals[:, 2] > steepest
        lengthwise = np.abs(normals[:, 0]) > np.abs(normals[:, 1])
        forwards = normals[:, 0] > 0
        ink, glass = np.zeros((len(points), 4), np.float32), np.zeros(len(points), np.float32)
        for decal, axis, facing in (
            (self.side, 0, ~lengthwise),
            (self.front, 1, lengthwise & forwards),
            (self.rear, 1, lengthwise & ~forwards),
        ):
            here = np.flatnonzero(facing & ~bare)
            if len(here):
                ink[here], glass[here] = decal.at(points[here, axis], points[here, 2])
        cover = ink[:, 3]
        return ink[:, :3] + (1 - cover)[:, None] * self.paint, glass, cover


class Light:
    """The studio's light; another world's light inherits from it.

    Attributes:
        gloss, glass_gloss: Strength of what is mirrored by everything, and by glass; 1 as in the studio.
    """

    gloss = 1.0
    glass_gloss = 1.0

    def mirrored(
        self, points: np.ndarray, normals: np.ndarray, to_camera: np.ndarray, facing: np.ndarray
    ) -> np.ndarray:
        """Return the directions (N, 3) that surface points (N, 3) mirror, `facing` (N,) being normal times camera."""
        return 2 * facing[:, None] * normals - to_camera

    def irradiance(self, points: np.ndarray, normals: np.ndarray, camera: Camera) -> np.ndarray:
        """Return the diffuse light (N,): much from above, some from all walls, little near the floor."""
        from_above = 0.5 + 0.5 * normals[:, 2]
        from_camera = np.maximum(normals @ camera.towards.astype(np.float32), 0)
        floor_shadow = np.clip(points[:, 2] / 0.6, 0, 1)
        near_floor = 0.55 + 0.45 * np.where(normals[:, 2] > 0.3, 1, floor_shadow)
        return (0.22 + 0.72 * from_above + 0.16 * from_camera) * near_floor

    def surroundings(self, direction: np.ndarray, camera: Camera) -> np.ndarray:
        """Return the light (N,) that comes from `direction` (N, 3)."""
        up = direction[:, 2]
        towards = direction @ camera.towards.astype(np.float32)
        wall = 0.85 - 0.75 * step(towards, -0.3, 0.5) + 0.35 * step(up, 0.25, 0.45)
        floor = 0.12 + 0.4 * step(up, -0.8, -0.1) - 0.15 * step(towards, 0.2, 0.9)
        panel = 1.6 * step(up, 0.55, 0.66) - 0.9 * step(up, 0.86, 0.93)
        return floor + (wall - floor) * step(up, -0.06, 0.03) + panel


def shade(
    parts: list[Part], surface: Surface, skin: Skin, camera: Camera, light: Light
) -> tuple[np.ndarray, np.ndarray]:
    """Return the light from each surface point.

    Args:
        parts: The car's parts, in the order `surface.part` counts them.
        surface: What is seen.
        skin: The car's paint.
        camera: Where it is seen from.
        light: What shines on it.

    Returns:
        (H, W, 3) float32 linear light, 1 is white paper, and (H, W) float32, how far it is glass, 0..1; both 0 where
        there is no car.
    """
    picture = np.zeros((*surface.part.shape, 3), np.float32)
    panes = np.zeros(surface.part.shape, np.float32)
    rows, columns = np.nonzero(surface.part >= 0)
    which = surface.part[rows, columns]
    points, normals = surface.points[rows, columns], surface.normals[rows, columns]
    to_camera = camera.position.astype(np.float32) - points
    to_camera /= np.linalg.norm(to_camera, axis=1, keepdims=True)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    facing = np.einsum("nk,nk->n", normals, to_camera)
    normals *= np.where(facing < 0, -1, 1).astype(np.float32)[:, None]
    facing = np.abs(facing)
    colour, glass, coat = _stuff(parts, which, points, normals, skin)
    mirrored = light.mirrored(points, normals, to_camera, facing)
    coat *= light.gloss + (light.glass_gloss - light.gloss) * glass
    reflectance = (0.055 + 0.03 * glass + (0.85 - 0.2 * glass) * (1 - facing) ** 5) * coat
    diffuse = light.irradiance(points, normals, camera)
    picture[rows, columns] = colour * diffuse[:, None] + (reflectance * light.surroundings(mirrored, camera))[:, None]
    panes[rows, columns] = glass
    return picture, panes


def _stuff(
    parts: list[Part], which: np.ndarray, points: np.ndarray, normals: np.ndarray, skin: Skin
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    colour = np.zeros_like(points)
    glass, coat = np.zeros(len(points), np.float32), np.ones(len(points), np.float32)
    for index, part in enumerate(parts):
        here = np.flatnonzero(which == index)
        if part.kind in BARE_PAINT:
            colour[here], glass[here], cover = skin.painted(points[here], normals[here], BARE_PAINT[part.kind])
            coat[here] = 1 - 0.6 * cover * (1 - np.minimum(2 * glass[here], 1))
        elif part.kind == "mirror":
            colour[here] = skin.paint
        else:
            colour[here], coat[here] = STUFFS[part.kind]
            if part.kind == "rim":
                colour[here] = skin.rim
    return colour, glass, coat


def step(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise smoothly from 0 at `low` to 1 at `high`."""
    share = np.clip((value - low) / (high - low), 0, 1)
    return share * share * (3 - 2 * share)
