from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from maskfold.data.class_table import ClassTable
from maskfold.ensembling import merged_answers as merging
from maskfold.ensembling.merged_answers import dense, dense_portions, merged_answers, refuse_pixels
from maskfold.ensembling.recipe import Recipe, Repair
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers, AnswerStore

CLASSES = ClassTable.empty().extended(pd.DataFrame({"label": ["a", "b", "c", "d"]}))
ACTIVE = np.ones(4, bool)


def answers(ids, rows, kept=4):
    with np.errstate(divide="ignore"):
        return Answers.of(ids, np.log(np.array(rows, np.float32)), np.zeros((len(ids), 1)), kept=kept)


def member(tmp_path, name, parts, *, weight="1", fold_of=None):
    stores = []
    for number, part in enumerate(parts):
        store = AnswerStore(tmp_path / f"{name}{number}")
        store.write(part)
        stores.append(store.folder)
    return MemberMaps(Leaf(name, Fraction(weight), tuple(stores)), fold_of)


def known(*members, count=4):
    return {store: count for one in members for store in one.leaf.stores}


def test_what_was_not_kept_is_spread_over_the_classes_that_may_be_answered():
    row = [[5, 3, 1, 1]]  # tenths

    assert dense(answers(["x"], row), ACTIVE).tolist() == [pytest.approx([0.5, 0.3, 0.1, 0.1])]
    assert dense(answers(["x"], row, kept=1), ACTIVE).tolist() == [pytest.approx([0.5, 1 / 6, 1 / 6, 1 / 6])]
    retired = dense(answers(["x"], [[5, 5, 0, 0]], kept=1), np.array([True, True, True, False]))
    assert retired.tolist() == [pytest.approx([0.5, 0.25, 0.25, 0])]


def test_members_count_by_their_weights_and_folds_alike(tmp_path):
    one = member(tmp_path, "one", [answers(["x", "y"], [[1, 0, 0, 0], [0, 1, 0, 0]])], weight="3/4")
    folds = [answers(["y", "x"], [[0, 1, 0, 0], [0, 0, 1, 0]]), answers(["y", "x"], [[0, 1, 0, 0], [0, 0, 0, 1]])]
    other = member(tmp_path, "other", folds, weight="1/4")

    (mean,) = merged_answers([one, other], ["x", "y"], CLASSES, known=known(one, other))

    assert dense(mean, ACTIVE).tolist() == [pytest.approx([0.75, 0, 0.125, 0.125]), pytest.approx([0, 1, 0, 0])]
    assert mean.embeddings.shape == (2, 0)


def test_out_of_fold_each_photo_has_the_answer_of_its_own_fold_whatever_the_portion(tmp_path, monkeypatch):
    parts = [answers(["x"], [[1, 0, 0, 0]]), answers(["y", "z"], [[0, 1, 0, 0], [0, 0, 1, 0]])]
    one = member(tmp_path, "one", parts, fold_of={"x": 0, "y": 1, "z": 1})
    monkeypatch.setattr(merging, "_AT_ONCE", 8)  # two photos

    portions = [*merged_answers([one], ["y", "x", "z"], CLASSES, known=known(one))]

    assert [part.image_ids.tolist() for part in portions] == [["y", "x"], ["z"]]
    store = AnswerStore(tmp_path / "mean")
    for part in portions:
        store.write(part)
    whole = np.concatenate([*dense_portions(store, ["x", "y", "z"], CLASSES)])
    assert whole.tolist() == np.eye(4)[:3].tolist()


def test_a_network_of_fewer_classes_gives_the_others_nothing(tmp_path):
    one = member(tmp_path, "one", [answers(["x"], [[1, 1, 1]])])

    (mean,) = merged_answers([one], ["x"], CLASSES, known=known(one, count=3))

    assert dense(mean, ACTIVE).tolist() == [pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])]


def test_steps_for_masks_are_refused():
    members = [{"experiment": "one"}]
    with pytest.raises(MaskfoldError, match="postprocess and repair are for masks"):
        refuse_pixels(Recipe(name="e", members=members, repair=Repair(worst=3)), fused=False)
    with pytest.raises(MaskfoldError, match="fused=true takes maps"):
        refuse_pixels(Recipe(name="e", members=members), fused=True)
    refuse_pixels(Recipe(name="e", members=members), fused=False)
