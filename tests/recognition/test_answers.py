import numpy as np
import pytest

from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers, AnswerStore, joined, log_sum_exp

LOGITS = np.log(np.array([[1, 2, 5, 2], [6, 2, 1, 1]], np.float32))  # probabilities in tenths
EMBEDDINGS = np.array([[1, 0], [0, 1]], np.float32)


def answers(kept=4):
    return Answers.of(["a", "b"], LOGITS, EMBEDDINGS, kept=kept)


def test_all_classes_are_kept_by_falling_logit_and_of_equal_ones_the_first_comes_first():
    whole = answers()

    assert whole.classes.tolist() == [[2, 1, 3, 0], [0, 1, 2, 3]]
    assert whole.rest.tolist() == [-np.inf, -np.inf]
    assert np.allclose(whole.probabilities(), [[0.5, 0.2, 0.2, 0.1], [0.6, 0.2, 0.1, 0.1]])


def test_what_is_not_kept_is_counted_in_the_rest():
    few = answers(kept=2)

    assert few.classes.tolist() == [[2, 1], [0, 1]]
    assert np.allclose(np.exp(few.rest), [3, 2])
    assert np.allclose(few.probabilities(), [[0.5, 0.2], [0.6, 0.2]])


def test_a_temperature_of_two_takes_the_root_of_the_odds():
    assert np.allclose(answers().probabilities(temperature=2)[1, :2], np.sqrt([6, 2]) / np.sqrt([6, 2, 1, 1]).sum())


def test_a_class_that_is_never_answered_has_no_probability():
    logits = LOGITS.copy()
    logits[:, 2] = -np.inf

    assert Answers.of(["a", "b"], logits, EMBEDDINGS).probabilities()[0].tolist() == pytest.approx([0.4, 0.4, 0.2, 0])


def test_answers_are_read_as_they_were_written_in_any_order(tmp_path):
    store = AnswerStore(tmp_path / "oof")
    store.claim({"data": "x"})
    store.write(answers().taken(np.array([1])))
    store.write(answers().taken(np.array([0])))

    assert store.missing(["a", "c", "b"]) == ["c"]
    assert store.read(["a", "b"]).logits.tolist() == answers().logits.tolist()
    assert store.read().image_ids.tolist() == ["b", "a"]
    with pytest.raises(MaskfoldError, match="1 photos have no answer"):
        store.read(["a", "c"])
    with pytest.raises(MaskfoldError, match="data: x before, y now"):
        store.claim({"data": "y"})


@pytest.mark.hostile("damaged files")
def test_a_damaged_part_is_named(tmp_path):
    store = AnswerStore(tmp_path)
    store.write(answers())
    path = store.parts()[0]
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(MaskfoldError, match=r"part-00000\.npz: not readable"):
        store.read()


def test_answers_of_other_shapes_are_not_joined():
    with pytest.raises(MaskfoldError, match="different numbers of classes"):
        joined([answers(), answers(kept=2)])


def test_sums_of_exponentials_neither_overflow_nor_fail_where_there_is_nothing():
    rows = np.array([[1000, 1000], [-np.inf, -np.inf], [0, -np.inf], [-1000, -1000 + np.log(3)]])

    assert log_sum_exp(rows).tolist() == pytest.approx([1000 + np.log(2), -np.inf, 0, -1000 + np.log(4)])
