"""The backdrop that views share: what a photo shows of it is no car, and what it hides above the middle is one."""

import numpy as np
import street_plates

HEIGHT, WIDTH = 120, 400


def views(*, shift: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return eight photos of a bright box before clouds, each `shift` pixels further right, and their true masks."""
    rng = np.random.default_rng(0)
    wall = rng.integers(60, 140, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    masks = np.zeros((8, HEIGHT, WIDTH), np.uint8)
    for view, mask in enumerate(masks):
        mask[30:100, 20 + shift * view : 80 + shift * view] = 1
    return [np.where(mask[..., None] > 0, 230, wall).astype(np.uint8) for mask in masks], [*masks]


def test_a_plate_is_what_most_views_show_where_no_car_may_be():
    photos, masks = views(shift=40)
    plate, known = street_plates.plate_of(photos, [255 * mask for mask in masks])

    assert known.all()
    assert plate.max() < 140
    alone, sure = street_plates.plate_of(photos[:1] * 8, [255 * masks[0]] * 8)
    assert not sure[40:90, 30:70].any()
    assert np.array_equal(alone[sure], photos[0][sure])


def test_wall_leaves_the_mask_and_a_lost_bumper_joins_it():
    photos, masks = views(shift=40)
    maps = [255 * mask for mask in masks]
    maps[2][30:60, 140:160] = 20  # the upper right of the box, 100 to 160, is lost
    maps[2][35:55, 80:100] = 200  # and wall beside it joins

    mended = street_plates.correct_car(photos, maps)[2] >= 128

    assert mended[34:56, 144:156].mean() > 0.9
    assert mended[38:52, 83:96].mean() < 0.1
    assert mended[66:98, 104:156].all()


def test_a_photo_in_which_nothing_was_seen_stays_empty():
    photos, masks = views(shift=40)
    nothing = np.zeros_like(masks[0])

    assert not street_plates.correct_car(photos, [nothing, *(255 * mask for mask in masks[1:])])[0].any()
