import numpy as np
import pytest

from maskfold.recognition.answers import Answers
from maskfold.recognition.fitting import as_mean, fit, margin_for
from maskfold.recognition.prototypes import Prototypes

APART = np.array([0.1, 0.9, 0.5, 0.3, 0.5])
RIGHT = np.array([False, True, True, True, False])


@pytest.mark.parametrize(
    ("wrong", "margin"),
    [
        (0.0, 0.9),  # the second is right, and of the two at 0.5 one is wrong
        (0.3, 0.3),  # one of four
        (0.4, 0.0),  # two of all five
    ],
)
def test_the_margin_is_the_smallest_at_which_few_are_wrong(wrong, margin):
    assert margin_for(APART, RIGHT, wrong=wrong) == margin


def test_where_even_the_surest_is_wrong_all_are_asked():
    assert margin_for(APART, ~RIGHT, wrong=0.1) == 1.0
    assert margin_for(np.empty(0), np.empty(0, bool), wrong=0.1) == 1.0


def answers(count=40, scale=2.0):
    """Photos of two classes, every fifth answered wrong, whose logits are twice as large as they ought to be."""
    index = np.arange(count) % 2
    wrong = np.arange(count) % 5 == 0
    logits = np.zeros((count, 2), np.float32)
    logits[np.arange(count), np.where(wrong, 1 - index, index)] = scale * np.log(4)  # right 4 of 5 times
    embeddings = np.eye(2, dtype=np.float32)[index] + np.linspace(0, 0.2, count, dtype=np.float32)[:, None]
    return Answers.of([str(number) for number in range(count)], logits, embeddings), index


def test_temperature_thresholds_and_margin_are_those_of_the_photos():
    known, index = answers()
    fitted = fit(known, index, prototypes=None, wrong=0.2)

    assert fitted.temperature == pytest.approx(2, abs=1e-3)
    assert fitted.max_logit == pytest.approx(2 * np.log(4), abs=1e-5)  # all have the same
    assert fitted.cosine is None
    assert fitted.margin == 0  # one of five is wrong, as it may be
    assert fit(known, index, prototypes=None, wrong=0.1).margin == 1


def test_with_prototypes_both_thresholds_let_most_pass():
    known, index = answers()
    known.logits[0] += 1  # the first four have larger ones, and would pass whatever their cosine is
    prototypes = Prototypes.of(np.eye(2, dtype=np.float32), np.array([0, 1]))
    fitted = fit(known, index, prototypes=prototypes, wrong=0.2)

    passed = prototypes.nearest(known.embeddings)[1] >= fitted.cosine
    assert 0.95 <= passed.mean() < 1


def test_the_logits_of_a_mean_are_logarithms_of_probabilities():
    known, _ = answers()
    mean = as_mean(known.taken(np.arange(2)))

    assert np.exp(mean.logits) == pytest.approx(np.array([[16 / 17, 1 / 17]] * 2))
    assert mean.rest.tolist() == [-np.inf, -np.inf]
