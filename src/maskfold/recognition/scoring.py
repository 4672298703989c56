"""What a recogniser's answers are worth: photo by photo, by product, by month and by kind of product.

No table of all products against all: of 13,333 it would have 178 million cells. Pairs that were confused are counted
as they come.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import weight_column
from maskfold.recognition.answers import Answers
from maskfold.recognition.calibration import expected_calibration_error

ACCURACY, TOP5, MACRO_RECALL, LOG_LOSS = METRICS = ("accuracy", "top5", "macro_recall", "log_loss")
_NAMES = ", ".join(METRICS)
_SMALLEST = 1e-15  # probability that log loss counts, as competitions have it


def check_metric(name: str) -> str:
    """Return the name of a metric of labels, if it is one.

    Raises:
        MaskfoldError: If it is not.
    """
    if name not in METRICS:
        raise MaskfoldError(f"metric={name}: recognition is judged by one of {_NAMES}.")
    return name


def score_answers(answers: Answers, class_index: np.ndarray, *, classes: int) -> pd.DataFrame:
    """Score each photo's answer.

    Args:
        answers: To N photos.
        class_index: `(N,)` the number of the right class; -1 where nobody knows it.
        classes: C, of the network. A class behind these it cannot answer.

    Returns:
        A row a photo: `predicted_index`; `probability` of that; `margin` over the second; `max_logit`; and where the
        right class is known `true_probability`, `rank` of the right class from 1 (of those not kept: behind the last
        that is), `accuracy` and `top5` (0 or 1), and `log_loss`, the negative logarithm of `true_probability`; else
        missing. Of classes that were not kept each has an equal part of what is left.
    """
    class_index = np.asarray(class_index, np.int64)
    probabilities, rows = answers.probabilities(), np.arange(len(answers))
    kept = answers.classes.shape[1]
    places = answers.classes == class_index[:, None]
    among = places.any(axis=1)
    place = np.where(among, places.argmax(axis=1), kept)
    others = np.clip(1 - probabilities.sum(axis=1), 0, None) / max(classes - kept, 1)
    true = np.where(among, probabilities[rows, np.minimum(place, kept - 1)], others)
    true = np.where(class_index < classes, true, 0.0)
    known = class_index >= 0

    def where_known(values: np.ndarray) -> np.ndarray:
        return np.where(known, values, np.nan)

    second = probabilities[:, 1] if kept > 1 else 0.0
    return pd.DataFrame(
        {
            "image_id": answers.image_ids,
            "predicted_index": answers.classes[:, 0].astype(np.int64),
            "probability": probabilities[:, 0],
            "true_probability": where_known(true),
            "rank": pd.array(where_known(place + 1), dtype="Int64"),
            "margin": probabilities[:, 0] - second,
            "max_logit": answers.logits[:, 0].astype(np.float64),
            ACCURACY: where_known(place == 0),
            TOP5: where_known(place < min(5, kept)),
            LOG_LOSS: where_known(-np.log(np.clip(true, _SMALLEST, 1))),
        }
    )


def with_macro_recall(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the part of each photo in macro recall: its `accuracy`, weighted by one over its class's.

    Args:
        scores: `label` (missing where it is not known) and `accuracy`.
    """
    weights = 1 / scores["label"].map(scores["label"].value_counts())
    return scores.assign(
        **{MACRO_RECALL: scores[ACCURACY], weight_column(MACRO_RECALL): weights.fillna(0.0).astype(np.float64)}
    )


def summary(scores: pd.DataFrame, classes: ClassTable) -> dict[str, float]:
    """Return what some photos come to.

    Args:
        scores: As `score_answers` has them, with `label`, `coarse` and `predicted_coarse`; photos without label do not
            count.
        classes: All of them.

    Returns:
        `accuracy`, `top5`, `macro_recall` over the classes that have photos, how many these are (`supported`) of how
        many there are (`classes`), `coarse_accuracy` (NaN where no kind is known), `log_loss` and `ece`, the expected
        calibration error.
    """
    known = scores[scores["label"].notna()]
    recalls = known.groupby("label", observed=True)[ACCURACY].mean()
    coarse = known[known["coarse"].notna()]
    return {
        ACCURACY: known[ACCURACY].mean(),
        TOP5: known[TOP5].mean(),
        MACRO_RECALL: recalls.mean(),
        "supported": len(recalls),
        "classes": len(classes),
        "coarse_accuracy": (coarse["coarse"] == coarse["predicted_coarse"]).mean() if len(coarse) else float("nan"),
        LOG_LOSS: known[LOG_LOSS].mean(),
        "ece": expected_calibration_error(known["probability"], known[ACCURACY] == 1),
    }


def by_class(scores: pd.DataFrame, classes: ClassTable) -> pd.DataFrame:
    """Return a row a class, in the order of their numbers.

    Returns:
        `label`, `index`, `coarse`, `added`, `retired`, `photos`, `recall` (missing without photos), `predicted` (how
        often it was answered), `precision` (missing where it never was), `confused_with` (what it is taken for most
        often) and `confused` (how many times).
    """
    known = scores[scores["label"].notna()]
    table = classes.rows[["label", "index", "coarse", "added", "retired"]].set_index("label", drop=False)
    photos = known["label"].value_counts().reindex(table.index, fill_value=0)
    predicted = known["predicted"].value_counts().reindex(table.index, fill_value=0)
    right = known[known[ACCURACY] == 1]["label"].value_counts().reindex(table.index, fill_value=0)
    most = confusions(scores).drop_duplicates("label").set_index("label")
    return table.assign(
        photos=photos,
        recall=right / photos.where(photos > 0),
        predicted=predicted,
        precision=right / predicted.where(predicted > 0),
        confused_with=most["predicted"].reindex(table.index),
        confused=most["photos"].reindex(table.index).fillna(0).astype(np.int64),
    ).reset_index(drop=True)


def confusions(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs that were confused, the most frequent first; no others.

    Returns:
        `label`, `predicted`, `photos` (of the label that were taken for the other), `of` (photos of the label), `back`
        (photos of the other that were taken for the label), and `rate`, the photos of both that were confused either
        way by the photos of both.
    """
    known = scores[scores["label"].notna()]
    totals = known["label"].value_counts()
    wrong = known[known["label"] != known["predicted"]]
    pairs = wrong.groupby(["label", "predicted"], observed=True).size().rename("photos").reset_index()
    back = pairs.rename(columns={"label": "predicted", "predicted": "label", "photos": "back"})
    pairs = pairs.merge(back, on=["label", "predicted"], how="left").fillna({"back": 0}).astype({"back": np.int64})
    own = pairs["label"].map(totals).astype(np.int64)
    both = own + pairs["predicted"].map(totals).fillna(0).astype(np.int64)
    pairs = pairs.assign(of=own, rate=(pairs["photos"] + pairs["back"]) / both)
    pairs = pairs.sort_values(["photos", "label", "predicted"], ascending=[False, True, True], ignore_index=True)
    return pairs[["label", "predicted", "photos", "of", "back", "rate"]]


def by_month(scores: pd.DataFrame, classes: ClassTable) -> pd.DataFrame:
    """Return a row for each month in which products were added: `added`, `classes` and the columns of `_shares`."""
    return _by(scores, classes, "added")


def by_coarse(scores: pd.DataFrame, classes: ClassTable) -> pd.DataFrame:
    """Return a row for each kind of product: `coarse`, `classes`, `coarse_accuracy` and the columns of `_shares`."""
    return _by(
        scores,
        classes,
        "coarse",
        coarse_accuracy=lambda rows: (rows["predicted_coarse"] == rows["coarse_of_class"]).mean(),
    )


def _by(
    scores: pd.DataFrame, classes: ClassTable, column: str, **more: Callable[[pd.DataFrame], float]
) -> pd.DataFrame:
    known = scores[scores["label"].notna()]
    about = classes.rows.set_index("label")
    known = known.assign(key=known["label"].map(about[column]), coarse_of_class=known["label"].map(about["coarse"]))
    counts = about[column].value_counts()
    rows = [
        {column: key, "classes": int(counts[key])} | _shares(part) | {name: of(part) for name, of in more.items()}
        for key, part in known.groupby("key")
    ]
    return pd.DataFrame(rows, columns=[column, "classes", "photos", ACCURACY, TOP5, MACRO_RECALL, *more])


def _shares(scores: pd.DataFrame) -> dict[str, float]:
    """Return `photos`, and of them `accuracy`, `top5` and `macro_recall`."""
    recalls = scores.groupby("label", observed=True)[ACCURACY].mean()
    shares = {ACCURACY: scores[ACCURACY].mean(), TOP5: scores[TOP5].mean(), MACRO_RECALL: recalls.mean()}
    return {"photos": len(scores), **shares}
