import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers
from maskfold.recognition.unknown import (
    Thresholds,
    accuracy_at,
    auroc,
    energy,
    fpr_at,
    joint,
    maximum_logit,
    oscr,
    rejection_table,
    threshold_at,
)

KNOWN, UNKNOWN = np.array([4.0, 3.0, 2.0, 1.0]), np.array([2.5, 2.0, 0.0])


def test_the_largest_logit_and_the_energy_of_logits_by_hand():
    answers = Answers.of(["a", "b"], np.log([[1, 3, 4], [2, 2, 2]]), np.zeros((2, 1)), kept=2)

    assert maximum_logit(answers) == pytest.approx(np.log([4, 2]))
    assert energy(answers) == pytest.approx(np.log([8, 6]))


def test_auroc_by_hand_and_by_scikit_learn():
    # Of 12 pairs the known one is larger in 3 + 3 + 1 + 1, and equal in one.
    assert auroc(KNOWN, UNKNOWN) == pytest.approx(8.5 / 12)

    rng = np.random.default_rng(0)
    known, unknown = rng.integers(0, 12, 300), rng.integers(-5, 9, 200)  # with many ties
    truth = np.repeat([1, 0], [300, 200])
    assert auroc(known, unknown) == pytest.approx(roc_auc_score(truth, np.concatenate([known, unknown])))


def test_a_threshold_lets_at_least_its_share_of_known_photos_pass():
    scores = np.arange(100.0)

    assert threshold_at(scores) == 5  # 0 to 4 are refused
    assert threshold_at(scores[:19]) == 0  # one of nineteen is more than 5 %
    assert threshold_at(np.ones(7)) == 1


def test_false_accepts_are_those_from_the_threshold_of_the_known_on():
    known = np.arange(100.0)  # 95 of them are 5 or more

    assert fpr_at(known, np.array([4.9, 5.0, 50.0, -1.0]), accepted=0.95) == 0.5
    assert fpr_at(known, np.array([98.0, 99.0]), accepted=0) == 0.5  # one passes at least


def test_false_accepts_where_three_of_four_known_photos_pass():
    assert fpr_at(KNOWN, UNKNOWN, accepted=0.75) == pytest.approx(2 / 3)
    assert fpr_at(KNOWN, UNKNOWN) == pytest.approx(2 / 3)  # none of four may be refused: from 1 on


def test_oscr_counts_known_photos_that_are_right():
    right = np.array([True, False, True, True])

    assert oscr(KNOWN, right, UNKNOWN) == pytest.approx((1 + 1.5 / 3 + 1 / 3) / 4)
    assert oscr(KNOWN, np.ones(4, bool), UNKNOWN) == pytest.approx(auroc(KNOWN, UNKNOWN))


def test_accuracy_where_few_unknown_photos_pass():
    right = np.array([True, True, False, True])

    assert accuracy_at(KNOWN, right, UNKNOWN) == pytest.approx(2 / 4)  # none may pass: above 2.5
    assert accuracy_at(KNOWN, right, UNKNOWN, false_accepts=0.7) == pytest.approx(3 / 4)  # two may: above 0


def test_two_thresholds_leave_their_share_together():
    rng = np.random.default_rng(2)
    logit, cosine = rng.normal(size=1000), rng.normal(size=1000)

    both = Thresholds.of(logit, cosine)
    passing = both.accept(logit, cosine)

    assert 0.95 <= passing.mean() <= 0.952
    assert abs((logit < both.logit).sum() - (cosine < both.cosine).sum()) <= 1
    assert not both.accept(np.array([9.0, -9.0]), np.array([-9.0, 9.0])).any()  # either below is enough
    assert np.array_equal(passing, joint(logit, cosine, logit, cosine) > (logit < both.logit).sum())


def test_a_joint_score_counts_known_photos_in_the_worse_of_two():
    known = np.array([1.0, 2.0, 3.0, 4.0])

    assert joint(np.array([3.5, 0.0]), np.array([1.5, 9.0]), known, known).tolist() == [1, 0]


def test_the_table_has_a_row_a_score():
    row = rejection_table({"largest logit": KNOWN}, np.ones(4, bool), {"largest logit": UNKNOWN}).iloc[0]

    assert (row["score"], row["known"], row["unknown"]) == ("largest logit", 4, 3)
    assert row["auroc"] == pytest.approx(8.5 / 12)


@pytest.mark.parametrize(
    ("known", "unknown", "says"), [([], [1], "known"), ([1], [], "unknown"), ([np.nan], [1], "no")]
)
def test_nothing_to_measure_by_is_said(known, unknown, says):
    with pytest.raises(MaskfoldError, match=f"{says}"):
        auroc(np.array(known), np.array(unknown))
