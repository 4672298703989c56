import numpy as np
import pandas as pd
import pytest

from maskfold.recognition.answers import Answers
from maskfold.recognition.rejection import COSINE, EITHER, ENERGY, LOGIT, measured, over_folds


def test_near_and_far_unknown_products_are_measured_apart():
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(6, dtype=np.float32)
    place = np.repeat(np.arange(4), 20)
    embeddings = centres[place] + rng.normal(0, 0.3, (80, 6)).astype(np.float32)
    far = centres[np.full(20, 5)] + rng.normal(0, 0.3, (20, 6)).astype(np.float32)
    near = centres[np.full(10, 0)] + rng.normal(0, 0.3, (10, 6)).astype(np.float32)
    unknown = np.concatenate([near, far])
    known, others = (
        Answers.of([f"{row}" for row in range(len(part))], part[:, :4], part, kept=3) for part in (embeddings, unknown)
    )

    table = measured(known, place, others, ["near"] * 10 + ["far"] * 20)

    assert table["kind"].tolist() == ["near"] * 4 + ["far"] * 4
    assert table["score"].tolist() == [LOGIT, ENERGY, COSINE, EITHER] * 2
    assert table["unknown"].tolist() == [10] * 4 + [20] * 4
    assert (table.loc[table["kind"] == "far", "auroc"] > 0.99).all()
    assert (table.loc[table["kind"] == "near", "auroc"] < 0.8).all()  # they look like a known product


def test_the_mean_of_folds_stands_in_front():
    rows = {"kind": "far", "score": LOGIT, "known": 10, "unknown": 5, "false_accepts": 0.2, "oscr": 0.7}
    tables = {
        number: pd.DataFrame([rows | {"auroc": auroc, "accuracy_at_1": 0.5}]) for number, auroc in ((0, 0.6), (2, 0.8))
    }

    whole = over_folds(tables)

    assert whole["fold"].tolist() == ["all", "0", "2"]
    assert whole["auroc"].tolist() == pytest.approx([0.7, 0.6, 0.8])
    assert (whole.loc[0, "known"], whole.loc[0, "unknown"]) == (20, 5)
