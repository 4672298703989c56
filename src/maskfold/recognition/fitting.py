"""What a recogniser learns of itself from photos that it has not learned from: temperature, thresholds, margin."""

from dataclasses import dataclass

import numpy as np

from maskfold.recognition.answers import Answers, log_sum_exp
from maskfold.recognition.calibration import fit_temperature
from maskfold.recognition.prototypes import Prototypes
from maskfold.recognition.unknown import Thresholds, maximum_logit, threshold_at


@dataclass(frozen=True)
class Fitted:
    """See `maskfold.recognition.settings.RecognizerSettings`."""

    temperature: float
    max_logit: float
    cosine: float | None
    margin: float


def fit(answers: Answers, class_index: np.ndarray, *, prototypes: Prototypes | None, wrong: float) -> Fitted:
    """Fit what a recogniser answers by.

    Thresholds let 95 % of the photos pass, both together. The margin is the smallest from which on at most `wrong` of
    the photos that pass, and whose first answer is taken without asking, are answered wrong.

    Args:
        answers: To N photos that the network has not learned from.
        class_index: `(N,)` their classes.
        prototypes: Of the photos that it has learned from; None where cosines are not compared.
        wrong: The share, 0..1.
    """
    temperature = fit_temperature(answers, class_index)
    logit = maximum_logit(answers)
    if prototypes is None:
        thresholds = Thresholds(threshold_at(logit), -1.0)
        cosine = np.ones(len(logit))
    else:
        cosine = prototypes.nearest(answers.embeddings)[1].astype(np.float64)
        thresholds = Thresholds.of(logit, cosine)
    passed = thresholds.accept(logit, cosine)
    shares = answers.probabilities(temperature=temperature)
    apart = shares[:, 0] - (shares[:, 1] if shares.shape[1] > 1 else 0)
    right = answers.classes[:, 0] == class_index
    margin = margin_for(apart[passed], right[passed], wrong=wrong)
    return Fitted(temperature, thresholds.logit, None if prototypes is None else thresholds.cosine, margin)


def margin_for(apart: np.ndarray, right: np.ndarray, *, wrong: float) -> float:
    """Return the smallest margin at which at most such a share of what is not asked is wrong; 1 where none is so good.

    Args:
        apart: `(N,)`, the first probability less the second.
        right: `(N,) bool`, whether the first answer is right.
        wrong: The share.
    """
    order = np.argsort(-apart, kind="stable")
    apart, errors = apart[order], np.cumsum(~right[order])
    ends = np.append(apart[1:] < apart[:-1], True)  # equal margins are taken or asked together
    good = ends & (errors <= wrong * np.arange(1, len(apart) + 1))
    if not good.any():
        return 1.0
    last = int(np.flatnonzero(good)[-1])
    return 0.0 if last == len(apart) - 1 else float(apart[last])


def as_mean(answers: Answers) -> Answers:
    """Return answers whose logits are logarithms of probabilities, as the mean of several networks has them."""
    total = log_sum_exp(answers.whole()).astype(np.float32)
    logits, rest = answers.logits - total[:, None], answers.rest - total
    return Answers(answers.image_ids, answers.classes, logits, rest, answers.embeddings)
