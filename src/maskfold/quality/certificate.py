"""A threshold with a promise: of what ships, at most so many masks are bad, at a stated confidence.

Learn then test (Angelopoulos et al., arXiv 2110.01052): thresholds are tried from strict to lax, and the walk ends at
the first at which the photos do not refute "more than `alpha` of what ships is bad". Since the order is fixed before
anybody looks at a truth, all steps together are wrong in at most 1 - confidence of cases, however many they are. The
promise is about photos drawn as these were; photos of one group are alike, so one of each group counts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from maskfold.errors import MaskfoldError

STEPS = 50  # thresholds that are tried, at most: between two neighbours the count of bad ones hardly changes
LEVELS = (0.98, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5)
ALPHAS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3)


@dataclass(frozen=True)
class Terms:
    """What is asked for.

    Attributes:
        level: The IoU below which a mask is bad.
        alpha: The share of what ships that may be bad.
        confidence: How sure that has to be.
        begin: The share of the photos that the strictest threshold ships.
    """

    level: float
    alpha: float
    confidence: float
    begin: float = 0.25

    def __post_init__(self) -> None:
        """Refuse shares that are none.

        Raises:
            MaskfoldError: Naming the key.
        """
        for key, value in asdict(self).items():
            if not 0 < value < 1:
                raise MaskfoldError(f"{key}={value}: give a share between 0 and 1.")

    @property
    def needed(self) -> int:
        """How many photos it takes, with none bad among them, to hold the promise: (1 - alpha)^n <= 1 - confidence."""
        return math.ceil(math.log(1 - self.confidence) / math.log(1 - self.alpha))

    def __str__(self) -> str:
        return f"of what ships, at most {percent(self.alpha)} are below IoU {self.level:g}"


@dataclass(frozen=True)
class Certificate:
    """What came of it.

    Attributes:
        terms: What was asked for.
        photos: How many counted, one of each group.
        threshold: The least score that ships; None where no threshold holds.
        shipped: How many of the photos it ships.
        bad: How many of these are bad.
        p_value: Of "more than `alpha` of what ships is bad"; of the strictest threshold where none holds, NaN where
            there was nothing to try.
    """

    terms: Terms
    photos: int
    threshold: float | None
    shipped: int
    bad: int
    p_value: float

    @property
    def granted(self) -> bool:
        """Whether a threshold holds."""
        return self.threshold is not None

    def __str__(self) -> str:
        if self.granted:
            return (
                f"Promised at {percent(self.terms.confidence)} confidence: {self.terms}. Of {self.photos} photos, one "
                f"of each group, it ships {self.shipped} ({percent(self.shipped / self.photos)}); {self.bad} of these "
                "are below."
            )
        wish = f'"{self.terms}" cannot be promised at {percent(self.terms.confidence)} confidence'
        if self.photos < self.terms.needed:
            return (
                f"{wish}: that takes {self.terms.needed} photos of different groups even if none of them is bad, and "
                f"there are {self.photos}."
            )
        if not self.shipped:
            return f"{wish}: too many masks are rejected for their estimated IoU."
        return f"{wish}: of the {self.shipped} of {self.photos} photos with the best scores, {self.bad} are below."


def certify(scores: np.ndarray, ious: np.ndarray, terms: Terms, *, least: float = -math.inf) -> Certificate:
    """Find the laxest threshold that holds a promise.

    Args:
        scores: `(N,)`, one photo of each group, by a score that has not learned from their truth.
        ious: `(N,)`.
        terms: What is asked for.
        least: The threshold is not below it. It may go by the truth: all steps of the walk hold together, so any of
            them may be taken.
    """
    from mapie.risk_control import control_fwer  # seconds to import
    from scipy.stats import binom

    thresholds = _thresholds(scores, terms)
    thresholds = thresholds[thresholds >= least]
    if not len(thresholds):
        return Certificate(terms, len(scores), None, 0, 0, float("nan"))
    ships = scores[None] >= thresholds[:, None]
    shipped, bad = ships.sum(axis=1), (ships & (ious < terms.level)[None]).sum(axis=1)
    p_values = binom.cdf(bad, shipped, terms.alpha)
    # Not MAPIE's controller, which counts a bad mask too many wherever n * (bad / n) is rounded up, and turns the walk
    # round where the strictest masks are the worst ones: that is a look at the truth.
    held = control_fwer(p_values, 1 - terms.confidence, fwer_method="fixed_sequence")
    step = int(held.max()) if len(held) else 0
    threshold = float(thresholds[step]) if len(held) else None
    return Certificate(terms, len(scores), threshold, int(shipped[step]), int(bad[step]), float(p_values[step]))


def _thresholds(scores: np.ndarray, terms: Terms) -> np.ndarray:
    """Return the scores at which thresholds are tried, from strict to lax; none where photos are too few."""
    total = len(scores)
    least = max(terms.needed, math.ceil(terms.begin * total))
    if total < terms.needed:
        return np.empty(0)
    counts = np.unique(np.linspace(least, total, STEPS).round().astype(int))
    falling = np.sort(scores)[::-1][counts - 1]
    return falling[np.concatenate([[True], falling[1:] < falling[:-1]])]


def alternatives(scores: np.ndarray, ious: np.ndarray, terms: Terms, *, least: float = -math.inf) -> list[Certificate]:
    """Return what would have held: the highest IoU for the same share, and the least share for the same IoU.

    Each would be a promise had it been asked for beforehand. Chosen among several after a look at the same photos, it
    is surer to break than its confidence says: ask for it on photos that were not looked at.
    """
    lower = (replace(terms, level=level) for level in LEVELS if level < terms.level)
    laxer = (replace(terms, alpha=alpha) for alpha in ALPHAS if alpha > terms.alpha)
    firsts = (_first(certify(scores, ious, one, least=least) for one in some) for some in (lower, laxer))
    return [one for one in firsts if one is not None]


def _first(certificates: Iterable[Certificate]) -> Certificate | None:
    return next((one for one in certificates if one.granted), None)


def one_of_each(groups: Sequence[str], *, seed: int) -> np.ndarray:
    """Return the places of one photo of each group, drawn by chance, rising: `(G,) int`."""
    places = np.random.default_rng(seed).permutation(len(groups))
    _, first = np.unique(np.asarray(groups, str)[places], return_index=True)
    return np.sort(places[first])


def cost_threshold(
    scores: Sequence[float], chances: Sequence[float], *, review_cost: float, bad_cost: float
) -> float | None:
    """Return the score from which on a review costs more than what it saves: P(bad | score) <= review / bad.

    Args:
        scores: Rising.
        chances: P(bad) at each, falling; straight lines between them.
        review_cost: Of one review.
        bad_cost: Of one bad mask that ships.

    Returns:
        The least such score; None where every mask is worth a review.

    Raises:
        MaskfoldError: As `check_costs`.
    """
    allowed = check_costs(review_cost, bad_cost)
    within = np.flatnonzero(np.asarray(chances) <= allowed)
    if not len(within):
        return None
    first = within[0]
    if first == 0:
        return float(scores[0])
    around = slice(first - 1, first + 1)
    return float(np.interp(-allowed, [-chance for chance in chances[around]], scores[around]))


def check_costs(review_cost: float, bad_cost: float) -> float:
    """Return the chance to be bad above which a mask is worth a review.

    Raises:
        MaskfoldError: If a cost is not above 0, or a review costs as much as what it saves.
    """
    if not 0 < review_cost < bad_cost:
        raise MaskfoldError(
            f"review_cost={review_cost}, bad_cost={bad_cost}: a review pays only where it costs less than a bad mask "
            "that ships, and both cost something."
        )
    return review_cost / bad_cost


def facts_of(certificate: Certificate) -> dict[str, Any]:
    """Return a certificate as it stands in a file; what is not known is null."""
    facts = asdict(certificate.terms) | asdict(certificate) | {"granted": certificate.granted}
    facts |= {"needed": certificate.terms.needed, "words": str(certificate)}
    facts.pop("terms")
    return facts | {"p_value": None if math.isnan(certificate.p_value) else certificate.p_value}


def percent(share: float) -> str:
    """Return a share in words: 2 %, 7.5 %."""
    return f"{round(100 * share, 1):g} %"
