"""Whether photos and masks are still what a threshold was promised for: shares that have moved, and an audit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np

from maskfold.quality.reference import bin_shares

ALARM = 0.2  # of the stability index: the usual word for a change that cannot be passed over
_LEAST = 1e-4  # what an empty share counts as
_CERTAINTY = 0.95


@dataclass(frozen=True)
class Promise:
    """What was known of photos when a threshold was chosen.

    Attributes:
        level: The IoU of a good mask.
        alpha: The share of what ships that may be below it; None where nothing was promised.
        edges: Of the bins of the score, rising, those at either end left out.
        scores: The share of photos in each bin.
        clusters: The share of photos of each cluster; none where clusters were not known.
        held: The share of photos that would not have shipped.
        held_upper: Its exact upper bound.
        photos: How many there were.
        by_money: Whether the threshold was chosen by what a review and a bad mask cost, so that nothing was promised.
    """

    level: float
    alpha: float | None
    edges: tuple[float, ...]
    scores: tuple[float, ...]
    clusters: Mapping[str, float]
    held: float
    held_upper: float
    photos: int
    by_money: bool = False


@dataclass(frozen=True)
class Month:
    """What photos of now have come to.

    Attributes:
        scores: Of each photo, NaN where it has none.
        clusters: Of each photo, None where it is not known.
        held: How many did not ship.
        audited: The IoU of each mask that shipped, was drawn for the audit and was looked at; 0 where it was rejected.
        unaudited: How many of those drawn nobody has looked at yet.
        is_inbox: Whether a service has kept them, which keeps those for review and no others.
    """

    scores: Sequence[float]
    clusters: Sequence[str | None]
    held: int
    audited: Sequence[float]
    unaudited: int = 0
    is_inbox: bool = False


class Moved(NamedTuple):
    """One thing that is compared.

    Attributes:
        what: Its name.
        promised: What it was, in words.
        now: What it is.
        value: The number that is compared with the limit; NaN where there is nothing to compare. Of the audit it is
            the lower end of the interval.
        limit: Above which there is an alarm.
        note: What is to be known beside it.
    """

    what: str
    promised: str
    now: str
    value: float
    limit: float
    note: str = ""

    @property
    def is_alarm(self) -> bool:
        """Whether it is beyond its limit."""
        return self.value > self.limit

    def as_json(self) -> dict[str, object]:
        """Return it as JSON has it: numbers that are not known are null."""
        numbers = {"value": self.value, "limit": self.limit}
        known = {name: None if isnan(number) else number for name, number in numbers.items()}
        return self._asdict() | known | {"alarm": self.is_alarm}


def compare(promise: Promise, month: Month) -> list[Moved]:
    """Compare photos of now with those that a threshold was chosen by; nothing, where they are an inbox."""
    if month.is_inbox:
        note = "an inbox has the photos for review alone, so nothing is compared: give the routes of cut-outs"
        return [Moved("photos", "-", f"{len(month.scores)} for review", np.nan, np.nan, note)]
    return [
        _scores(promise, month),
        _clusters(promise, month),
        _held(promise, month),
        _audit(promise, month),
    ]


def stability_index(expected: Iterable[float], actual: Iterable[float]) -> float:
    """Return the population stability index of two lists of shares, `sum((a - e) ln(a / e))`; 0 of the same ones.

    Shares of nothing count as 0.0001.

    Args:
        expected: Shares of before, which sum to 1.
        actual: Of now, in the same order.
    """
    before, now = (np.maximum(np.array([*shares], np.float64), _LEAST) for shares in (expected, actual))
    return float(((now - before) * np.log(now / before)).sum())


def exact_interval(count: int, of: int, *, certainty: float = _CERTAINTY) -> tuple[float, float]:
    """Return between which shares the true one lies, by the binomial distribution itself (Clopper and Pearson, 1934).

    Args:
        count: How many of those looked at.
        of: How many were looked at; of none the interval is everything.
        certainty: Of the interval.
    """
    from scipy.stats import beta

    tail = (1 - certainty) / 2
    low = float(beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, of - count)) if count < of else 1.0
    return low, high


def _scores(promise: Promise, month: Month) -> Moved:
    known = np.array([score for score in month.scores if not isnan(score)])
    unknown = len(month.scores) - len(known)
    note = f"{unknown} photos have no score" if unknown else ""
    if not len(known) or not promise.scores:
        return Moved("scores", "-", "-", np.nan, ALARM, note or "nothing to compare")
    shares = bin_shares(known, np.array(promise.edges))
    lowest = f"lowest tenth {promise.scores[0]:.1%}", f"{shares[0]:.1%}"
    chance = _by_chance(len(promise.scores), len(known), promise.photos)
    return Moved("scores", *lowest, stability_index(promise.scores, shares), ALARM, _joined(note, chance))


def _clusters(promise: Promise, month: Month) -> Moved:
    known = [cluster for cluster in month.clusters if cluster is not None]
    if not known or not promise.clusters:
        return Moved("clusters", "-", "-", np.nan, ALARM, "no clusters to compare")
    names = sorted({*known, *promise.clusters})
    before = np.array([promise.clusters.get(name, 0.0) for name in names])
    now = np.array([known.count(name) for name in names]) / len(known)
    moved = int(np.abs(now - before).argmax())
    new = sorted({*known} - {*promise.clusters})
    unheard = f"not known before: {', '.join(new)}" if new else ""
    note = _joined(unheard, _by_chance(len(names), len(known), promise.photos))
    words = f"{names[moved]} {before[moved]:.1%}", f"{now[moved]:.1%}"
    return Moved("clusters", *words, stability_index(before, now), ALARM, note)


def _held(promise: Promise, month: Month) -> Moved:
    """Compare the share that does not ship with the upper bound of what it was."""
    low, high = exact_interval(month.held, len(month.scores))
    now = month.held / len(month.scores)
    note = f"95 % interval {low:.1%} to {high:.1%}"
    return Moved("not shipped", f"{promise.held:.1%}", f"{now:.1%}", now, promise.held_upper, note)


def _audit(promise: Promise, month: Month) -> Moved:
    """Compare the share of what shipped that turned out bad: an alarm where chance cannot be why it is above alpha."""
    alpha = np.nan if promise.alpha is None else promise.alpha
    nothing = "nothing: chosen by money" if promise.by_money else "nothing"
    promised = nothing if promise.alpha is None else f"at most {alpha:.1%}"
    waiting = f"{month.unaudited} drawn and not looked at" if month.unaudited else ""
    if not month.audited:
        return Moved("bad among shipped", promised, "-", np.nan, alpha, _joined(waiting, "no audit yet"))
    failures = sum(iou < promise.level for iou in month.audited)
    low, high = exact_interval(failures, len(month.audited))
    now = f"{failures} of {len(month.audited)}"
    chance = "above what was promised, which chance may explain" if low <= alpha < failures / len(month.audited) else ""
    note = _joined(f"below IoU {promise.level:g}: 95 % interval {low:.1%} to {high:.1%}", chance, waiting)
    return Moved("bad among shipped", promised, now, low, alpha, note)


def _by_chance(bins: int, now: int, before: int) -> str:
    """Say how large the index is on average where nothing has changed, if that is worth a word."""
    expected = (bins - 1) * (1 / now + (1 / before if before else 0.0))
    return f"so few photos: chance alone gives {expected:.2f} or more" if expected > ALARM / 2 else ""


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
