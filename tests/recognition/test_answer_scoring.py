import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, recall_score, top_k_accuracy_score
from sklearn.metrics import log_loss as scikit_log_loss

from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers
from maskfold.recognition.scoring import (
    by_class,
    by_coarse,
    by_month,
    check_metric,
    confusions,
    score_answers,
    summary,
    with_macro_recall,
)

LABELS = ["apple", "pear", "plum"]
CLASSES = ClassTable.empty().extended(
    pd.DataFrame({"label": LABELS, "month": ["2026-01", "2026-01", "2026-02"], "coarse": ["pome", "pome", "stone"]})
)


def table(truth, predicted, **columns):
    """Return scores of photos with their labels, by number, as the stage makes them."""
    names, coarse = np.array(LABELS), np.array(["pome", "pome", "stone"])
    right = np.array(truth) == np.array(predicted)
    known = {"label": names[truth], "coarse": coarse[truth], "predicted": names[predicted]}
    known |= {"predicted_coarse": coarse[predicted], "probability": 0.5, "accuracy": right * 1.0, "top5": 1.0}
    return pd.DataFrame(known | {"log_loss": 0.5} | columns)


def test_macro_recall_is_over_the_classes_that_have_photos():
    # Of apple one of two is right, of pear the one, of plum none: (0.5 + 1 + 0) / 3.
    scores = table([0, 0, 1, 2], [0, 1, 1, 1])
    facts = summary(scores, CLASSES)

    assert (facts["accuracy"], facts["macro_recall"]) == (0.5, 0.5)
    assert (facts["supported"], facts["classes"]) == (3, 3)
    assert facts["coarse_accuracy"] == 0.75
    assert facts["ece"] == 0  # half of what was answered with 0.5 is right
    assert summary(scores[:3], CLASSES)["macro_recall"] == 0.75
    assert summary(scores[:3], CLASSES)["supported"] == 2
    weighted = with_macro_recall(scores)
    assert np.average(weighted["macro_recall"], weights=weighted["macro_recall.weight"]) == pytest.approx(0.5)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(40, 12)).astype(np.float32), rng.integers(0, 12, 40)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = score_answers(Answers.of([*map(str, range(40))], logits, np.zeros((40, 1))), truth, classes=12)

    assert scores["accuracy"].mean() == accuracy_score(truth, logits.argmax(axis=1))
    assert scores["top5"].mean() == top_k_accuracy_score(truth, logits, k=5, labels=range(12))
    assert scores["log_loss"].mean() == pytest.approx(scikit_log_loss(truth, probabilities, labels=range(12)), rel=1e-5)
    named = scores.assign(label=truth.astype(str), coarse=None, predicted_coarse=None)
    macro = recall_score(truth, logits.argmax(axis=1), average="macro", labels=np.unique(truth))
    assert summary(named, CLASSES)["macro_recall"] == pytest.approx(macro)
    assert (scores["rank"] == 1).sum() == scores["accuracy"].sum()


def test_of_classes_that_were_not_kept_each_has_an_equal_part_of_the_rest():
    # Tenths: 4, 3, 1, 1, 1; two are kept, three share 3 tenths.
    logits = np.log(np.array([[4, 3, 1, 1, 1]] * 4, np.float32))
    kept = Answers.of(["a", "b", "c", "d"], logits, np.zeros((4, 1)), kept=2)
    scores = score_answers(kept, np.array([1, 3, 5, -1]), classes=5)

    assert scores["true_probability"].tolist()[:3] == pytest.approx([0.3, 0.1, 0])  # class 5 the network has not
    assert scores["rank"].tolist()[:3] == [2, 3, 3]
    assert scores["margin"].tolist() == pytest.approx([0.1] * 4)
    assert scores["top5"].tolist()[:3] == [1, 0, 0]
    assert scores.loc[2, "log_loss"] == pytest.approx(-np.log(1e-15))
    assert scores.loc[3, ["true_probability", "rank", "accuracy", "top5", "log_loss"]].isna().all()


def test_tables_count_each_class_month_kind_and_pair():
    scores = table([0, 0, 1, 1, 2], [1, 0, 0, 0, 0])
    classes = by_class(scores, CLASSES).set_index("label")

    assert classes["photos"].tolist() == [2, 2, 1]
    assert classes["recall"].tolist() == [0.5, 0, 0]
    assert classes.loc["apple", "precision"] == 0.25
    assert pd.isna(by_class(scores[4:], CLASSES).set_index("label").loc["plum", "precision"])
    assert classes["confused_with"].tolist() == ["pear", "apple", "apple"]
    pairs = confusions(scores).to_dict("records")
    first = {"label": "pear", "predicted": "apple", "photos": 2, "of": 2, "back": 1, "rate": 0.75}
    assert pairs[0] == first  # three of four photos, either way
    assert [(pair["label"], pair["photos"]) for pair in pairs[1:]] == [("apple", 1), ("plum", 1)]
    months = by_month(scores, CLASSES)
    assert months[["added", "classes", "photos", "accuracy"]].values.tolist() == [
        ["2026-01", 2, 4, 0.25],
        ["2026-02", 1, 1, 0],
    ]
    kinds = by_coarse(scores, CLASSES).set_index("coarse")
    assert kinds["coarse_accuracy"].to_dict() == {"pome": 1, "stone": 0}


def test_without_a_wrong_answer_there_is_no_pair():
    assert confusions(table([0, 1], [0, 1])).empty
    assert by_class(table([0], [0]), CLASSES)["confused_with"].isna().all()


def test_a_metric_of_masks_is_refused():
    with pytest.raises(MaskfoldError, match="metric=dice: recognition is judged by one of accuracy, top5"):
        check_metric("dice")
