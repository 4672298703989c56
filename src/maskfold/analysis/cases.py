"""The pictures of one image, side by side: whole at a glance, and the place that matters in detail."""

from collections.abc import Iterable

import cv2
import numpy as np

from maskfold.analysis.disagreement import signed_difference
from maskfold.analysis.evidence import Case
from maskfold.analysis.formats import percent
from maskfold.analysis.html import Html, photo
from maskfold.analysis.pictures import (
    BLUE,
    ORANGE,
    Colour,
    colour_probability,
    densest_window,
    draw_frame,
    draw_outline,
    fade,
    in_grey_zone,
    shrink,
    tint,
)

_WIDTH, _HEIGHT = 480, 400  # of a picture on the page, pixels
_RIM = 4  # pixels, more than an outline is thick
_DETAIL = 4  # the detail is this part of the photo's height and width

Outlines = list[tuple[np.ndarray, Colour]]


def doubt_tiles(case: Case, *, image_id: str) -> list[Html]:
    """Return photo with outline, probability map, grey zone, and the window with the most grey."""
    grey = in_grey_zone(case.probability)
    small = _small(case.photo)
    window = _window(grey)
    outlines = [(case.prediction, ORANGE)]
    return [
        _overview(case, outlines, window, image_id, "photo and prediction"),
        _tile(colour_probability(_small(case.probability)), image_id, "probability"),
        _tile(tint(fade(small), grey, ORANGE), image_id, f"grey zone, {percent(grey.mean(), 2)} of the pixels"),
        _detail(case, outlines, window, image_id),
    ]


def error_tiles(case: Case, *, image_id: str) -> list[Html]:
    """Return photo with both outlines, signed difference, probability map, and the window with the most errors."""
    difference = signed_difference(case.prediction, case.truth)
    much, missed = difference > 0, difference < 0
    small = _small(case.photo)
    window = _window(difference != 0)
    outlines = [(case.truth, BLUE), (case.prediction, ORANGE)]
    counts = f"{np.count_nonzero(missed):,} px missed, {np.count_nonzero(much):,} px too much"
    return [
        _overview(case, outlines, window, image_id, "photo, mask and prediction"),
        _tile(tint(tint(fade(small), missed, BLUE), much, ORANGE), image_id, counts),
        _tile(colour_probability(_small(case.probability)), image_id, "probability"),
        _detail(case, outlines, window, image_id),
    ]


def _overview(case: Case, outlines: Outlines, window: tuple[slice, slice], image_id: str, caption: str) -> Html:
    image = _outlined(_small(case.photo), outlines)
    return _tile(draw_frame(image, window, shape=case.photo.shape), image_id, caption)


def _detail(case: Case, outlines: Outlines, window: tuple[slice, slice], image_id: str) -> Html:
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
    return _tile(image, image_id, f"detail, {_DETAIL} times as large")


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


def _tile(image: np.ndarray, image_id: str, caption: str) -> Html:
    return photo(image, alt=f"{image_id}: {caption}", caption=caption)
