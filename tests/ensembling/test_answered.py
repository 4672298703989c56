"""A member's answers out of fold, scored without all of them in memory."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from maskfold.data.class_table import ClassTable
from maskfold.ensembling.answered import score_member
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.recognition.answers import Answers, AnswerStore

CLASSES = ClassTable.empty().extended(pd.DataFrame({"label": ["a", "b", "c"], "month": ["2026-01"] * 3}))
COUNT, WIDTH = 1000, 2048  # 8 MB of embeddings


@pytest.fixture
def fold(tmp_path):
    """A fold whose photos lie in parts in another order than in the table; and its rows."""
    random = np.random.default_rng(0)
    index = random.integers(0, 3, COUNT)
    rows = pd.DataFrame({"image_id": [f"p{row}" for row in range(COUNT)], "group": range(COUNT), "fold": 0})
    rows = rows.assign(label=np.array(["a", "b", "c"])[index], class_index=index)
    store = AnswerStore(tmp_path / "fold0" / "predictions" / "oof")
    for some in np.array_split(random.permutation(COUNT), 20):
        logits = (random.normal(size=(50, 3)) + 2 * np.eye(3)[index[some]]).astype(np.float32)
        embeddings = random.normal(size=(50, WIDTH)).astype(np.float32)
        store.write(Answers.of(rows["image_id"].to_numpy()[some], logits, embeddings))
    return MemberMaps(Leaf("one", Fraction(1), (store.folder,)), None), rows


@pytest.mark.hostile("memory")
def test_a_fold_is_scored_a_portion_at_a_time(fold, monkeypatch):
    member, rows = fold
    whole, facts = score_member(member, rows, CLASSES)
    monkeypatch.setattr("maskfold.recognition.answers._PORTION", 50)
    tracemalloc.start()
    scores, again = score_member(member, rows, CLASSES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert scores["image_id"].tolist() == rows["image_id"].tolist()
    assert np.allclose(scores["cosine"], whole["cosine"], atol=1e-5)
    pd.testing.assert_frame_equal(scores.drop(columns="cosine"), whole.drop(columns="cosine"))
    pd.testing.assert_frame_equal(again, facts, atol=1e-5)
    assert peak < 7e6  # less than the embeddings alone
