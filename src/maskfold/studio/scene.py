"""The empty studio: a white wall that bends round, letters on it, a turntable in a grey floor, a soft shadow."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.studio.bodies import Body
from maskfold.studio.camera import Camera, Rig
from maskfold.studio.lettering import BOLD, STROKE, THIN, WORD, draw_word

WALL_RADIUS, WALL_BEHIND = 16.0, 13.0  # metres; the wall is an arc, farthest off right behind the turntable
WORD_WIDTH, WORD_FOOT = 14.2, 0.25  # metres along the wall, and above the floor
TURNTABLE = 3.15  # metres, radius
COARSE = 480  # pixels; shadows and stains are soft and need no more width than this


@dataclass(frozen=True, kw_only=True)
class Lettering:
    """The word on the wall.

    Attributes:
        letters, thin, strokes: As `draw_word` takes them.
        width, foot: Metres along the wall, and above the floor.
    """

    letters: str = WORD
    thin: int = THIN
    strokes: tuple[int, int] = (STROKE, BOLD)
    width: float = WORD_WIDTH
    foot: float = WORD_FOOT


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the studio was painted and lit on one car's day; colours are linear light, 1 is white paper.

    Attributes:
        wall, floor, turntable, ink: Colours (red, green, blue).
        glow: How much brighter the wall is just above the floor.
        shadow: Depth of the shadow under the car, 0..1.
        stains: Seed of the marks on the floor.
        lettering: The word on the wall.
        far: How much darker the floor is at the wall, 0..1.
        softness: How soft the shadow under the car is; 1 as in the studio.
    """

    wall: tuple[float, float, float]
    floor: tuple[float, float, float]
    turntable: tuple[float, float, float]
    ink: tuple[float, float, float]
    glow: float
    shadow: float
    stains: int
    lettering: Lettering = Lettering()
    far: float = 0.0
    softness: float = 1.0


def draw_look(rng: np.random.Generator, *, blinding: bool = False) -> Look:
    """Draw the studio of one car; a `blinding` one is lit until wall and floor are nearly as white as paper."""
    tint = rng.normal(0, 0.012, 3) * (1.0, 0.3, -1.0)
    wall = rng.uniform(0.86, 0.94) if not blinding else 0.93
    floor = wall * (rng.uniform(0.58, 0.84) if not blinding else 0.98)
    dirt = np.array([1.0, 0.985, 0.945]) * rng.uniform(0.96, 1.03)
    ink = rng.uniform(0.07, 0.14)
    return Look(
        wall=tuple(wall * (1 + tint)),
        floor=tuple(floor * (1 + 1.5 * tint)),
        turntable=tuple(floor * dirt * (1 + tint)),
        ink=(ink * 1.03, ink * 0.97, ink),
        glow=float(rng.uniform(0.0, 0.06)),
        shadow=float(rng.uniform(0.62, 0.8)),
        stains=int(rng.integers(2**31)),
    )


def empty_studio(look: Look, camera: Camera, *, kerb: float = 0.0) -> np.ndarray:
    """Return the studio without a car, (H, W, 3) float32 linear light.

    Args:
        look: The day's studio.
        camera: Where from.
        kerb: Height of the dark strip at the lower edge over the picture's height, 0 without.
    """
    height, width = camera.height, camera.width
    sideways = np.linspace(-14, 14, 400)
    behind = np.sqrt(WALL_RADIUS**2 - sideways**2) - (WALL_RADIUS - WALL_BEHIND)
    seam = camera.on_floor(sideways, behind)
    columns = np.arange(width)
    foot = np.interp(columns, seam[:, 0], seam[:, 1])
    rows = np.arange(height, dtype=np.float32)[:, None]
    above = (foot[None, :].astype(np.float32) - rows) / height
    wall = np.asarray(look.wall, np.float32) * (1 + look.glow * np.exp(-np.maximum(above, 0) / 0.1))[..., None]
    along = np.interp(columns, seam[:, 0], sideways)
    letters = _letters(look.lettering, camera, along, foot, sideways, behind)[..., None]
    wall += letters * (np.asarray(look.ink, np.float32) - wall)
    softness = 1.2 / height + 0.0015
    on_floor = np.clip(0.5 - above / (2 * softness), 0, 1)[..., None]
    floor = _floor(look, camera)
    # The floor pales towards the wall, as light from the wall grazes it.
    floor *= (1 + 0.05 * np.exp(-np.maximum(-above, 0) / 0.06))[..., None]
    if look.far:
        floor *= (1 - look.far * np.exp(-np.maximum(-above, 0) / 0.2))[..., None]
    picture = wall + on_floor * (floor - wall)
    if kerb:
        _add_kerb(picture, look, kerb)
    return picture


def _letters(
    lettering: Lettering,
    camera: Camera,
    along: np.ndarray,
    foot: np.ndarray,
    sideways: np.ndarray,
    behind: np.ndarray,
) -> np.ndarray:
    """Return the ink (H, W) float32: the word bent along the wall."""
    word = draw_word(lettering.letters, lettering.thin, lettering.strokes)
    metres = word.shape[0] / word.shape[1] * lettering.width
    depth = np.interp(along, sideways, behind)
    distance = np.linalg.norm((camera.position - camera.centre)[:2]) + depth
    pixels_per_metre = (camera.focal / distance).astype(np.float32)
    rise = (foot[None, :].astype(np.float32) - np.arange(camera.height, dtype=np.float32)[:, None]) / pixels_per_metre
    row = (1 - (rise - lettering.foot) / metres) * word.shape[0]
    column = np.broadcast_to((along / lettering.width + 0.5) * word.shape[1], row.shape)
    # Shrink the word about to the size it has in the picture, or its strokes would alias.
    factor = max(1.0, word.shape[1] / (lettering.width * float(pixels_per_metre.mean())))
    small = cv2.resize(word, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    scale_x, scale_y = small.shape[1] / word.shape[1], small.shape[0] / word.shape[0]
    return cv2.remap(
        small, (column * scale_x - 0.5).astype(np.float32), (row * scale_y - 0.5).astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip


def _floor(look: Look, camera: Camera) -> np.ndarray:
    rng = np.random.default_rng(look.stains)
    height, width = camera.height, camera.width
    turn = np.linspace(0, 2 * np.pi, 200)
    rim = camera.on_floor(TURNTABLE * np.cos(turn), TURNTABLE * np.sin(turn))
    outline = np.round(rim * 16).astype(np.int32)
    disc, edge = np.zeros((height, width), np.float32), np.zeros((height, width), np.uint8)
    cv2.fillPoly(disc, [outline], 1.0, cv2.LINE_8, 4)
    cv2.polylines(edge, [outline], True, 255, max(1, round(width / 900)), cv2.LINE_AA, 4)
    disc = cv2.GaussianBlur(disc, (0, 0), 0.8)
    floor = np.asarray(look.floor, np.float32) + disc[..., None] * np.subtract(look.turntable, look.floor).astype(
        np.float32
    )
    floor *= (1 - rng.uniform(0.1, 0.3) * edge.astype(np.float32) / 255)[..., None]
    clouds = sum(
        cv2.resize(rng.normal(0, 1, (n, 2 * n)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        / n**0.5
        for n in (4, 8, 20)
    )
    near = np.linspace(0.03, -0.03, height, dtype=np.float32)[:, None]
    return floor * (1 + 0.022 * clouds * (0.4 + disc) + near)[..., None]


def _add_kerb(picture: np.ndarray, look: Look, kerb: float) -> None:
    height, width = picture.shape[:2]
    bend = 0.012 * (np.linspace(-1, 1, width) ** 2)
    start = (1 - kerb - bend) * height
    inside = np.clip(np.arange(height)[:, None] - start[None, :], 0, 1).astype(np.float32)
    lip = np.clip(np.arange(height)[:, None] - start[None, :] + 0.016 * height, 0, 1).astype(np.float32)
    picture += (lip * 0.1)[..., None]
    picture += inside[..., None] * (np.float32(0.035) - picture)


def shadow(rig: Rig, body: Body, look: Look, view: int, height: int, width: int) -> np.ndarray:
    """Return the share of light (H, W) float32 that the car leaves on the floor."""
    factor = min(1.0, COARSE / width)
    small = Camera(rig, view, max(1, round(height * factor)), max(1, round(width * factor)))
    light = np.ones((small.height, small.width), np.float32)
    for grow, blur, depth in ((0.5, 0.03, 0.2), (0.12, 0.011, 0.6 * look.shadow), (-0.06, 0.005, 0.95 * look.shadow)):
        dark = np.zeros_like(light)
        outline = small.project(_footprint(body, grow))[0]
        cv2.fillPoly(dark, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_8, 4)
        light *= 1 - depth * cv2.GaussianBlur(dark, (0, 0), max(look.softness * blur * small.width, 0.5))
    return cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)


def _footprint(body: Body, grow: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 60)
    cosine, sine = np.cos(turn), np.sin(turn)
    x = (body.length / 2 + grow) * np.sign(cosine) * np.abs(cosine) ** 0.4
    y = (body.width / 2 + grow) * np.sign(sine) * np.abs(sine) ** 0.4
    return np.stack([x, y, np.zeros_like(x)], axis=1)
