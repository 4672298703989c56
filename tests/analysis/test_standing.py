"""How well planted masks are found, by hand."""

import pandas as pd

from maskfold.analysis.standing import detection_sentence, detection_table

PLANTED = pd.DataFrame(
    {
        "image_id": ["a", "d", "e", "v", "t"],
        "kind": ["wrong_mask", "wrong_mask", "wheel_gaps", "white_van", "wrong_mask"],
        "split": ["train", "train", "train", "train", "test"],
    }
)
SUSPICION = pd.DataFrame({"image_id": list("abdvce"), "suspicion": [0.9, 0.5, 0.3, 0.1, 0.05, 0.01]})


def test_recall_of_each_kind():
    table = detection_table(SUSPICION, PLANTED)

    # Suspicious are a, b and d; among the first two is a.
    assert table.to_numpy().tolist() == [
        ["wrong mask", "2", "1.00", "0.50", "3 of 6"],
        ["wheel gaps", "1", "0.00", "0.00", "6 of 6"],
    ]


def test_precision_over_all_kinds():
    assert detection_sentence(SUSPICION, PLANTED) == (
        "Suspicious masks: 3; of these, spoilt on purpose: 2, a precision of 0.67."
    )
    assert detection_sentence(SUSPICION.assign(suspicion=0.0), PLANTED) == (
        "Suspicious masks: 0; of these, spoilt on purpose: 0."
    )
