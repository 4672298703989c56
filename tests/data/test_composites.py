import cv2
import numpy as np
import pytest

from maskfold.data.composites import (
    change_backdrop,
    from_lab,
    object_of,
    ring_colour,
    separate,
    shading,
    soft_alpha,
    to_lab,
)

RED, GREEN, WHITE = (np.float32(colour) for colour in ([200, 40, 30], [20, 160, 60], [255, 255, 255]))
# What a Gaussian of sigma 0.7, cut off at three pixels, makes of a step: sums of exp(-x² / (2 x 0.49)).
WEIGHTS = np.exp(-(np.arange(-3, 4) ** 2) / 0.98)
STEP = np.cumsum(WEIGHTS / WEIGHTS.sum())[:-1]


def disc(side=160, radius=50):
    """Return a disc's mask."""
    points = np.arange(side) + 0.5 - side / 2
    return (np.hypot(points, points[:, None]) < radius).astype(np.uint8)


def mixture(alpha, front, back):
    share = alpha[..., None]
    return np.rint(share * front + (1 - share) * back).clip(0, 255).astype(np.uint8)


def test_alpha_is_the_mask_blurred():
    mask = np.zeros((20, 20), np.uint8)
    mask[:, 10:] = 1
    np.testing.assert_allclose(soft_alpha(mask)[5, 7:13], STEP, atol=1e-6)
    assert soft_alpha(mask)[5, 6] == 0
    assert soft_alpha(np.float32(0.6) * mask)[5, 15] == pytest.approx(0.6)


def test_a_photo_of_one_colour_on_a_backdrop_of_one_colour_is_their_mixture_exactly():
    image = np.broadcast_to(RED, (40, 40, 3)).astype(np.uint8)
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:] = 1
    alpha = np.concatenate([np.zeros(17), STEP, np.ones(17)])
    expected = np.rint(alpha[:, None] * RED + (1 - alpha[:, None]) * GREEN)
    np.testing.assert_array_equal(change_backdrop(image, mask, GREEN), np.broadcast_to(expected, (40, 40, 3)))


def test_outside_the_edge_colours_are_the_photos_own():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    alpha = soft_alpha(np.pad(np.ones((20, 20), np.uint8), 22))
    front, back = separate(image, alpha)
    np.testing.assert_allclose(front[alpha == 1], image[alpha == 1], atol=1e-3)
    np.testing.assert_allclose(back[alpha == 0], image[alpha == 0], atol=1e-3)
    hardly = (alpha > 0) & (alpha < 0.005)  # no seam of blurred backdrop around the object
    np.testing.assert_allclose(back[hardly], image[hardly], atol=4)


def test_the_objects_colour_is_found_in_the_edge():
    """A smooth object before a smooth backdrop, mixed by a known alpha: a quarter of the error of the pixels' own."""
    mask = disc()
    alpha = soft_alpha(mask)
    slope = np.linspace(-1, 1, 160, dtype=np.float32)
    front = RED + np.float32([20, 30, 25]) * slope[:, None, None]
    back = GREEN + np.float32([15, 40, 30]) * slope[None, :, None]
    image = mixture(alpha, front, back)
    band = (alpha > 0.02) & (alpha < 0.98)
    error = np.abs(separate(image, alpha)[0] - front)[band].mean()
    naive = np.abs(image - front)[band].mean()
    assert naive > 30
    assert error < naive / 4


@pytest.mark.parametrize("sigma", [0.7, 0.9])
def test_no_rim_of_the_old_backdrop_is_left(sigma):
    """Of a disc on green that is laid on white a hard mask leaves a green rim; edges may be softer than ours."""
    mask = disc()
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (9, 9), sigma)
    image, true = mixture(alpha, RED, GREEN), mixture(alpha, RED, WHITE).astype(float)
    band = (alpha > 0.02) & (alpha < 0.98)
    naive = np.where(mask[..., None] == 1, image, 255)
    changed = change_backdrop(image, mask, WHITE)
    assert np.abs(changed - true)[band].mean() < np.abs(naive - true)[band].mean() / 3


def test_shadows_stay():
    """A backdrop of grey 100 with a shadow of 50: half the new colour lies there, and on what is brighter more."""
    image = np.full((60, 60, 3), 100, np.uint8)
    image[:, :10], image[:, 10:15] = 50, 120
    image[30:40, 30:40] = 230
    mask = np.zeros((60, 60), np.uint8)
    mask[30:40, 30:40] = 1
    changed = change_backdrop(image, mask, np.float32([200, 100, 50]))
    assert changed[5, 5].tolist() == [100, 50, 25]
    assert changed[5, 12].tolist() == [240, 120, 60]
    assert changed[5, 40].tolist() == [200, 100, 50]
    assert changed[35, 35].tolist() == [230, 230, 230]


def test_shading_has_a_limit_and_a_black_backdrop_has_some():
    alpha = np.zeros((2, 3), np.float32)
    light = np.float32([[100, 100, 100], [100, 255, 0]])
    np.testing.assert_allclose(shading(np.dstack([light] * 3), alpha), [[1, 1, 1], [1, 1.6, 0]], rtol=1e-5)
    assert np.isfinite(shading(np.zeros((2, 3, 3), np.float32), alpha)).all()
    assert np.isfinite(shading(np.zeros((2, 3, 3), np.float32), alpha + 1)).all()


def test_the_rings_colour_is_that_along_the_outline():
    """Blue inside a ring of red 8 pixels wide; at 192 pixels' height the ring is looked for from 1.5 to 6."""
    image = np.full((192, 192, 3), GREEN, np.uint8)
    mask = np.zeros((192, 192), np.uint8)
    image[50:150, 50:150], image[58:142, 58:142] = RED, (0, 0, 200)
    mask[50:150, 50:150] = 1
    np.testing.assert_allclose(ring_colour(image, mask), to_lab(RED[None])[0], atol=0.01)
    thin = np.zeros_like(mask)
    thin[100, 50:52] = 1
    np.testing.assert_allclose(ring_colour(image, thin), to_lab(RED[None])[0], atol=0.01)


def test_lab_by_known_colours():
    # CIE 15: sRGB's red has Lab (53.24, 80.09, 67.20), white (100, 0, 0).
    np.testing.assert_allclose(
        to_lab(np.float32([[255, 0, 0], [255, 255, 255]])), [[53.24, 80.09, 67.2], [100, 0, 0]], atol=0.1
    )
    np.testing.assert_allclose(from_lab(np.float32([[53.24, 80.09, 67.2]])), [[255, 0, 0]], atol=0.5)
    assert from_lab(np.float32([[120, 0, 0]])).max() <= 255


def test_the_object_of_several_classes_is_any_of_them():
    assert object_of(np.uint8([[[0, 1], [0, 0], [1, 0]]])).tolist() == [[1, 0, 1]]
