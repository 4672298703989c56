"""Packages as bodies: round ones and bags are turned from a profile, boxes folded from faces."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.studio.artwork import draw_front, draw_peel, draw_side
from maskfold.studio.products import Colour, Product

METAL, PAPER = (196, 198, 202), (236, 232, 224)


@dataclass(frozen=True)
class PackageForm:
    """How a round package, or a bag, is built; heights go from 0 at the top to 1 at the bottom.

    Attributes:
        aspect: Width over height.
        profile: (height, radius) pairs, a radius of 1 being half the width.
        printed: Where the print begins and ends.
        lid: Down to where the lid reaches; 0 for none.
        lid_colour: `metal`, or `main` or `second` of the product.
        glass: What is neither print nor lid has a colour like the contents, instead of the package's.
        wrinkles: How strongly its surface is crumpled; 0 is smooth.
        round: Whether its top and bottom are seen as ellipses from above.
        peel: Whether it is a fruit.
    """

    aspect: float
    profile: tuple[tuple[float, float], ...]
    printed: tuple[float, float] = (0.0, 1.0)
    lid: float = 0.0
    lid_colour: str = "main"
    glass: bool = False
    wrinkles: float = 0.0
    round: bool = True
    peel: bool = False


FORMS = {
    "can": PackageForm(0.60, ((0, 0.9), (0.05, 1), (0.95, 1), (1, 0.92)), (0.05, 0.95), 0.04, "metal"),
    "tin": PackageForm(1.25, ((0, 0.98), (0.06, 1), (0.94, 1), (1, 0.98)), (0.1, 0.92), 0.06, "second"),
    "tub": PackageForm(0.85, ((0, 1), (0.07, 1), (0.09, 0.95), (1, 0.74)), (0.12, 1), 0.08, "second"),
    "jar": PackageForm(
        0.74,
        ((0, 0.84), (0.15, 0.84), (0.2, 0.8), (0.27, 0.97), (0.32, 1), (0.96, 1), (1, 0.93)),
        (0.36, 0.88),
        lid=0.15,
        glass=True,
    ),
    "bottle": PackageForm(
        0.44,
        ((0, 0.36), (0.08, 0.36), (0.1, 0.3), (0.2, 0.34), (0.36, 0.93), (0.42, 1), (0.97, 1), (1, 0.93)),
        (0.42, 0.88),
        lid=0.08,
        glass=True,
    ),
    "bag": PackageForm(
        0.76,
        ((0, 0.99), (0.07, 0.94), (0.2, 0.99), (0.5, 0.95), (0.8, 1), (0.93, 0.95), (1, 1)),
        (0.08, 0.93),
        wrinkles=0.3,
        round=False,
    ),
    "melon": PackageForm(
        1.15, tuple((y, float(np.sqrt(1 - (2 * y - 1) ** 2))) for y in np.linspace(0, 1, 25)), peel=True
    ),
    "pear": PackageForm(
        0.72,
        ((0, 0.1), (0.05, 0.3), (0.2, 0.45), (0.4, 0.6), (0.6, 0.95), (0.75, 1), (0.9, 0.8), (0.97, 0.45), (1, 0)),
        peel=True,
    ),
    "tube": PackageForm(
        0.34,
        ((0, 1), (0.04, 1), (0.8, 0.8), (0.86, 0.45), (0.87, 0.5), (1, 0.46)),
        (0.05, 0.8),
        wrinkles=0.15,
        round=False,
    ),
}
BOXES = {"box": (0.70, 0.30), "carton": (0.50, 0.48)}  # width and depth over height
GABLE = 0.2  # of a carton's height, its roof


def build_body(product: Product, height: int) -> "Turned | Folded":
    """Print a package and make it ready to be looked at from any side.

    Args:
        product: What is printed on it.
        height: Pixels that the package is high.
    """
    return (Folded if product.shape in BOXES else Turned)(product, height)


class Turned:
    """A round package or a bag."""

    def __init__(self, product: Product, height: int):
        self.form = form = FORMS[product.shape]
        self.height = height
        self.reach = max(4, round(form.aspect * product.aspect * height / 2))
        around = max(8, round(self.reach * np.pi))  # half a turn; the print comes twice
        self.lid = (
            METAL if product.shape == "can" else product.second if product.shape in ("tin", "tub") else product.main
        )
        if form.peel:
            self.skin = draw_peel(product, height, around)
            return
        self.skin = np.empty((height, around, 3), np.uint8)
        self.skin[:] = np.uint8(0.55 * np.float32(product.second) + 70) if form.glass else METAL if form.lid else PAPER
        top, bottom = (round(edge * height) for edge in form.printed)
        self.skin[top:bottom] = draw_front(product, bottom - top, around, seen=0.62 if form.round else 0.8)
        self.skin[: round(form.lid * height)] = self.lid

    def seen(self, turn: float, tilt: float, rng: np.random.Generator) -> np.ndarray:
        """Look at it.

        Args:
            turn: Radians around its axis.
            tilt: How far from above, 0 to 0.4.
            rng: Draws how it is crumpled.

        Returns:
            (H, W, 4) float32: red, green, blue, times how much they cover, and that, 0 to 1.
        """
        form, height, reach = self.form, self.height, self.reach
        drop = tilt * reach if form.round else 0.0
        rows = np.arange(height + 2 * round(drop) + 4, dtype=np.float32)[:, None] - drop - 2
        across = (np.arange(2 * reach + 5, dtype=np.float32) - reach - 2) / reach
        edges, radii = np.array(form.profile, np.float32).T
        radius = np.interp(rows / height, edges, radii).astype(np.float32)
        down = rows - drop * np.sqrt(np.clip(radius**2 - across**2, 0, None))  # the near side lies lower
        radius = np.interp(down / height, edges, radii).astype(np.float32)
        sine = np.clip(across / np.maximum(radius, 1e-3), -1, 1)
        cover = np.clip((radius - np.abs(across)) * reach + 0.5, 0, 1)
        cover *= np.clip(down + 0.5, 0, 1) * np.clip(height - down + 0.5, 0, 1)
        around = self.skin.shape[1]
        bend = 1.0 if form.round else 0.55  # a bag is flatter than a can
        column = np.mod((np.arcsin(sine * bend) / (np.pi * bend) + turn / np.pi + 0.5) * around, around)
        colour = cv2.remap(
            self.skin, column, np.clip(down, 0, height - 1), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32)
        colour *= self._light(sine, rng)[..., None]
        if form.round and not form.peel:
            top = np.clip((1 - (across / radii[0]) ** 2 - (rows / max(drop * radii[0], 0.5)) ** 2) * 6, 0, 1)[..., None]
            colour = top * np.float32(self.lid) * 0.97 + (1 - top) * colour
            cover = np.maximum(cover, top[..., 0])
        return np.dstack([np.clip(colour, 0, 255) * cover[..., None], cover])

    def _light(self, sine: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return (H, W) float32, how bright its surface is."""
        side = rng.uniform(-0.6, 0.6)
        shine = np.exp(-(((sine - side) / 0.12) ** 2)) * (0.25 if self.form.wrinkles == 0 else 0.1)
        depth = 0.55 if self.form.round else 0.3
        light = 1.02 - depth * np.abs(sine - 0.4 * side) ** 2.2 + shine
        if self.form.wrinkles:
            folds = cv2.resize(
                rng.uniform(-1, 1, (7, 5)).astype(np.float32), light.shape[::-1], interpolation=cv2.INTER_CUBIC
            )
            light = light + self.form.wrinkles * folds
        return light.astype(np.float32)


class Folded:
    """A box, or a carton with a gable."""

    def __init__(self, product: Product, height: int):
        width, self.depth = BOXES[product.shape]
        self.width, self.height = width * product.aspect, height
        self.gable = GABLE if product.shape == "carton" else 0.0
        deep = max(8, round(self.depth * height))
        across, down = max(8, round(self.width * height)), round((1 - self.gable) * height)
        self.front, self.side = draw_front(product, down, across), draw_side(product, down, deep)
        self.roof = np.full((8, 8, 3), product.main, np.uint8)
        self.fin = np.full((8, 8, 3), product.second if self.gable else product.main, np.uint8)

    def seen(self, turn: float, tilt: float, rng: np.random.Generator) -> np.ndarray:
        """Look at it; see `Turned.seen`."""
        height = self.height
        reach = round(height * (self.width + self.depth) * 0.62) + 2
        canvas = np.zeros((round(height * 1.25) + 4, 2 * reach, 4), np.float32)
        middle = np.float32((reach, height * 0.12 + 2))
        for picture, corners, light in self._faces(turn, rng):
            points = _project(np.float32(corners), turn, tilt) * height + middle
            _lay(canvas, picture, points.astype(np.float32), light)
        return canvas

    def _faces(self, turn: float, rng: np.random.Generator) -> list[tuple[np.ndarray, list, float]]:
        """Return what is seen of it, the farthest first: picture, corners (x, y, z) from the top left on, light."""
        x, z, top = self.width / 2, self.depth / 2, self.gable
        bright = rng.uniform(0.9, 1.05)
        side = x if turn < 0 else -x  # turned to the right, its left side comes into view
        left, right = (-z, z) if turn < 0 else (z, -z)  # as they are seen; the front's z is -z
        flank = [(side, top, left), (side, top, right), (side, 1, right), (side, 1, left)]
        front = [(-x, top, -z), (x, top, -z), (x, 1, -z), (-x, 1, -z)]
        faces = [(self.side, flank, bright * rng.uniform(0.6, 0.8)), (self.front, front, bright)]
        if not top:
            lid = [(-x, 0, z), (x, 0, z), (x, 0, -z), (-x, 0, -z)]
            return [(self.roof, lid, bright * 1.12), *faces]
        ridge = 0.3 * top
        slope = [(-x, ridge, 0), (x, ridge, 0), (x, top, -z), (-x, top, -z)]
        gable = [(side, ridge, 0), (side, ridge, 0), (side, top, right), (side, top, left)]
        fin = [(-x, 0, 0), (x, 0, 0), (x, ridge, 0), (-x, ridge, 0)]
        return [(self.roof, gable, bright * 0.7), *faces, (self.roof, slope, bright * 1.1), (self.fin, fin, bright)]


def _project(points: np.ndarray, turn: float, tilt: float) -> np.ndarray:
    """Return where points (N, 3) are seen, (N, 2): turned, tilted towards the eye, a little smaller far away."""
    x = points[:, 0] * np.cos(turn) - points[:, 2] * np.sin(turn)
    z = points[:, 0] * np.sin(turn) + points[:, 2] * np.cos(turn)
    y = points[:, 1] - 0.5 - tilt * 0.6 * z
    scale = 1 / (1 + 0.22 * z)
    return np.column_stack([x * scale, y * scale + 0.5])


def _lay(canvas: np.ndarray, picture: np.ndarray, corners: np.ndarray, light: float) -> None:
    """Draw one face over what is there."""
    high, wide = picture.shape[:2]
    source = np.float32([(0, 0), (wide, 0), (wide, high), (0, high)])
    if np.linalg.norm(corners[0] - corners[1]) < 1e-3:  # a triangle: its tip is given twice, and it has one colour
        mask = np.zeros(canvas.shape[:2], np.float32)
        cv2.fillPoly(mask, [np.int32(np.round(corners * 16))], 1.0, cv2.LINE_AA, 4)
        face = np.broadcast_to(np.float32(picture[0, 0]), (*mask.shape, 3))
    else:
        matrix = cv2.getPerspectiveTransform(source, corners)
        size = canvas.shape[1::-1]
        face = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros(canvas.shape[:2], np.float32)
        cv2.fillConvexPoly(mask, np.int32(np.round(corners * 16)), 1.0, cv2.LINE_AA, 4)
    mask = mask[..., None]
    canvas *= 1 - mask
    canvas[..., :3] += np.clip(np.float32(face) * light, 0, 255) * mask
    canvas[..., 3:] += mask


def colour_of(body: "Turned | Folded") -> Colour:
    """Return the mean colour of its print."""
    skin = body.skin if isinstance(body, Turned) else body.front
    red, green, blue = (round(float(value)) for value in skin.reshape(-1, 3).mean(axis=0))
    return red, green, blue
