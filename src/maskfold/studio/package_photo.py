"""A photo of a package: turned, lit, a little out of focus, and partly behind something at times."""

import cv2
import numpy as np

from maskfold.studio.products import Product
from maskfold.studio.shelf import empty_place, hide_a_part, stand_shadow
from maskfold.studio.wrapping import BOXES, build_body

SUPERSAMPLING = 2
FILL = 0.80  # of the photo's height or width that a package takes at most, before its scale is drawn
TURN, LEAN = 0.6, 7.0  # radians around its axis and degrees to the side, at most


class PackageCamera:
    """Takes photos of one product."""

    def __init__(self, product: Product, size: int):
        """Build the package.

        Args:
            product: What is photographed.
            size: Pixels, height and width of the photos.
        """
        self.size = size
        self.fine = SUPERSAMPLING * size
        self.boxy = product.shape in BOXES
        body = build_body(product, round(FILL * self.fine))
        wide = body.seen(0, 0, np.random.default_rng(0)).shape[1]
        most = FILL * self.fine * (1.5 if self.boxy else 1)  # a box's canvas has room for its side
        self.body = body if wide <= most else build_body(product, round(FILL * self.fine * most / wide))

    def photograph(self, entropy: tuple[int, ...]) -> np.ndarray:
        """Take one photo.

        Args:
            entropy: Seed; the same numbers give the same photo.

        Returns:
            (size, size, 3) uint8, red, green, blue.
        """
        rng = np.random.default_rng(entropy)
        picture, ground = empty_place(rng, self.fine)
        sprite = self.body.seen(rng.uniform(-TURN, TURN), rng.uniform(0.08, 0.35), rng)
        picture = self._set_down(picture, ground, sprite, rng)
        hide_a_part(picture, rng)
        picture = cv2.resize(picture, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return _expose(picture, rng)

    def _set_down(self, picture: np.ndarray, ground: int, sprite: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Stand the package on its place, leaning a little, larger or smaller, and not quite in the middle."""
        size = self.fine
        rows = np.flatnonzero(sprite[..., 3].max(axis=1) > 0.5)
        high, wide = rows[-1] - rows[0], np.count_nonzero(sprite[..., 3].max(axis=0) > 0.5)
        scale = rng.uniform(0.72, 1.0)
        foot = (sprite.shape[1] / 2, float(rows[-1]))
        matrix = cv2.getRotationMatrix2D(foot, rng.uniform(-LEAN, LEAN), scale)
        up = max(0.0, ground - high * scale - 0.04 * size) * rng.uniform(0, 0.12)
        foot_row = max(ground - up, high * scale + 0.03 * size)
        matrix[:, 2] += (size * (0.5 + rng.uniform(-0.09, 0.09)) - foot[0], foot_row - foot[1])
        placed = cv2.warpAffine(sprite, matrix, (size, size), flags=cv2.INTER_LINEAR)
        shadow = stand_shadow(size, round(foot_row), scale * wide / 2)
        return picture * shadow * (1 - placed[..., 3:]) + placed[..., :3]


def _expose(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn (S, S, 3) float32, 0 to 255, into a uint8 photo: light from one side, its colour, blur, noise."""
    size = len(picture)
    bright, contrast = rng.uniform(0.75, 1.18), rng.uniform(0.85, 1.1)
    warm = rng.normal(0, 0.04)
    slope = np.linspace(1 - rng.uniform(-0.18, 0.18), 1, size, dtype=np.float32)[:, None]
    picture = ((picture - 128) * contrast + 128) * slope * np.float32((1 + warm, 1, 1 - warm)) * bright
    blur = size / 64 * rng.choice((0.0, rng.uniform(0.3, 0.7)))
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(1.5, 6)
    return np.uint8(np.clip(picture + noise, 0, 255) + 0.499)
