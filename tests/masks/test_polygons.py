"""COCO's polygons and run lengths: drawn by hand, and what is refused."""

import numpy as np
import pytest

from maskfold.errors import MaskfoldError
from maskfold.masks.polygons import draw_segmentation, read_counts


def rows(*lines: str) -> list[list[int]]:
    """A mask as drawn: # is object."""
    return [[int(letter == "#") for letter in line] for line in lines]


@pytest.mark.parametrize(
    ("polygons", "drawn"),
    [
        # From 1 to 4 and from 1 to 3: three pixels by two.
        ([[1, 1, 4, 1, 4, 3, 1, 3]], rows("......", ".###..", ".###..", "......")),
        ([[1, 3, 4, 3, 4, 1, 1, 1]], rows("......", ".###..", ".###..", "......")),  # the other way round
        # Centres at .5: what begins behind one leaves the pixel out.
        ([[0.4, 0.4, 2.6, 0.4, 2.6, 1.4, 0.4, 1.4]], rows("###...", "......", "......", "......")),
        ([[0.6, 0.6, 2.4, 0.6, 2.4, 1.6, 0.6, 1.6]], rows("......", ".#....", "......", "......")),
        # A right angle at the top left, with legs of four: the long side passes centres (3.5, .5), (2.5, 1.5), ...
        ([[0, 0, 4, 0, 0, 4]], rows("###...", "##....", "#.....", "......")),
        ([[-9, 2, 99, 2, 99, 99, -9, 99]], rows("......", "......", "######", "######")),  # cut off
        ([[7, 7, 9, 7, 9, 9]], rows("......", "......", "......", "......")),  # all of it
        ([[0, 0, 1, 0, 1, 1, 0, 1], [4, 2, 6, 2, 6, 4, 4, 4]], rows("#.....", "......", "....##", "....##")),
        # A bow tie that crosses itself at x = 2.1: the first row meets .525 and 3.675, the next 1.575 and 2.625.
        ([[0, 0, 4.2, 4, 4.2, 0, 0, 4]], rows("#.....", "##.#..", "##.#..", "#.....")),
    ],
)
def test_polygons_as_drawn_by_hand(polygons, drawn):
    mask = draw_segmentation(polygons, 4, 6)
    assert mask.dtype == np.uint8
    assert mask.tolist() == drawn


def test_counts_go_down_the_columns_and_begin_with_background():
    # A picture of 3 rows and 2 columns: the last pixel of the first column and the first of the second.
    drawn = rows(".#", "..", "#.")
    assert draw_segmentation({"size": [3, 2], "counts": [2, 2, 2]}, 3, 2).tolist() == drawn
    assert draw_segmentation({"size": [3, 2], "counts": "222"}, 3, 2).tolist() == drawn
    assert draw_segmentation({"size": [3, 2], "counts": [0, 6]}, 3, 2).tolist() == rows("##", "##", "##")
    assert draw_segmentation({"size": [3, 2], "counts": [6]}, 3, 2).tolist() == rows("..", "..", "..")


def test_compressed_counts_worked_out_by_hand():
    # 5 and 3 are a letter each. 20 is 10100: its highest bit would be the sign, so "more" (32 + 20 = 52, the letter d)
    # and a 0 follow. The fourth is 2, less the second, 3: -1, all bits set, the letter of 31.
    assert read_counts("53d0O") == [5, 3, 20, 2]
    # 1000 is 31 * 32 + 8: 8 with "more" is the letter of 40, X; 31 would be negative, so "more" again, o, and 0.
    assert read_counts("Xo0") == [1000]
    assert read_counts("") == []


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([], "neither a list of polygons nor run lengths"),
        ("53d0O", "neither a list of polygons nor run lengths"),
        (None, "neither a list of polygons nor run lengths"),
        ([[0, 0, 1, 1]], "x, y of three corners or more"),
        ([[0, 0, 1, 1, 2, 2, 3]], "x, y of three corners or more"),
        ([0, 0, 1, 1, 2, 2], "x, y of three corners or more"),
        ([[0, 0, 1, 1, 2, float("nan")]], "x, y of three corners or more"),
        ([[0, 0, 1, 1, 2, 1e300]], "x, y of three corners or more"),
        ([[0, 0, 1, 1, 2, "a"]], "not a list of numbers"),
        ([[0, 0, 1, 1, 2, [3]]], "not a list of numbers"),
        ({"size": [6, 4], "counts": [24]}, r"size \[6, 4\] \(height, width\), its picture is 4x6"),
        ({"counts": [24]}, "size None"),
        ({"size": [4, 6], "counts": [25]}, "have 25 pixels, 6x4 has 24"),
        ({"size": [4, 6], "counts": [10**18]}, "have 1000000000000000000 pixels"),
        ({"size": [4, 6], "counts": [-1, 25]}, "not whole numbers"),
        ({"size": [4, 6], "counts": [24.0]}, "not whole numbers"),
        ({"size": [4, 6]}, "not whole numbers"),
        ({"size": [4, 6], "counts": "d"}, "its last number has no end"),
        ({"size": [4, 6], "counts": "\0"}, "no compressed text"),
        ({"size": [4, 6], "counts": "ü"}, "no compressed text"),
        ({"size": [4, 6], "counts": "o" * 1_000_000}, "no compressed text"),
    ],
)
def test_what_is_no_segmentation_says_why(segmentation, said):
    with pytest.raises(MaskfoldError, match=said):
        draw_segmentation(segmentation, 4, 6)


@pytest.mark.hostile("memory")
def test_a_polygon_of_edges_beyond_measure_is_refused_before_memory_is_taken():
    zigzag = np.zeros(4_000)
    zigzag[1::2] = np.tile([0.0, 100_000.0], 1000)
    with pytest.raises(MaskfoldError, match="edges of a polygon cross 200,000,000 rows"):
        draw_segmentation([zigzag.tolist()], 100_000, 1)
