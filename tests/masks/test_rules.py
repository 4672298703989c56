"""Tables of run lengths as competitions have them: rows written by hand, and the way back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Cells, Rules, TextByBands

MASK = np.array([[0, 1, 1], [0, 1, 0]], np.uint8)
TGS = Rules(columns={"id": "{image_id}", "rle_mask": "{runs}"}, order="columns")
CONTRAILS = Rules(columns={"record_id": "{image_id}", "encoded_pixels": "{runs}"}, order="columns", empty="-")
STEEL = Rules(columns={"ImageId": "{file}", "EncodedPixels": "{runs}", "ClassId": "{class}"}, order="columns")
OLD_STEEL = Rules(columns={"ImageId_ClassId": "{file}_{class}", "EncodedPixels": "{runs}"}, order="columns")


@pytest.mark.parametrize(
    ("rules", "row"),
    [
        (Rules(), ("a.b.jpg", "2 2 5 1")),
        (Rules(start=0), ("a.b.jpg", "1 2 4 1")),
        (TGS, ("a.b", "3 3")),
        (CONTRAILS, ("a.b", "3 3")),
        (STEEL, ("a.b.jpg", "3 3", "crack_2")),
        (OLD_STEEL, ("a.b.jpg_crack_2", "3 3")),
    ],
)
def test_a_row_is_written_and_read_back(rules, row):
    label = "crack_2" if rules.by_class else ""

    assert rules.row("a.b.jpg", rules.text(MASK), label) == row
    cells = rules.read(row, ["crack", "crack_2", "2"] if label else [])
    assert cells == Cells(rules.name_of("a.b.jpg"), label, row[1])
    np.testing.assert_array_equal(rules.mask(cells.runs, 2, 3), MASK)


def test_an_empty_mask_has_its_own_sign():
    empty = np.zeros((2, 3), np.uint8)

    assert [rules.text(empty) for rules in (TGS, CONTRAILS, Rules(empty="1 1"))] == ["", "-", "1 1"]
    for rules in (TGS, CONTRAILS, Rules(empty="1 1")):
        assert not rules.pairs(rules.text(empty)).size
        assert not rules.mask(rules.text(empty), 2, 3).any()


@settings(deadline=None)  # a busy machine takes its time
@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)),
    st.sampled_from(["rows", "columns"]),
    st.sampled_from([0, 1]),
)
def test_any_mask_comes_back(mask, order, start):
    rules = Rules(order=order, start=start, empty="-")

    np.testing.assert_array_equal(rules.mask(rules.text(mask), *mask.shape), mask)
    numbered = np.arange(mask.size).reshape(mask.shape if order == "rows" else mask.shape[::-1])
    numbered = (numbered if order == "rows" else numbered.T) + start
    held = [
        n
        for first, length in rules.pairs(rules.text(mask))
        for n in range(first - 1 + start, first - 1 + start + length)
    ]
    assert sorted(held) == sorted(numbered[mask > 0].tolist())


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"order": "diagonal"}, "order=diagonal"),
        ({"start": 2}, "start=2"),
        ({"columns": {"img": "{file}"}}, "once"),
        ({"columns": {"img": "{file}", "rle": "{runs}", "again": "{runs}"}}, "once"),
        ({"columns": {"img": "{name}", "rle": "{runs}"}}, "once"),
    ],
)
def test_rules_by_which_nothing_could_be_read_back_are_refused(keys, words):
    with pytest.raises(MaskfoldError, match=words):
        Rules(**keys)


def test_a_cell_of_another_form_is_named():
    with pytest.raises(
        MaskfoldError, match=r"column ImageId_ClassId: 'a\.jpg_9' is not of the form \{file\}_\{class\}, .*1, 2"
    ):
        OLD_STEEL.read(["a.jpg_9", ""], ["1", "2"])


@pytest.mark.parametrize("rules", [Rules(), Rules(order="columns", start=0, empty="-")])
def test_a_mask_that_comes_by_bands_reads_like_the_whole(rules):
    mask = np.zeros((7, 9), bool)
    mask[1:6, 2:8] = mask[:, 4] = mask[3, :] = True
    bands = [mask[:2], mask[2:3], mask[3:]] if rules.order == "rows" else [mask[:, :4], mask[:, 4:5], mask[:, 5:]]

    for shown in (1, 0):
        text = TextByBands(rules)
        for band in bands:
            text.add(band & bool(shown))
        assert text.finish() == (rules.text(mask) if shown else rules.empty)


@pytest.mark.parametrize(("token", "text"), [(-1, "-1"), (None, ""), ("-", "-")])
def test_a_token_that_yaml_reads_as_something_else_is_text_again(token, text):
    assert Rules(empty=token).text(np.zeros((2, 3), np.uint8)) == text
