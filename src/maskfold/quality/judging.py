"""From measured photos with their truth to a model of quality: which score, what it is worth, and what may ship."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.quality.calibration import Points, cross_fitted, fit_isotonic, folds_of
from maskfold.quality.certificate import (
    Certificate,
    Terms,
    alternatives,
    certify,
    check_costs,
    cost_threshold,
    facts_of,
    one_of_each,
    percent,
)
from maskfold.quality.choice import (
    AUTO,
    MEAN_RANK,
    RIDGE,
    candidate_scores,
    choose,
    compare,
    comparison_table,
    fit_predictor,
    predictor_names,
)
from maskfold.quality.coverage import aurc
from maskfold.quality.measuring import TRUTH
from maskfold.quality.model import QualityModel
from maskfold.quality.names import DIRECTIONS, SHIP
from maskfold.quality.reference import reference_of
from maskfold.quality.routes import MEASURE

LEAST_GROUPS = 10  # with fewer there is nothing to compare by


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is asked for.

    Attributes:
        predictor: A score by name, named before anybody looked at a truth; or `auto`, to choose by it.
        terms: Of the promise.
        costs: Of a review and of a bad mask that ships; None goes by the promise.
        reject_below: Estimated IoU below which a mask is not worth a correction.
        k: Folds over groups, where something is fitted to be looked at on others.
        seed: Of folds, halves and draws.
    """

    predictor: str
    terms: Terms
    costs: tuple[float, float] | None
    reject_below: float
    k: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse costs that are none; see `check_costs`."""
        if self.costs is not None:
            check_costs(*self.costs)


@dataclass(frozen=True)
class Learned:
    """What came of it.

    Attributes:
        model: What is kept.
        comparison: A row a predictor, see `maskfold.quality.choice.comparison_table`.
        surely_better: The predictors that are better than the mean rank by more than the noise, on all photos.
        scores: `(N,)` by the model.
        estimated: `(N,)` IoU as estimated from other photos.
        shipped: `(N,) bool`, what the model ships.
        certificate: What can be promised, whether the threshold goes by it or by money.
        others: What could have been promised instead.
        halved: Whether the score was chosen or fitted on one half of the groups, and the promise made on the other.
    """

    model: QualityModel
    comparison: pd.DataFrame
    surely_better: tuple[str, ...]
    scores: np.ndarray
    estimated: np.ndarray
    shipped: np.ndarray
    certificate: Certificate
    others: tuple[Certificate, ...]
    halved: bool


def measured_of(photos: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return `(N,)` of every measure of a table that has them as `measure.<name>`."""
    return {name: photos[MEASURE + name].to_numpy(float) for name in DIRECTIONS}


def judge(photos: pd.DataFrame, wishes: Wishes, **about: Any) -> Learned:
    """Make a model of quality.

    Args:
        photos: A row a photo: `group`, `true_iou`, `measure.<name>`, and `cluster` where it is known.
        wishes: What is asked for.
        about: Of the model: `ensemble`, `cut`, `masker`, `made_of`.

    Raises:
        MaskfoldError: If the photos are of fewer than `LEAST_GROUPS` groups, or the predictor cannot be had.
    """
    groups = photos["group"].nunique()
    if groups < LEAST_GROUPS:
        raise MaskfoldError(
            f"{len(photos)} photos of {groups} groups have a mask to judge by; {LEAST_GROUPS} groups at least are "
            "needed. Add labelled photos, or let every mask be looked at."
        )
    measured, ious = measured_of(photos), photos[TRUTH].to_numpy(float)
    if wishes.predictor not in (AUTO, *predictor_names(measured)):
        ways = ", ".join([AUTO, *predictor_names(measured)])
        raise MaskfoldError(
            f"predictor={wishes.predictor}: these can be had of the maps: {ways}. Measures of members take two or more "
            "of them, that of the mirror image takes mirror=<store>."
        )
    crossed = candidate_scores(measured, ious, photos["group"], k=wishes.k, seed=wishes.seed)
    whole = choose(crossed, ious, photos["group"], seed=wishes.seed)
    name, first, second = _split(photos, wishes)
    predictor = fit_predictor(name, _at(measured, first), ious[first])
    scores = predictor.score(measured)
    drawn = np.flatnonzero(second)[one_of_each(photos["group"][second], seed=wishes.seed)]
    calibration = fit_isotonic(scores, ious)
    # What is rejected never ships: no promise counts it, and no threshold goes by it.
    solid = measured["area"] > 0
    asked = drawn[solid[drawn]]
    least = _least_kept(calibration, wishes.reject_below)
    certificate = certify(scores[asked], ious[asked], wishes.terms, least=least)
    others = [] if certificate.granted else alternatives(scores[asked], ious[asked], wishes.terms, least=least)
    threshold, rule = _threshold(certificate, scores[solid], ious[solid], wishes)
    fold = folds_of(photos["group"], k=wishes.k, seed=wishes.seed)
    model = QualityModel(
        predictor=predictor,
        calibration=calibration,
        threshold=threshold,
        reject_below=wishes.reject_below,
        promise=rule | facts_of(certificate) | {"alternatives": [facts_of(one) for one in others]},
        **about,
    )
    shipped = np.array([model.assess(row).route == SHIP for row in measure_rows(photos)])
    clusters = photos["cluster"].iloc[drawn] if "cluster" in photos else None
    model = replace(model, reference=reference_of(scores[drawn], shipped[drawn], clusters))
    estimated = cross_fitted(scores, ious, fold)
    halved = not second.all()
    table = comparison_table(whole, crossed, ious)
    return Learned(model, table, whole.surely_better, scores, estimated, shipped, certificate, tuple(others), halved)


def _split(photos: pd.DataFrame, wishes: Wishes) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the predictor's name, the photos it is fitted on, and those on which the promise is made.

    What has looked at the truth of photos promises nothing about them: where the score is chosen or fitted, one half of
    the groups is for that and the other for the promise, whatever is chosen.
    """
    every = np.ones(len(photos), bool)
    if wishes.predictor not in (AUTO, RIDGE):
        return wishes.predictor, every, every
    first = folds_of(photos["group"], k=2, seed=wishes.seed + 1) == 0
    name = wishes.predictor
    if name == AUTO:
        some = photos[first]
        measured, ious = measured_of(some), some[TRUTH].to_numpy(float)
        name = compare(measured, ious, some["group"], k=wishes.k, seed=wishes.seed).name
    return name, first, ~first


def _least_kept(calibration: Points, reject_below: float) -> float:
    """Return the least score of the calibration's that is not rejected; infinity where all are."""
    return min((score for score, iou in zip(*calibration, strict=True) if iou >= reject_below), default=math.inf)


def _threshold(
    certificate: Certificate, scores: np.ndarray, ious: np.ndarray, wishes: Wishes
) -> tuple[float | None, dict[str, Any]]:
    if wishes.costs is None:
        return certificate.threshold, {"by": "certificate"}
    review, bad = wishes.costs
    rule = {"by": "cost", "review_cost": review, "bad_cost": bad, "allowed": review / bad}
    if not len(scores):
        return None, rule
    chances = fit_isotonic(scores, (ious < wishes.terms.level).astype(float), rising=False)
    return cost_threshold(*chances, review_cost=review, bad_cost=bad), rule


def measure_rows(photos: pd.DataFrame) -> list[dict[str, float]]:
    """Return the measures of each photo, as `QualityModel.assess` takes them."""
    columns = {name: photos[MEASURE + name].to_numpy(float).tolist() for name in DIRECTIONS}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def in_words(judgement: Learned, photos: pd.DataFrame) -> list[str]:
    """Return the outcome, a few lines for the terminal and the page; the first is about the promise."""
    model, ious = judgement.model, photos[TRUTH].to_numpy(float)
    lines = [str(judgement.certificate)]
    lines += [f"Asked for beforehand, this would have been granted: {one.terms}." for one in judgement.others]
    if model.promise["by"] == "cost":
        lines.append(
            f"The threshold goes by money: a mask is reviewed where its chance to be below IoU "
            f"{judgement.certificate.terms.level:g} is above {percent(model.promise['allowed'])}; "
            f"{percent(judgement.shipped.mean())} of the photos ship."
        )
    if empty := np.count_nonzero(photos[MEASURE + "area"] == 0):
        lines.append(
            f"{empty} of {len(photos)} masks are empty: these are rejected, and the promise does not count them."
        )
    error = np.abs(judgement.estimated - ious).mean()
    lines.append(f"Estimated from other photos, IoU is off by {error:.3f} on average.")
    if judgement.halved:
        lines.append(
            f"{model.predictor.name} was chosen or fitted on one half of the groups, so the promise is made on the "
            "other half alone."
        )
    elif judgement.surely_better and model.predictor.name == MEAN_RANK:
        lines.append(
            f"Surely better than the mean rank: {', '.join(judgement.surely_better)}. predictor=auto chooses by "
            "one half of the groups, and promises by the other."
        )
    return lines


def risk_facts(scores: np.ndarray, ious: np.ndarray) -> dict[str, float]:
    """Return the area under the curve of risk and coverage, of the score, of a random order and of the oracle's."""
    risks = 1 - ious
    return {"aurc": aurc(scores, risks), "random": float(risks.mean()), "oracle": aurc(ious, risks)}


def _at(measured: Mapping[str, np.ndarray], which: np.ndarray | Sequence[bool]) -> dict[str, np.ndarray]:
    return {name: values[which] for name, values in measured.items()}
