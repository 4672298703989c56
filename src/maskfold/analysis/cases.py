"""The pictures of one image, side by side: whole at a glance, and the place that matters in detail."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from maskfold.analysis.evidence import Case
from maskfold.analysis.formats import percent
from maskfold.masks.disagreement import signed_difference
from maskfold.masks.pictures import (
    BLUE,
    ORANGE,
    Colour,
    class_colours,
    colour_probability,
    densest_window,
    draw_frame,
    draw_outline,
    fade,
    shrink,
    tint,
)
from maskfold.masks.planes import planes
from maskfold.masks.unconfidence import in_grey_zone

_WIDTH, _HEIGHT = 480, 400  # of a picture on the page, pixels
_RIM = 4  # pixels, more than an outline is thick
_GAP, _CAPTION, _INK = 8, 18, (91, 102, 112)  # between pictures and for the line below them, pixels; RGB
_DETAIL = 4  # the detail is this part of the photo's height and width


class Panel(NamedTuple):
    """A picture `(H, W, 3) uint8` RGB with what is said below it."""

    image: np.ndarray
    caption: str


Outlines = list[tuple[np.ndarray, Colour]]


def doubt_panels(case: Case) -> list[Panel]:
    """Return photo with outlines, probability map, grey zone, and the window with the most grey.

    Of several classes each outline has its colour, and the map is that of the likeliest.
    """
    probability, masks = planes(case.probability), planes(case.prediction)
    grey = in_grey_zone(probability).any(axis=0)
    small = _small(case.photo)
    window = _window(grey)
    outlines = [*zip(masks, class_colours(len(masks)), strict=True)]
    return [
        _overview(case, outlines, window, "photo and prediction"),
        Panel(colour_probability(_small(probability.max(axis=0))), "probability"),
        Panel(tint(fade(small), grey, ORANGE), f"grey zone, {percent(grey.mean(), 2)} of the pixels"),
        _detail(case, outlines, window),
    ]


def error_panels(case: Case) -> list[Panel]:
    """Return photo with both outlines, signed difference, probability map, and the window with the most errors."""
    difference = signed_difference(case.prediction, case.truth)
    much, missed = difference > 0, difference < 0
    small = _small(case.photo)
    window = _window(difference != 0)
    outlines = [(case.truth, BLUE), (case.prediction, ORANGE)]
    counts = f"{np.count_nonzero(missed):,} px missed, {np.count_nonzero(much):,} px too much"
    return [
        _overview(case, outlines, window, "photo, mask and prediction"),
        Panel(tint(tint(fade(small), missed, BLUE), much, ORANGE), counts),
        Panel(colour_probability(_small(case.probability)), "probability"),
        _detail(case, outlines, window),
    ]


def change_panels(one: Case, other: Case, names: tuple[str, str]) -> list[Panel]:
    """Return the errors of two predictions of one photo, and the window in which they differ most, once with each.

    Of several classes the one is shown in which most pixels differ.

    Args:
        one: The photo with the one's map and prediction.
        other: The same with the other's.
        names: Of the two.
    """
    number = int((planes(one.prediction) != planes(other.prediction)).sum(axis=(1, 2)).argmax())
    one, other = one.of_class(number), other.of_class(number)
    window = _window(one.prediction != other.prediction)
    both = list(zip((one, other), names, strict=True))
    errors = [Panel(image, f"{name}: {counts}") for case, name in both for image, counts in error_panels(case)[1:2]]
    details = [
        Panel(_detail(case, [(case.truth, BLUE), (case.prediction, ORANGE)], window).image, f"{name}: detail")
        for case, name in both
    ]
    return [*errors, *details]


def _overview(case: Case, outlines: Outlines, window: tuple[slice, slice], caption: str) -> Panel:
    image = _outlined(_small(case.photo), outlines)
    return Panel(draw_frame(image, window, shape=case.photo.shape), caption)


def _detail(case: Case, outlines: Outlines, window: tuple[slice, slice]) -> Panel:
    """Cut the window out, enlarge it to the size of the other pictures and draw the outlines."""
    height, width = _small(case.photo).shape[:2]
    cut = cv2.resize(case.photo[window], (width, height), interpolation=cv2.INTER_CUBIC)
    # A rim that is cut off again: an outline ends where the window does, but does not run along its border.
    image = _rimmed(cut)
    enlarged = (
        (_rimmed(cv2.resize(mask[window], (width, height), interpolation=cv2.INTER_NEAREST)), colour)
        for mask, colour in outlines
    )
    image = _outlined(image, enlarged)[_RIM:-_RIM, _RIM:-_RIM]
    return Panel(image, f"detail, {_DETAIL} times as large")


def _rimmed(image: np.ndarray) -> np.ndarray:
    return cv2.copyMakeBorder(image, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_REPLICATE)


def _outlined(image: np.ndarray, outlines: Iterable[tuple[np.ndarray, Colour]]) -> np.ndarray:
    for mask, colour in outlines:
        image = draw_outline(image, mask, colour, thickness=2)
    return image


def _window(weight: np.ndarray) -> tuple[slice, slice]:
    height, width = weight.shape
    return densest_window(weight, height=max(1, height // _DETAIL), width=max(1, width // _DETAIL))


def _small(image: np.ndarray) -> np.ndarray:
    return shrink(image, width=_WIDTH, height=_HEIGHT)


def strip(panels: Sequence[Panel], *, width: int = 240) -> np.ndarray:
    """Put pictures of one size side by side, their captions below, as one `(H, W, 3) uint8` RGB.

    Args:
        panels: What to show.
        width: Of each picture, pixels; larger ones are scaled down.
    """
    images = [shrink(panel.image, width=width, height=width) for panel in panels]
    height = max(image.shape[0] for image in images)
    canvas = Image.new("RGB", ((width + _GAP) * len(panels) - _GAP, height + _CAPTION), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=_CAPTION * 2 / 3)
    for number, (image, panel) in enumerate(zip(images, panels, strict=True)):
        left = number * (width + _GAP)
        canvas.paste(Image.fromarray(image), (left, height - image.shape[0]))
        draw.text((left, height + 2), panel.caption, fill=_INK, font=font)
    return np.asarray(canvas)
