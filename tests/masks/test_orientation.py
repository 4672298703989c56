"""The order of run lengths, judged on generated photos: square ones, where nothing but the photo tells, and others."""

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskfold.masks import rle
from maskfold.masks.orientation import TORN, judge_order, torn_ratio
from textures import car
from textures import textured_photo as pair

DATA = Path(__file__).parents[2].parent / "shared/data"


def numbered(pairs, order):
    """Yield the runs of each mask in an order, and its photo."""
    for photo, mask in pairs:
        yield rle.runs(mask if order == "rows" else np.ascontiguousarray(mask.T)), photo


@pytest.mark.parametrize("order", rle.ORDERS)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_square_photos_is_found_by_what_they_show(order, seed):
    rng = np.random.default_rng(seed)

    verdict = judge_order(numbered([pair(rng) for _ in range(40)], order))

    assert (verdict.order, verdict.certain) == (order, True)
    assert verdict.evidence.endswith(f"photos show by {order}")


@pytest.mark.hostile("wrong input")
def test_masks_of_other_photos_are_not_judged():
    verdicts = Counter()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        pairs = [pair(rng) for _ in range(20)]
        others = [(photo, mask) for (photo, _), (_, mask) in zip(pairs, pairs[1:] + pairs[:1], strict=True)]
        verdicts[judge_order(numbered(others, "rows")).order] += 1

    assert verdicts[None] >= 19  # by chance one in a hundred


def test_a_mask_that_is_its_own_mirror_image_tells_nothing():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 1

    verdict = judge_order(numbered([(mask * 200, mask)] * 30, "columns"))

    assert verdict.order is None
    assert verdict.evidence == "The order could not be told: no mask differs from itself read in the other order"


@pytest.mark.parametrize("order", rle.ORDERS)
def test_few_photos_that_are_not_square_are_enough_even_without_contrast(order):
    rng = np.random.default_rng(0)
    pairs = [pair(rng, 90, 140, contrast=0) for _ in range(6)]

    verdict = judge_order(numbered(pairs, order))

    assert (verdict.order, verdict.certain) == (order, True)
    assert verdict.evidence.endswith(f"photos that are not square hang together by {order} only")


@pytest.mark.parametrize("order", rle.ORDERS)
def test_objects_of_a_few_square_photos_tell_by_themselves(order):
    rng = np.random.default_rng(1)
    tiles = [[pair(rng, contrast=50) for _ in range(4)] for _ in range(4)]
    photo, mask = (np.block([[tile[part] for tile in row] for row in tiles]) for part in (0, 1))

    verdict = judge_order(numbered([(photo, mask), (photo[::-1], mask[::-1])], order))

    assert verdict.order == order


@pytest.mark.parametrize("order", rle.ORDERS)
def test_sixteen_bits_many_channels_and_holes_are_judged_alike(order):
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(30):
        photo, mask = pair(rng)
        many = np.stack([photo * 250.0, rng.normal(0, 1e-3, photo.shape), photo / 255], -1).astype(np.float32)
        many[:5, :5] = np.nan
        pairs.append((many, mask))

    assert judge_order(numbered(pairs, order)).order == order


@pytest.mark.hostile("wrong input")
def test_runs_that_leave_their_photo_and_empty_masks_say_nothing():
    photo = np.zeros((10, 10), np.uint8)
    outside, none = np.array([[95, 20]]), np.empty((0, 2), np.int64)

    verdict = judge_order([(outside, photo), (none, photo), (outside, photo)])

    assert verdict.order is None
    assert verdict.evidence == "The order could not be told: the runs of 2 masks do not fit their photos"
    assert judge_order([]).order is None


def test_a_thin_upright_line_in_a_wide_photo_does_not_look_like_rows():
    mask = np.zeros((256, 1600), np.uint8)
    mask[20:200, 700] = 1  # one run by columns

    assert torn_ratio(rle.runs(np.ascontiguousarray(mask.T)), 256, 1600) > 1 / 3
    assert torn_ratio(rle.runs(mask), 256, 1600) < 1 / 3


def test_no_more_photos_are_read_than_are_needed():
    rng = np.random.default_rng(4)
    pairs = numbered([pair(rng, contrast=60) for _ in range(64)], "rows")

    assert judge_order(pairs).certain
    assert len(list(pairs)) > 10


@pytest.mark.parametrize(
    "mask",
    [
        np.ones((30, 90), np.uint8),
        np.pad(np.ones((10, 90), np.uint8), ((10, 10), (0, 0))),  # a band
        np.pad(np.ones((30, 10), np.uint8), ((0, 0), (40, 40))),
        np.pad(np.ones((1, 1), np.uint8), ((10, 19), (40, 49))),
        np.indices((30, 90)).sum(axis=0).astype(np.uint8) % 2,  # a chessboard
    ],
)
def test_extreme_masks_are_not_taken_for_transposed(mask):
    assert torn_ratio(rle.runs(mask), *mask.shape) <= TORN


@given(st.integers(20, 200), st.integers(20, 200))
@settings(max_examples=60, deadline=None)
def test_a_car_of_any_proportions_is_never_taken_for_transposed(height, width):
    assert torn_ratio(rle.runs(car(height, width)), height, width) <= TORN


@pytest.mark.skipif(not (DATA / "human/masks").is_dir(), reason="needs the photos in shared/data/human")
def test_real_masks_are_told_from_transposed_ones():
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0 for path in sorted((DATA / "human/masks").iterdir())[:40]]
    oblong = [mask for mask in masks if mask.shape[0] != mask.shape[1]]

    assert len(oblong) > 20
    assert all(torn_ratio(rle.runs(mask), *mask.shape) <= TORN for mask in oblong)
    assert sum(torn_ratio(rle.runs(mask.T), *mask.shape) > TORN for mask in oblong) >= 0.95 * len(oblong)
