"""Near-copies: where they stand, which of them is offered to be dropped, and whether their masks are one."""

import cv2
import numpy as np
import pandas as pd

from maskfold.cleaning.pairs import MaskPair, overlap, twin_findings

ROWS = pd.DataFrame(
    {
        "image_id": list("abcdef"),
        "group": ["1", "1", "2", "3", "4", "5"],
        "split": ["train", "train", "train", "train", "test", "train"],
    }
)


def test_twins_across_splits_come_first_then_those_across_groups():
    pairs = [("a", "b", 0), ("c", "d", 7), ("c", "e", 30), ("a", "c", 5), ("e", "f", 31)]
    twins = pd.DataFrame(pairs, columns=["image_id", "partner", "distance"]).assign(same_bytes=[True, *[False] * 4])
    fits = pd.Series({"a": 1.0, "b": 1.2, "c": 0.5, "d": 0.2, "f": 0.1})

    found = twin_findings(twins, ROWS, fits)

    assert found["finding"].tolist() == [
        "near-copies, in train and test",
        "near-copies, in train and test",
        "near-copies, in two groups",
        "near-copies, in two groups",
        "the same bytes, in one group",
    ]
    assert found["score"].tolist() == [30, 31, 5, 7, 0]
    # Never the test photo; of two train photos the one whose mask fits less.
    assert found["decision"].tolist() == ["c,drop", "f,drop", "c,drop", "d,drop", "a,drop"]


def test_masks_of_two_sizes_are_compared(tmp_path):
    one = np.zeros((4, 8), np.uint8)
    one[:, :4] = 255
    other = np.zeros((8, 16), np.uint8)
    other[:, 4:12] = 255
    paths = [str(tmp_path / f"{name}.png") for name in "ab"]
    for path, mask in zip(paths, (one, other), strict=True):
        cv2.imwrite(path, mask)

    # Columns 0 to 3 against 2 to 5: 2 of 6 in common.
    assert overlap(MaskPair(*paths)) == [(1 / 3,)]
