"""Repairs on drawn masks whose right answer is known beforehand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskfold.ensembling.postprocess import FillHoles, HullRepair, LargestComponent, largest_hull

SIZE = {"reference_height": 100, "reference_width": 200}
MASKS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 1))


def drawn(*rows: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in rows], np.uint8)


def bitten(top: int = 20, height: int = 100, width: int = 200, unsure: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Draw a block, rows 20 to 79 and columns 50 to 149, with a notch 20 x 20 that the ensemble is unsure of."""
    mask = np.zeros((height, width), np.uint8)
    mask[20:80, 50:150] = 1
    probability = 255 * mask
    notch = np.s_[top : top + 20, 90:110]
    mask[notch] = 0
    probability[notch] = unsure
    return probability, mask


@pytest.mark.parametrize("turns", range(4))
def test_fill_holes_by_hand(turns):
    mask = drawn(
        "#######.",
        "#.##..#.",
        "##.#.##.",
        "###.###.",
        "#####.#.",  # open at the border
    )
    filled = drawn(
        "#######.",
        "#######.",
        "#######.",
        "#######.",
        "#####.#.",
    )
    np.testing.assert_array_equal(FillHoles()(mask, np.rot90(mask, turns).copy()), np.rot90(filled, turns))


def test_a_hole_that_meets_the_outside_at_a_corner_only_is_filled():
    mask = drawn("####", "#.##", "##.#", "###.")
    np.testing.assert_array_equal(FillHoles()(mask, mask), drawn("####", "####", "####", "###."))


def test_fill_holes_leaves_holes_above_the_limit_scaled_to_the_image():
    mask = np.ones((10, 20), np.uint8)
    mask[2, 2:5] = 0  # 3 pixels
    mask[5:7, 5:7] = 0  # 4 pixels

    small_only = FillHoles(max_area=3 * 100, **SIZE)(mask, mask)  # this image is a hundredth of the reference

    assert small_only.sum() == 200 - 4
    assert small_only[2, 2:5].all()
    assert FillHoles(max_area=4 * 100, **SIZE)(mask, mask).all()


def test_the_largest_component_by_hand():
    mask = drawn(
        "##...#.",
        "##...#.",
        "..#..#.",  # touches the block at its corner: 8-connected, 5 pixels against 3
        ".......",
    )
    expected = drawn(
        "##.....",
        "##.....",
        "..#....",
        ".......",
    )
    np.testing.assert_array_equal(LargestComponent()(mask, mask), expected)
    # Upside down and the other way round the largest is the last that is met.
    np.testing.assert_array_equal(LargestComponent()(mask, mask[::-1, ::-1].copy()), expected[::-1, ::-1])


@given(MASKS)
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("step", [FillHoles(), FillHoles(max_area=3), LargestComponent()])
def test_every_step_is_idempotent_and_leaves_its_input_alone(step, mask):
    before = mask.copy()
    once = step(mask * 255, mask)

    np.testing.assert_array_equal(mask, before)
    assert once is not mask
    assert once.dtype == np.uint8
    np.testing.assert_array_equal(step(mask * 255, once), once)


def test_the_hull_of_the_largest_contour_by_hand():
    mask = drawn(
        "#.........",
        "...#.....#",
        "...#......",
        "...#......",
        "...####...",
        "..........",
    )
    hull = drawn(
        "..........",
        "...#......",
        "...##.....",
        "...###....",
        "...####...",
        "..........",
    )
    np.testing.assert_array_equal(largest_hull(mask), hull)
    assert not largest_hull(np.zeros((3, 3), np.uint8)).any()


def test_hull_repair_fills_the_bite_and_nothing_else():
    probability, mask = bitten()
    mask[60:70, 60:70] = probability[60:70, 60:70] = 0  # a hole far from the box
    repair = HullRepair(min_area=288, erosion=1, margin=10, **SIZE)  # the contour of 18 x 18 pixels holds 17 x 17 = 289
    whole = mask.copy()
    whole[20:40, 90:110] = 1

    before = mask.copy()
    once = repair(probability, mask)

    np.testing.assert_array_equal(mask, before)
    np.testing.assert_array_equal(once, whole)
    np.testing.assert_array_equal(repair(probability, once), whole)


def test_hull_repair_restores_a_round_bite_of_known_area():
    mask = np.zeros((200, 400), np.uint8)
    mask[50:150, 50:350] = 1
    rows, columns = np.ogrid[:200, :400]
    bite = ((rows - 50) ** 2 + (columns - 200) ** 2 <= 40**2) & (rows >= 50)
    probability = np.where(bite, np.uint8(50), 255 * mask)
    mask[bite] = 0

    repair = HullRepair(min_area=1500, erosion=2, margin=20, reference_height=200, reference_width=400)
    repaired = repair(probability, mask)

    assert repaired.sum() == 100 * 300
    assert repaired.sum() - mask.sum() == pytest.approx(np.pi * 40**2 / 2, rel=0.03)


def test_inside_the_box_the_hull_replaces_the_mask():
    # What is left of the mask, of the ensemble's mean, plays no part; nor does a second, smaller contour of the map.
    probability, mask = bitten()
    mask[15:60, 85:115] = 0
    mask[13, 95:99] = 1
    probability[13, 95:99] = 255
    whole = np.zeros_like(mask)
    whole[20:80, 50:150] = 1
    # The eroded notch is rows 21 to 38, columns 91 to 108; 25 wider on each side is rows 0 to 63, columns 66 to 133.
    repaired = HullRepair(min_area=280, erosion=1, margin=25, **SIZE)(probability, mask)
    np.testing.assert_array_equal(repaired, whole)


def test_hull_repair_stays_inside_the_widened_box():
    probability, mask = bitten()
    # Another notch, at the corner: a hull of everything would cut across it.
    mask[20:40, 50:60] = probability[20:40, 50:60] = 0
    # The eroded notch is rows 21 to 38, columns 91 to 108; 50 wider on each side is columns 41 to 158, 30 is 61 to 138.
    near = HullRepair(min_area=250, erosion=1, margin=30, **SIZE)(probability, mask)
    far = HullRepair(min_area=250, erosion=1, margin=50, **SIZE)(probability, mask)

    assert near.sum() - mask.sum() == 400
    assert far[20:40, 50:60].any()
    outside = np.ones_like(mask, bool)
    outside[0:89, 41:159] = False
    np.testing.assert_array_equal(far[outside], mask[outside])


@pytest.mark.parametrize(
    ("repair", "unsure", "top"),
    [
        (HullRepair(min_area=289, erosion=1, margin=10, **SIZE), 120, 20),  # not more than 17 x 17
        (HullRepair(min_area=250, erosion=2, margin=10, **SIZE), 120, 20),  # 15 x 15 is too small
        (HullRepair(min_area=250, erosion=1, margin=10, **SIZE), 30, 20),
        (HullRepair(min_area=250, erosion=1, margin=10, **SIZE), 210, 20),
        (HullRepair(min_area=250, erosion=1, margin=10, **SIZE), 120, 60),  # lower half
    ],
)
def test_hull_repair_touches_nothing_without_a_large_unreliable_area(repair, unsure, top):
    probability, mask = bitten(top=top, unsure=unsure)
    np.testing.assert_array_equal(repair(probability, mask), mask)


@pytest.mark.parametrize(("unsure", "top", "upper_half"), [(31, 20, True), (209, 20, True), (120, 60, False)])
def test_hull_repair_looks_between_its_limits_and_into_the_lower_half_on_request(unsure, top, upper_half):
    probability, mask = bitten(top=top, unsure=unsure)
    repaired = HullRepair(min_area=288, erosion=1, margin=10, upper_half=upper_half, **SIZE)(probability, mask)
    assert repaired.sum() == 60 * 100


def test_where_nothing_is_above_the_cut_the_mask_stays():
    probability, mask = bitten(unsure=50)
    probability[probability == 255] = 0
    np.testing.assert_array_equal(HullRepair(min_area=288, erosion=1, margin=10, **SIZE)(probability, mask), mask)


def test_hull_repair_scales_the_numbers_of_the_competition():
    # 40,000 pixels of 1918x1280 are 325.9 of 200x100; lengths shrink to 0.0903: an erosion of 1, a margin of 5.
    probability, mask = bitten()
    np.testing.assert_array_equal(HullRepair()(probability, mask), mask)  # the contour holds 17 x 17 = 289

    probability[20:40, 88:110] = 120  # 20 x 20 are left of 20 x 22, whose contour holds 17 x 19 = 323
    np.testing.assert_array_equal(HullRepair()(probability, mask), mask)
    probability[20:40, 87:110] = 120
    assert HullRepair()(probability, mask).sum() == 60 * 100

    mask[20:40, 50:60] = probability[20:40, 50:60] = 0  # a corner that a margin of 50 would have cut across
    assert HullRepair()(probability, mask).sum() == 60 * 100 - 20 * 10


@pytest.mark.parametrize(("min_area", "repaired"), [(195, True), (225, False)])
def test_hull_repair_at_half_the_size_does_half_of_the_same(min_area, repaired):
    # A radius of 2 leaves a contour of 15 x 15 = 225 at full size, a radius of 1 one of 7 x 7 = 196 / 4 at half.
    probability, mask = bitten()
    repair = HullRepair(min_area=min_area, erosion=2, margin=10, **SIZE)

    full = repair(probability, mask)
    half = repair(probability[::2, ::2].copy(), mask[::2, ::2].copy())

    assert full.sum() - mask.sum() == 400 * repaired
    np.testing.assert_array_equal(half, full[::2, ::2])
