import numpy as np
import pytest
from sklearn.metrics import log_loss as scikit_log_loss

from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers
from maskfold.recognition.calibration import (
    expected_calibration_error,
    fit_temperature,
    fitted_rows,
    log_loss,
    reliability,
)


def answers_of(logits, *, kept=100):
    logits = np.asarray(logits, np.float32)
    return Answers.of([f"photo {row}" for row in range(len(logits))], logits, np.zeros((len(logits), 2)), kept=kept)


def test_logits_that_say_what_happens_have_temperature_one_and_twice_as_large_ones_two():
    # Odds of three to one, and three of four are right.
    logits = np.tile([np.log(3), 0], (4, 1))
    classes = np.array([0, 0, 0, 1])

    assert fit_temperature(answers_of(logits), classes) == pytest.approx(1, abs=1e-4)
    assert fit_temperature(answers_of(2 * logits), classes) == pytest.approx(2, abs=1e-4)


def test_the_rest_counts_as_one_answer_and_photos_without_a_class_do_not():
    # Of four equal classes one is kept: the rest is log 3, and three of four photos are of it.
    whole = answers_of(np.zeros((4, 4)), kept=1)
    doubled = Answers(whole.image_ids, whole.classes, whole.logits + 5, 2 * whole.rest + 5, whole.embeddings)

    assert log_loss(whole, np.array([0, 1, 2, 3])) == pytest.approx(-(np.log(1 / 4) + 3 * np.log(3 / 4)) / 4, abs=1e-6)
    assert fit_temperature(doubled, np.array([0, 1, 2, 3])) == pytest.approx(2, abs=1e-4)
    assert log_loss(whole, np.array([0, -1, -1, -1])) == pytest.approx(np.log(4), abs=1e-6)


def test_the_log_loss_of_all_classes_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits, classes = rng.normal(size=(40, 7)), rng.integers(0, 7, 40)
    powers = np.exp(logits / 1.7)

    expected = scikit_log_loss(classes, powers / powers.sum(1, keepdims=True), labels=range(7))

    assert log_loss(answers_of(logits), classes, temperature=1.7) == pytest.approx(expected, rel=1e-5)


def test_the_temperature_has_the_least_log_loss():
    rng = np.random.default_rng(1)
    logits, classes = 4 * rng.normal(size=(200, 5)), rng.integers(0, 5, 200)
    classes[:120] = logits[:120].argmax(1)
    answers = answers_of(logits)

    best = fit_temperature(answers, classes)

    losses = [log_loss(answers, classes, temperature=best * factor) for factor in (0.97, 1, 1.03)]
    assert losses[1] < min(losses[0], losses[2])


def test_photos_that_cannot_say_leave_the_temperature_at_one():
    certain = answers_of([[3, 0], [0, 2]])
    retired = answers_of([[1, -np.inf]])

    assert fit_temperature(certain, np.array([0, 1])) == 1
    assert fit_temperature(certain, np.array([-1, -1])) == 1
    assert fit_temperature(retired, np.array([1])) == 1


def test_the_calibration_error_of_two_bins_by_hand():
    # Up to one half: .25 in the mean and half of them right; above: .8 and all right. (2 * .25 + 2 * .2) / 4.
    probability, right = np.array([0.0, 0.5, 0.7, 0.9]), np.array([False, True, True, True])

    table = reliability(probability, right, bins=2)

    assert table["photos"].tolist() == [2, 2]
    assert table["probability"].tolist() == pytest.approx([0.25, 0.8])
    assert table["accuracy"].tolist() == [0.5, 1]
    assert expected_calibration_error(probability, right, bins=2) == pytest.approx(0.225)


def test_a_probability_that_is_none_is_refused():
    with pytest.raises(MaskfoldError, match="from 0 to 1"):
        reliability(np.array([1.2]), np.array([True]))


def test_the_temperature_of_many_photos_is_that_of_some_which_their_ids_choose(monkeypatch):
    monkeypatch.setattr("maskfold.recognition.calibration.FITTED", 30)
    rng = np.random.default_rng(2)
    answers, classes = answers_of(2 * rng.normal(size=(200, 5))), rng.integers(-1, 5, 200)
    rows = fitted_rows(answers.image_ids, classes)
    first = fitted_rows(answers.image_ids[:150], classes[:150])
    order = rng.permutation(200)

    assert len(rows) == 30
    assert (classes[rows] >= 0).all()
    assert {*rows[rows < 150]} <= {*first}  # so the rows of all are among those of each part
    some = fit_temperature(answers.taken(rows), classes[rows])
    assert fit_temperature(answers.taken(order), classes[order]) == pytest.approx(some, abs=1e-6)
