"""The run-length codec against a pixel-by-pixel reference and strings written by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskfold.errors import MaskfoldError
from maskfold.masks.rle import RunJoiner, decode, encode, runs

MASKS = hnp.arrays(
    st.sampled_from([np.bool_, np.uint8]),
    st.tuples(st.integers(1, 9), st.integers(1, 40)),
    elements=st.integers(0, 1),
    fill=st.integers(0, 1),
)


def encode_slowly(mask: np.ndarray) -> str:
    """Walk over the pixels one by one, row by row."""
    pairs = []
    inside = False
    for number, pixel in enumerate((bool(value) for row in mask for value in row), start=1):
        if pixel and not inside:
            pairs.append([number, 0])
        if pixel:
            pairs[-1][1] += 1
        inside = pixel
    return " ".join(f"{start} {length}" for start, length in pairs)


@given(MASKS)
@settings(max_examples=300, deadline=None)
def test_encode_agrees_with_the_slow_reference_and_decode_inverts_it(mask):
    rle = encode(mask)

    assert rle == encode_slowly(mask)
    np.testing.assert_array_equal(decode(rle, *mask.shape), mask.astype(np.uint8))


@pytest.mark.parametrize(
    ("rows", "rle"),
    [
        (["...", "..."], ""),
        (["###", "###"], "1 6"),
        (["#..", "..."], "1 1"),
        (["...", "..#"], "6 1"),
        (["..#", "#.."], "3 2"),  # a run goes on in the next row
        (["#.#", ".#."], "1 1 3 1 5 1"),
        (["#", ".", "#"], "1 1 3 1"),
        ([".#######", "#......."], "2 8"),  # across a whole 64-bit word
    ],
)
def test_strings_written_by_hand(rows, rle):
    mask = np.array([[character == "#" for character in row] for row in rows])

    assert encode(mask) == rle
    np.testing.assert_array_equal(decode(rle, *mask.shape), mask)


@pytest.mark.parametrize("size", range(1, 40))
def test_the_last_pixel_is_kept_whatever_the_number_of_pixels(size):
    mask = np.zeros((1, size), np.uint8)
    mask[0, -1] = 255

    assert encode(mask) == f"{size} 1"


def test_a_view_that_is_not_contiguous_is_encoded_as_it_looks():
    mask = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)

    assert encode(mask.T) == encode_slowly(mask.T) == "3 1 5 2"
    assert encode(mask[:, ::-1]) == "1 2 4 1"


def test_any_nonzero_value_is_foreground():
    np.testing.assert_array_equal(runs(np.array([[0, 255, 3, 1, 0]], np.uint8)), [[2, 3]])


@pytest.mark.parametrize("mask", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 1), np.uint8)])
def test_encode_refuses_what_is_no_mask(mask):
    with pytest.raises(MaskfoldError, match="bool or uint8, but this one is"):
        encode(mask)


@pytest.mark.parametrize(
    ("rle", "reason"),
    [
        ("1 2 x 1", "value 3 is 'x', not a whole number"),
        ("1.5 2", "value 1 is '1.5', not a whole number"),
        ("1_0 2", "value 1 is '1_0', not a whole number"),
        ("1\xa02 3 4", "value 1 is '1\\\\xa02', not a whole number"),
        ("1,2", "value 1 is '1,2', not a whole number"),
        ("99999999999999999999 1", "not a whole number"),
        ("1 2 5", "3 values are an odd number"),
        ("0 2", "pair 1, '0 2': pixels are counted from 1"),
        ("3 0", "pair 1, '3 0': a run has at least one pixel"),
        ("3 -1", "pair 1, '3 -1': a run has at least one pixel"),
        ("1 1 12 2", "pair 2, '12 2': 4x3 has 12 pixels"),
        ("5 1 1 1", "pair 2, '1 1': it starts before the pair in front of it"),
        ("1 3 3 2 4 2", r"pair 2, '3 2': it starts inside the run in front of it \(and 1 more\)"),
        ("1 1 1 1", "pair 2, '1 1': it starts inside"),
    ],
)
def test_decode_names_the_pair_at_fault(rle, reason):
    with pytest.raises(MaskfoldError, match=reason):
        decode(rle, 3, 4)


def test_decode_accepts_touching_runs_the_last_pixel_and_spare_white_space():
    np.testing.assert_array_equal(decode(" 1 2  3 1\n12 1 ", 3, 4), [[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert not decode("  ", 3, 4).any()


def joined(parts: list[np.ndarray]) -> np.ndarray:
    joiner = RunJoiner()
    return np.concatenate([*(joiner.add(runs(part), part.size) for part in parts), joiner.last])


@given(MASKS, st.lists(st.integers(1, 4), min_size=1, max_size=9), st.sampled_from(["rows", "columns"]))
@settings(max_examples=200, deadline=None)
def test_the_runs_of_parts_are_joined_to_those_of_the_whole(mask, heights, order):
    whole = mask if order == "rows" else mask.T
    edges = [0, *np.minimum(np.cumsum(heights), len(whole)).tolist(), len(whole)]
    parts = [whole[top:bottom] for top, bottom in pairwise(edges) if top < bottom]

    np.testing.assert_array_equal(joined(parts), runs(whole))


def test_a_run_through_several_parts_is_one():
    parts = [
        np.ones((2, 3), bool),
        np.ones((1, 3), bool),
        np.array([[1, 1, 0], [0, 0, 1]], bool),
        np.zeros((1, 3), bool),
    ]

    # 6 + 3 + 2 pixels from the first on, and the last one of the third part, which is number 6 + 3 + 6.
    assert joined(parts).tolist() == [[1, 11], [15, 1]]
