"""Masks against their photo's edges, on photos whose object is known."""

import math

import cv2
import numpy as np
import pytest

from maskfold.cleaning.edges import TURNS, PhotoEdges

HEIGHT, WIDTH = 160, 256


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    """An L, which none of the turns leaves as it is."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:130, 50:90] = 1
    mask[90:130, 50:180] = 1
    return mask


@pytest.fixture(scope="module")
def edges(mask) -> PhotoEdges:
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(rng.normal(0, 120, (HEIGHT, WIDTH)), (0, 0), 4) + 110
    photo = (ground + 60 * mask + rng.normal(0, 4, mask.shape)).clip(0, 255).astype(np.uint8)
    return PhotoEdges(cv2.cvtColor(photo, cv2.COLOR_GRAY2RGB))


def test_a_photo_that_never_changes_says_nothing(mask):
    # Nothing changes near the outline and nothing aside: the logarithm of 1 / 1.
    fit = PhotoEdges(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).fit(mask)

    assert (fit.ratio, fit.gain, fit.weakest) == (0, 0, 0)


@pytest.mark.parametrize("value", [0, 1])
def test_a_mask_without_an_outline_has_no_fit(edges, value):
    fit = edges.fit(np.full((HEIGHT, WIDTH), value, np.uint8))

    assert math.isnan(fit.ratio)
    assert math.isnan(fit.weakest)
    assert fit.gain == 0


def test_a_true_mask_fits_where_it_is_at_any_size(edges, mask):
    half = cv2.resize(mask, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST)
    fit = edges.fit(mask)

    assert fit.ratio > 0.8
    assert (fit.gain, fit.right, fit.down) == (0, 0, 0)
    assert edges.ratio(half) > 0.8


def test_an_inverted_mask_has_the_same_outline(edges, mask):
    assert edges.ratio(1 - mask) == pytest.approx(edges.ratio(mask), abs=0.1)


def test_a_mask_that_was_moved_is_told_where_it_belongs(edges, mask):
    fit = edges.fit(np.roll(mask, 7, axis=1))

    assert fit.gain > 0.3
    assert fit.right == pytest.approx(-7 / WIDTH, abs=1 / WIDTH)  # pixels of a photo that was not reduced
    assert fit.down == 0


def test_a_missing_piece_leaves_a_stretch_without_an_edge(edges, mask):
    cut = mask.copy()
    cut[:, 50:75] = 0  # through the upright of the L, 100 pixels long

    assert edges.fit(mask).weakest > 0
    assert edges.fit(cut).weakest < edges.fit(mask).weakest - 0.5


@pytest.mark.parametrize("name", TURNS)
def test_each_turn_is_named_by_what_has_happened(edges, mask, name):
    happened = {
        "mirrored left to right": mask[:, ::-1],
        "mirrored top to bottom": mask[::-1],
        "turned upside down (EXIF?)": mask[::-1, ::-1],
        "turned by 90 degrees clockwise (EXIF?)": cv2.rotate(mask, cv2.ROTATE_90_CLOCKWISE),
        "turned by 90 degrees counterclockwise (EXIF?)": cv2.rotate(mask, cv2.ROTATE_90_COUNTERCLOCKWISE),
        "mirrored across its main diagonal": mask.T,
        "mirrored across its other diagonal": mask[::-1, ::-1].T,
    }[name]
    turn, ratio = edges.best_turn(happened)

    assert turn == name
    assert ratio == pytest.approx(edges.ratio(mask))
    assert ratio - edges.ratio(happened) > 0.3
