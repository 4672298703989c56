"""A photo and its mask: car before studio, through a lens, onto a noisy sensor."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.studio import street_lens
from maskfold.studio.assembly import build_parts
from maskfold.studio.bodies import Car, draw_car
from maskfold.studio.camera import Camera, Rig, draw_rig
from maskfold.studio.parts import Part
from maskfold.studio.raster import Surface, rasterise
from maskfold.studio.scene import Look, draw_look, empty_studio, shadow
from maskfold.studio.shading import Light, Skin, shade
from maskfold.studio.street import StreetLight, compose, street_room

SUPERSAMPLING = 2
KERB_SHARE = 0.15  # of the photos show the dark edge of the floor
GAMMA = 2.2
WORLDS = ("studio", "street")


@dataclass(frozen=True)
class Photo:
    """One view of a car.

    Attributes:
        image: (H, W, 3) uint8, red, green, blue.
        mask: (H, W) uint8 0/1, the car without the gaps of its wheels.
        mask_with_gaps: (H, W) uint8 0/1, the same with these gaps counted as car.
    """

    image: np.ndarray
    mask: np.ndarray
    mask_with_gaps: np.ndarray


@dataclass(frozen=True)
class Sitting:
    """One car on one day in the studio: all that its sixteen photos share; on the street they share the car alone."""

    car: Car
    parts: list[Part]
    skin: Skin
    rig: Rig
    look: Look
    world: str = "studio"
    blinding: bool = False


def prepare(entropy: tuple[int, ...], *, index: int, white_van: bool = False, world: str = "studio") -> Sitting:
    """Draw a car and its studio.

    Args:
        entropy: Seed; the same numbers give the same sitting.
        index: The car's number in its set.
        white_van: Make it a white van in blinding light.
        world: One of `WORLDS`; it changes no mask.
    """
    rng = np.random.default_rng(entropy)
    car = draw_car(rng, index=index, white_van=white_van)
    parts = build_parts(car, rng)
    return Sitting(car, parts, Skin(car), draw_rig(rng), draw_look(rng, blinding=white_van), world, white_van)


def photograph(sitting: Sitting, view: int, height: int, width: int, entropy: tuple[int, ...]) -> Photo:
    """Take one photo.

    Args:
        sitting: The car and its studio.
        view: 1 to 16.
        height: Pixels.
        width: Pixels.
        entropy: Seed of what differs from view to view: light, noise, and the dark edge of the floor.
    """
    rng = np.random.default_rng(entropy)
    fine = Camera(sitting.rig, view, SUPERSAMPLING * height, SUPERSAMPLING * width)
    surface = rasterise(sitting.parts, fine)
    covered = surface.part >= 0
    size = width, height
    cover = _shrink(covered.astype(np.float32), size)
    take = _on_the_street if sitting.world == "street" else _in_the_studio
    image = take(sitting, surface, fine, cover, view, rng)
    with_gaps = _shrink((covered | surface.gaps).astype(np.float32), size)
    return Photo(image, (cover >= 0.5).astype(np.uint8), (with_gaps >= 0.5).astype(np.uint8))


def _in_the_studio(
    sitting: Sitting, surface: Surface, fine: Camera, cover: np.ndarray, view: int, rng: np.random.Generator
) -> np.ndarray:
    height, width = cover.shape
    car, _ = shade(sitting.parts, surface, sitting.skin, fine, Light())
    kerb = rng.uniform(0.03, 0.12) if rng.random() < KERB_SHARE else 0.0
    studio = empty_studio(sitting.look, Camera(sitting.rig, view, height, width), kerb=kerb)
    studio *= shadow(sitting.rig, sitting.car.body, sitting.look, view, height, width)[..., None]
    return _expose(_shrink(car, (width, height)) + (1 - cover)[..., None] * studio, rng)


def _on_the_street(
    sitting: Sitting, surface: Surface, fine: Camera, cover: np.ndarray, view: int, rng: np.random.Generator
) -> np.ndarray:
    height, width = cover.shape
    car, glass = (
        _shrink(layer, (width, height)) for layer in shade(sitting.parts, surface, sitting.skin, fine, StreetLight(rng))
    )
    look, room = street_room(sitting.rig, view, (height, width), rng, blinding=sitting.blinding)
    shaded = shadow(sitting.rig, sitting.car.body, look, view, height, width)
    return street_lens.expose(compose(car, cover, glass, shaded, room, rng), rng)


def _shrink(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _expose(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn linear light (H, W, 3) float32 into a uint8 photo: lens blur, vignette, exposure, noise."""
    height, width = picture.shape[:2]
    picture = cv2.GaussianBlur(picture, (0, 0), max(0.35, width / 1918 * rng.uniform(0.7, 1.0)))
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    vignette = 1 - rng.uniform(0.05, 0.12) * ((x * x + y * y) / 2) ** 1.5
    balance = rng.normal(rng.uniform(0.98, 1.04), 0.006, 3)
    picture *= vignette[..., None] * balance.astype(np.float32)
    np.clip(picture, 0, 1, out=picture)
    encoded = picture ** np.float32(1 / GAMMA)
    grain = rng.standard_normal((height, width, 1), dtype=np.float32) * 0.004
    grain = grain + rng.standard_normal((height, width, 3), dtype=np.float32) * 0.003
    return (np.clip(encoded + grain, 0, 1) * 255 + 0.5).astype(np.uint8)
