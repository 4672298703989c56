"""Photos, masks and probability maps as pictures that a person can judge at a glance.

Pure functions; colours are Okabe and Ito's, which colour-blind readers can tell apart.
"""

import functools

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

BLUE: Colour = (0, 114, 178)
ORANGE: Colour = (230, 110, 0)
WHITE: Colour = (255, 255, 255)
# Okabe and Ito's, which people of all kinds of colour vision tell apart.
_OF_CLASSES: tuple[Colour, ...] = (
    ORANGE,
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    BLUE,
    (213, 94, 0),
    (204, 121, 167),
)
JPEG_QUALITY = 80
_LETTERS = 16  # pixels high

_SHOWN = (1, 99)  # percent: a few pixels of glare or of a dead sensor would leave the rest in one shade
_LOOKED_AT = 1_000_000  # pixels, about: enough to tell percentiles


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Return any photo as one that can be looked at.

    Of more than three channels the first three are shown, of fewer the first in grey. Values that are not bytes are
    spread between two percentiles of their channel, what is no number in black.

    Args:
        image: `(H, W, C)`, uint8 or float32.

    Returns:
        `(H, W, 3) uint8`, RGB; the image itself where it is that already.
    """
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return image
    shown = image[..., :3] if image.shape[2] >= 3 else image[..., :1]
    if image.dtype != np.uint8:
        shown = np.dstack([_spread(shown[..., channel]) for channel in range(shown.shape[2])])
    return np.ascontiguousarray(np.broadcast_to(shown, (*image.shape[:2], 3)))


def _spread(channel: np.ndarray) -> np.ndarray:
    """Return `(H, W) float32` as uint8, the percentiles `_SHOWN` of its numbers as black and white."""
    numbers = channel[np.isfinite(channel)]
    low, high = np.percentile(numbers[:: 1 + numbers.size // _LOOKED_AT], _SHOWN) if numbers.size else (0, 0)
    share = (channel - low) / (high - low) if high > low else np.where(np.isfinite(channel), 0.5, 0)
    return (np.nan_to_num(share, nan=0, posinf=0, neginf=0).clip(0, 1) * 255).round().astype(np.uint8)


def shrink(image: np.ndarray, *, width: int, height: int) -> np.ndarray:
    """Scale an image down, by area, so that it fits; a smaller one stays as it is.

    Args:
        image: `(H, W)` or `(H, W, C)`, uint8 or float32.
        width: Pixels at most.
        height: Pixels at most.
    """
    scale = min(width / image.shape[1], height / image.shape[0])
    if scale >= 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def draw_outline(image: np.ndarray, mask: np.ndarray, colour: Colour, *, thickness: int = 1) -> np.ndarray:
    """Draw a mask's outline, holes included, on a copy of an image.

    Args:
        image: `(H, W, 3) uint8`, RGB.
        mask: `(h, w) uint8`, 0 or 1; scaled to the image when it has another size.
        colour: RGB.
        thickness: Pixels; at 1 the outline is the mask's own edge pixels.
    """
    if mask.shape != image.shape[:2]:
        mask = (_share(mask, image.shape) >= 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(image.copy(), contours, -1, colour, thickness)


def class_colours(count: int) -> list[Colour]:
    """Return the colour of each of several classes; after the seventh they begin anew."""
    return [_OF_CLASSES[number % len(_OF_CLASSES)] for number in range(count)]


def tint(image: np.ndarray, mask: np.ndarray, colour: Colour) -> np.ndarray:
    """Colour a mask's pixels on a copy of an image; a pixel that is half mask is half coloured.

    Args:
        image: `(H, W, 3) uint8`, RGB.
        mask: `(h, w)` bool or uint8 0/1; scaled to the image when it has another size.
        colour: RGB.
    """
    share = _share(mask.astype(np.uint8), image.shape)[..., None]
    return (image * (1 - share) + np.array(colour, np.float32) * share).round().astype(np.uint8)


def fade(image: np.ndarray) -> np.ndarray:
    """Return an image in light grey, `(H, W, 3) uint8`, as a ground for colours."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.cvtColor(grey // 2 + 120, cv2.COLOR_GRAY2RGB)


def colour_probability(probability: np.ndarray) -> np.ndarray:
    """Show a map `(H, W) uint8` in a perceptually even colour map, dark for 0: `(H, W, 3) uint8` RGB."""
    return probability_colours()[probability]


@functools.cache
def probability_colours() -> np.ndarray:
    """Return the colour of each value of a map: `(256, 3) uint8` RGB."""
    import matplotlib  # most who make pictures of masks draw no maps

    return (matplotlib.colormaps["viridis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def densest_window(weight: np.ndarray, *, height: int, width: int) -> tuple[slice, slice]:
    """Find the window that holds the most weight; of equal ones the first, row by row.

    Args:
        weight: `(H, W)` bool or uint8.
        height: Of the window, pixels; at most H.
        width: Of the window, pixels; at most W.
    """
    sums = cv2.integral(weight.astype(np.uint8), sdepth=cv2.CV_64F)
    totals = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(totals.argmax(), totals.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def draw_frame(image: np.ndarray, window: tuple[slice, slice], *, shape: tuple[int, ...]) -> np.ndarray:
    """Mark a window of a photo of `shape` on a copy of its smaller picture `(H, W, 3) uint8`."""
    rows, columns = window
    vertical, horizontal = image.shape[0] / shape[0], image.shape[1] / shape[1]
    corner = round(columns.start * horizontal), round(rows.start * vertical)
    opposite = round(columns.stop * horizontal) - 1, round(rows.stop * vertical) - 1
    framed = cv2.rectangle(image.copy(), corner, opposite, (40, 40, 40), 3)
    return cv2.rectangle(framed, corner, opposite, WHITE, 1)


def write_name(image: np.ndarray, name: str) -> np.ndarray:
    """Write a name in the top left corner of a copy of a picture `(H, W, 3) uint8`, white on dark."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(_font(), _LETTERS)
    draw.rectangle(draw.textbbox((6, 4), name, font=font, stroke_width=4), fill=(40, 40, 40))
    draw.text((6, 4), name, fill=WHITE, font=font)
    return np.asarray(picture)


def _font() -> str:
    """Return the file of a font that has more letters than Pillow's own."""
    import matplotlib  # most who make pictures write nothing on them

    return f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"


def as_jpeg(image: np.ndarray) -> bytes:
    """Return a picture `(H, W, 3) uint8` RGB as a JPEG file."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(image), JPEG_QUALITY, "RGB", "420")


def _share(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the share of each pixel of a picture of `shape` that is mask: `(H, W) float32`."""
    mask = mask.astype(np.float32)
    return mask if mask.shape == shape[:2] else cv2.resize(mask, shape[1::-1], interpolation=cv2.INTER_AREA)
