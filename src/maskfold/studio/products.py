"""What is printed on a package: families of products that share a brand, a shape and a colour, and differ in little."""

import colorsys
from dataclasses import dataclass

import numpy as np

FAMILY = 4  # products that share a brand: one coarse class
TWINS_EVERY = 5  # of so many families one has a product that differs from its sister in the word and the weight alone
MOST = 100_000  # products that have brands of their own
FAR = 40_000  # families from here on are of shapes that no other family has

SHAPES = ("box", "can", "bottle", "bag", "carton", "jar", "tub", "tin")
FAR_SHAPES = ("melon", "tube", "pear")
LAYOUTS = ("band", "split", "diagonal", "panel", "frame", "disc")
EMBLEMS = ("star", "flower", "sun", "drop", "leaf", "heart", "ring", "none")
FONTS = 4
GRAMS = (125, 150, 200, 250, 330, 400, 500, 750, 1000)

# The word on a package and its colour, (hue, lightness, saturation) from 0 to 1.
FLAVOURS = {
    "LEMON": (0.15, 0.55, 0.95),
    "MINT": (0.42, 0.55, 0.6),
    "CHERRY": (0.98, 0.40, 0.85),
    "COCOA": (0.07, 0.25, 0.55),
    "ORANGE": (0.08, 0.53, 0.95),
    "BERRY": (0.78, 0.38, 0.55),
    "NATURAL": (0.12, 0.88, 0.5),
    "OCEAN": (0.57, 0.40, 0.85),
    "APPLE": (0.27, 0.48, 0.75),
    "ROSE": (0.93, 0.74, 0.75),
    "PEPPER": (0.0, 0.16, 0.0),
    "COCONUT": (0.55, 0.80, 0.6),
}
KINDS = ("LIGHT", "EXTRA FINE", "XXL", "BIO")  # the words of those that differ in nothing else that is seen
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvwz" for vowel in "aeio"]
ENDINGS = ("", "n", "r", "s", "l", "x", "co", "tta", "do", "ris", "ma", "lli")
STEP = 12_347  # has no divisor in common with the number of brands, so that neighbours differ and none comes twice

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Product:
    """One product as it lies on the shelf.

    Attributes:
        brand: The family's name, in small letters.
        word: What tells it from its sisters.
        shape: Of `SHAPES`, or of `FAR_SHAPES`.
        main: The family's colour, red, green, blue.
        second: The product's colour.
        layout: Of `LAYOUTS`.
        emblem: Of `EMBLEMS`.
        font: 0 to `FONTS` - 1.
        aspect: The package's width over what is usual for its shape.
        grams: What it weighs on a scale, on average.
    """

    brand: str
    word: str
    shape: str
    main: Colour
    second: Colour
    layout: str
    emblem: str
    font: int
    aspect: float
    grams: int

    @property
    def coarse(self) -> str:
        """The family: what a product and its sisters are called together."""
        return f"{self.brand}-{self.shape}"

    @property
    def name(self) -> str:
        """Brand and word, for labels and folders."""
        return f"{self.brand}-{self.word.lower().replace(' ', '-')}"


def known_product(seed: int, number: int, *, twins: bool = True) -> Product:
    """Draw the product of a number, 0 to `MOST` - 1; the same numbers give the same product."""
    return draw_product(seed, *divmod(number, FAMILY), twins=twins)


def draw_product(seed: int, family: int, variant: int, *, twins: bool = True) -> Product:
    """Draw one product of a family.

    Args:
        seed: Of the whole set.
        family: From `FAR` on its shape is one that no other family has.
        variant: 0 to `FAMILY` - 1 are its known ones; those that follow, fewer than the flavours, are sisters of them.
        twins: Whether some products differ from a sister in the word and the weight alone.
    """
    rng = np.random.default_rng((seed, 0, family))
    shapes = FAR_SHAPES if family >= FAR else SHAPES
    words = rng.permutation(list(FLAVOURS)).tolist()
    main, hues = _main_colour(rng), rng.uniform(-0.02, 0.02)
    layout, emblem = (str(rng.choice(choices)) for choices in (LAYOUTS, EMBLEMS))
    font, aspect, grams = int(rng.integers(FONTS)), float(rng.uniform(0.86, 1.16)), int(rng.choice(GRAMS))
    twin = twins and variant == FAMILY - 1 and family % TWINS_EVERY == 0
    hue, lightness, saturation = FLAVOURS[words[0 if twin else variant]]
    return Product(
        brand=_brand(seed, family),
        word=str(rng.choice(KINDS)) if twin else words[variant],
        shape=shapes[family % len(shapes)],
        main=main,
        second=_rgb(hue + hues, lightness, saturation),
        layout=layout,
        emblem=emblem,
        font=font,
        aspect=aspect,
        grams=round(grams * 1.2) if twin else grams,
    )


def _main_colour(rng: np.random.Generator) -> Colour:
    """Return a strong, a pale or a dark colour."""
    lightness, saturation = ((0.45, 0.8), (0.84, 0.45), (0.22, 0.5))[rng.choice(3, p=(0.55, 0.25, 0.2))]
    return _rgb(rng.uniform(), lightness + rng.uniform(-0.05, 0.05), saturation + rng.uniform(-0.1, 0.1))


def _rgb(hue: float, lightness: float, saturation: float) -> Colour:
    red, green, blue = (round(255 * share) for share in colorsys.hls_to_rgb(hue % 1, lightness, saturation))
    return red, green, blue


def _brand(seed: int, family: int) -> str:
    """Return a name that no other family of the set has, of two syllables and an ending."""
    count = len(SYLLABLES)
    rest, first = divmod((family * STEP + seed * 31 + 9_001) % (count * count * len(ENDINGS)), count)
    ending, second = divmod(rest, count)
    return SYLLABLES[first] + SYLLABLES[second] + ENDINGS[ending]
