"""The studio's camera: where it stands, and where a point in the studio falls in the picture."""

from dataclasses import dataclass

import numpy as np

VIEWS = 16
ASPECT = 1918 / 1280  # the real photos'


@dataclass(frozen=True, kw_only=True)
class Rig:
    """How the camera was set up for one car; measured on the real photos.

    Attributes:
        distance: From the middle of the turntable, metres.
        height: Above the floor, metres.
        focal: Focal length over the picture's width.
        tilt: How far it looks down, radians.
        shift: The car's middle off the turntable's, (x, y) metres.
    """

    distance: float
    height: float
    focal: float
    tilt: float
    shift: tuple[float, float]


def draw_rig(rng: np.random.Generator) -> Rig:
    """Draw a camera set-up for one car."""
    return Rig(
        distance=float(rng.uniform(8.7, 9.3)),
        height=float(rng.uniform(1.85, 2.2)),
        focal=float(rng.uniform(1.32, 1.42)),
        tilt=float(rng.uniform(0.125, 0.185)),
        shift=(float(rng.normal(0, 0.08)), float(rng.normal(0, 0.06))),
    )


class Camera:
    """A pinhole camera at one view of the turntable.

    The frame of reference is the car's: x forwards, y to its left, z up, metres, the origin on the floor under the
    middle of the car; the camera goes round it. View 1 sees the nose, view 5 the left side, view 9 the tail.
    """

    def __init__(self, rig: Rig, view: int, height: int, width: int):
        self.height, self.width = height, width
        self.azimuth = (view - 1) * 2 * np.pi / VIEWS
        self.focal = rig.focal * min(width, height * ASPECT)
        towards = np.array([np.cos(self.azimuth), np.sin(self.azimuth), 0.0])
        self.centre = -np.array([*rig.shift, 0.0])
        self.position = self.centre + rig.distance * towards + [0.0, 0.0, rig.height]
        self.towards = towards
        self.right = np.array([-towards[1], towards[0], 0.0])
        self.forward = -np.cos(rig.tilt) * towards - [0.0, 0.0, np.sin(rig.tilt)]
        self.down = np.cross(self.forward, self.right)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixel coordinates (N, 2), pixel centres at whole numbers, and the depth (N,) in metres."""
        relative = points - self.position
        depth = relative @ self.forward
        scale = self.focal / depth
        x = (self.width - 1) / 2 + scale * (relative @ self.right)
        y = (self.height - 1) / 2 + scale * (relative @ self.down)
        return np.stack([x, y], axis=1), depth

    def on_floor(self, sideways: np.ndarray, behind: np.ndarray) -> np.ndarray:
        """Return pixel coordinates (N, 2) of floor points given to the right of, and behind, the turntable's middle."""
        points = self.centre + np.outer(sideways, self.right) - np.outer(behind, self.towards)
        return self.project(points)[0]
