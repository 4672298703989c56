"""How far a recogniser's probabilities can be taken at their word, and one temperature that mends most of it.

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers, log_sum_exp

BINS = 15  # of equal width, as in the source
FITTED = 50_000  # photos that one temperature is fitted on, at most: its error is far below 1 % by then
_HOTTEST = 50.0  # temperatures are looked for up to this one, and down to its inverse


def fit_temperature(answers: Answers, class_index: np.ndarray) -> float:
    """Return the temperature that logits are to be divided by, for the least log loss on `fitted_rows`.

    Args:
        answers: To N photos that the network has not learned from.
        class_index: `(N,)` their classes; photos of -1 are left out.

    Returns:
        1 where every answer is right, or no photo has a class: then the photos cannot say.
    """
    rows = fitted_rows(answers.image_ids, class_index)
    true, whole = _true_and_all(answers.taken(rows), np.asarray(class_index)[rows])
    if not (true < whole.max(axis=1)).any():
        return 1.0
    return best_temperature(partial(_loss, true, whole), most=_HOTTEST)


def best_temperature(loss: Callable[[float], float], *, most: float) -> float:
    """Return the temperature of least loss, up to `most` and down to its inverse."""
    from scipy.optimize import minimize_scalar  # takes long to load

    end = np.log(most)
    best = minimize_scalar(lambda log: loss(np.exp(log)), bounds=(-end, end), method="bounded", options={"xatol": 1e-7})
    return float(np.exp(best.x))


def fitted_rows(image_ids: Sequence[str] | np.ndarray, class_index: np.ndarray) -> np.ndarray:
    """Return the rows of the photos that a temperature is fitted on: those with a class, or `FITTED` of them.

    Which these are, the hashes of their ids say: the same at each call, and of several sets of photos none that are
    not among those of each set.

    Args:
        image_ids: N photos.
        class_index: `(N,)` their classes; -1 where nobody knows it.
    """
    rows = np.flatnonzero(np.asarray(class_index) >= 0)
    if len(rows) <= FITTED:
        return rows
    hashes = [hashlib.blake2b(str(image_ids[row]).encode(), digest_size=8).digest() for row in rows.tolist()]
    return np.sort(rows[np.argsort(np.array(hashes, dtype="S8").view(">u8"), kind="stable")[:FITTED]])


def log_loss(answers: Answers, class_index: np.ndarray, *, temperature: float = 1.0) -> float:
    """Return the mean log loss; NaN where no photo has a class.

    Args:
        answers: To N photos.
        class_index: `(N,)` their classes; photos of -1 are left out. A class that is not among those kept counts with
            the probability of all the others together, which is the most that it can have.
        temperature: Logits are divided by it.
    """
    true, whole = _true_and_all(answers, class_index)
    return _loss(true, whole, temperature) if len(true) else float("nan")


def expected_calibration_error(probability: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> float:
    """Return by how much the probability of the first answer and the share of right ones differ, in the mean.

    Args:
        probability: `(N,)` of the first answer, 0..1.
        right: `(N,) bool`, whether it is right.
        bins: How many.

    Raises:
        MaskfoldError: If a probability is none.
    """
    table = reliability(probability, right, bins=bins)
    gaps = (table["probability"] - table["accuracy"]).abs() * table["photos"]
    return float(gaps.sum() / max(table["photos"].sum(), 1))


def reliability(probability: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> pd.DataFrame:
    """Return how often answers of like probability are right.

    Args:
        probability: `(N,)` of the first answer, 0..1.
        right: `(N,) bool`, whether it is right.
        bins: How many, of equal width; the upper end belongs to each.

    Returns:
        A row a bin: `low`, `high`, `photos`, and of them the mean `probability` and the `accuracy`, NaN without photos.

    Raises:
        MaskfoldError: If a probability is none.
    """
    probability, right = np.asarray(probability, np.float64), np.asarray(right, np.float64)
    if not ((probability >= 0) & (probability <= 1)).all():
        raise MaskfoldError("calibration: probabilities go from 0 to 1, and some here do not. Predict anew.")
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], probability, side="left")
    photos = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, values, minlength=bins) / photos for values in (probability, right)]
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "photos": photos, "probability": means[0], "accuracy": means[1]}
    )


def _true_and_all(answers: Answers, class_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the true class's logit `(M,) float64` and all `(M, K + 1) float64`, the rest behind the kept ones.

    Photos whose class can have no probability at any temperature, as that of a retired product, are left out.
    """
    class_index = np.asarray(class_index)
    kept = answers.classes == class_index[:, None]
    whole = answers.whole()
    true = np.where(kept.any(axis=1), whole[np.arange(len(whole)), kept.argmax(axis=1)], whole[:, -1])
    usable = (class_index >= 0) & np.isfinite(true)
    return true[usable], whole[usable]


def _loss(true: np.ndarray, whole: np.ndarray, temperature: float) -> float:
    return float(np.mean(log_sum_exp(whole / temperature) - true / temperature))
