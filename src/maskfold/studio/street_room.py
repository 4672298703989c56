"""A room of the street: its tones and letters, and what stands or is drawn on wall and floor."""

import cv2
import numpy as np

from maskfold.studio.camera import Camera
from maskfold.studio.lettering import GLYPHS
from maskfold.studio.scene import TURNTABLE, Lettering, Look

STUDIO_LIKE = 0.75  # of the photos have a bright wall above a greyer floor; the others any two tones


def draw_room(rng: np.random.Generator, *, blinding: bool = False) -> Look:
    """Draw tones and letters of one photo's room; a `blinding` one is nearly as white as paper."""
    tint = rng.normal(0, 0.025, 3) * (1.0, 0.3, -1.0)
    if blinding:
        wall, floor = rng.uniform(0.88, 1.05), rng.uniform(0.85, 1.0)
    elif rng.random() < STUDIO_LIKE:
        wall, floor = rng.uniform(0.75, 1.1), rng.uniform(0.3, 0.75)
    else:
        wall, floor = rng.uniform(0.15, 1.1), rng.uniform(0.08, 0.9)
    disc = floor * rng.uniform(0.85, 1.25) * (1 + rng.normal(0, 0.02, 3))
    ink = rng.uniform(0.03, 0.3)
    letters = "".join(rng.choice(list(GLYPHS), int(rng.integers(4, 9))))
    lettering = Lettering(
        letters=letters,
        thin=int(rng.integers(0, len(letters))),
        strokes=(int(rng.integers(12, 40)), int(rng.integers(30, 90))),
        width=float(rng.uniform(11.0, 16.0)),
        foot=float(rng.uniform(-0.1, 0.9)),
    )
    return Look(
        wall=tuple(wall * (1 + tint)),
        floor=tuple(floor * (1 + rng.normal(0, 0.03, 3))),
        turntable=tuple(disc * (1 + tint)),
        ink=tuple(ink * (1 + rng.normal(0, 0.04, 3))),
        glow=float(rng.uniform(-0.05, 0.25)),
        shadow=float(rng.uniform(0.25, 0.95)),
        stains=int(rng.integers(2**31)),
        lettering=lettering,
        far=float(rng.uniform(0.0, 0.45) * (rng.random() < 0.7) * (not blinding)),
        softness=float(rng.uniform(0.6, 2.5)),
    )


def coarse_noise(rng: np.random.Generator, cells: int, height: int, width: int) -> np.ndarray:
    """Return soft clouds (H, W) float32 of about unit variance, `cells` of them across."""
    small = rng.normal(0, 1, (max(2, round(cells * height / width)), cells)).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def furnish(picture: np.ndarray, camera: Camera, rng: np.random.Generator) -> None:
    """Add what a room has: uneven light, panels and pillars, light strips, joints and scratches of the floor.

    Args:
        picture: (H, W, 3) float32 linear light, changed in place.
        camera: Where from.
        rng: Where the chances come from.
    """
    height, width = picture.shape[:2]
    _wall_things(picture, rng)
    _floor_lines(picture, camera, rng)
    for _ in range(rng.poisson(2.0)):
        _scratch(picture, rng)
    clouds = coarse_noise(rng, 3, height, width) + 0.4 * coarse_noise(rng, 8, height, width)
    picture *= np.maximum(1 + rng.uniform(0.0, 0.12) * clouds, 0.3)[..., None]


def _wall_things(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Draw frames, strips of light and pillars above the middle of the picture, where the wall is."""
    height, width = picture.shape[:2]
    for _ in range(rng.poisson(1.5)):
        left, top = rng.uniform((-0.1, -0.1), (1.0, 0.4)) * (width, height)
        across, down = rng.uniform((0.02, 0.03), (0.35, 0.35)) * (width, height)
        box = np.array([(left, top), (left + across, top), (left + across, top + down), (left, top + down)])
        thin = rng.random() < 0.5
        _blend(picture, box, rng.uniform(0.02, 1.3), rng.uniform(0.1, 0.6), 1 if thin else 0)


def _floor_lines(picture: np.ndarray, camera: Camera, rng: np.random.Generator) -> None:
    """Draw joints of the floor: spokes of the turntable, or lines along the floor."""
    if rng.random() < 0.5:
        return
    turn = rng.uniform(0, 2 * np.pi) + np.arange(int(rng.integers(4, 16))) * rng.uniform(0.3, 0.6)
    starts, ends = rng.uniform(0, 1.0), TURNTABLE * rng.uniform(0.8, 1.0)
    tone, strength = rng.uniform(0.0, 0.6), rng.uniform(0.1, 0.5)
    for angle in turn:
        reach = np.array([starts, ends])
        line = camera.on_floor(reach * np.cos(angle), reach * np.sin(angle))
        _blend(picture, line, tone, strength, max(1, round(picture.shape[1] / 900)))


def _scratch(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a bent line or a stain on the floor's part of the picture."""
    height, width = picture.shape[:2]
    start = rng.uniform((0.0, 0.5), (1.0, 1.0))
    points = (start + np.cumsum(rng.normal(0, 0.03, (5, 2)) * (1.0, 0.3), axis=0)) * (width, height)
    _blend(picture, points, rng.uniform(0.0, 1.0), rng.uniform(0.1, 0.5), int(rng.integers(0, 3)))


def _blend(picture: np.ndarray, points: np.ndarray, tone: float, strength: float, thickness: int) -> None:
    """Mix `strength` of a grey into a line, or with thickness 0 into the shape that the points enclose."""
    layer = np.zeros(picture.shape[:2], np.float32)
    outline = [np.round(points * 16).astype(np.int32)]
    if thickness:
        cv2.polylines(layer, outline, len(points) == 4, 1.0, thickness, cv2.LINE_8, 4)
    else:
        cv2.fillPoly(layer, outline, 1.0, cv2.LINE_8, 4)
    layer = cv2.GaussianBlur(layer, (0, 0), 0.7) * np.float32(strength)
    picture += layer[..., None] * (np.float32(tone) - picture)
