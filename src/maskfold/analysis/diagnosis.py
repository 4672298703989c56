"""What the errors have in common: where on the object they lie, and which members share them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maskfold.analysis.agreement import contributions, pixel_overlap, score_correlation
from maskfold.analysis.error_charts import distance_chart, matrix_chart, object_chart
from maskfold.analysis.evidence import Split
from maskfold.analysis.formats import gain, interval, percent, score
from maskfold.analysis.html import Html, chart, element, table
from maskfold.analysis.inspection import Inspection
from maskfold.analysis.location import SIDES, distance_table
from maskfold.ensembling.contested import by_counts, contested_pixels, groups_of_masks
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.masks.scoring import DICE, Judged

AGREEMENT = (
    "What a member adds is the ensemble's {} less that of the others by themselves, all cut at the ensemble's "
    "threshold, before post-processing. Members that find the same images hard, and err on the same pixels of them, "
    "cannot mend one another."
)
_NEAR = ("1", "2", "3")  # pixels


@dataclass(frozen=True)
class Agreement:
    """What an ensemble's members have in common; tables as in `maskfold.analysis.agreement`."""

    scores: pd.DataFrame
    pixels: pd.DataFrame
    adds: pd.DataFrame
    title: str = "Dice"

    @property
    def explained(self) -> str:
        """What the tables say."""
        return AGREEMENT.format(self.title)


def compare_members(oof: Split, judged: Judged = DICE, *, jobs: int = -1) -> Agreement | None:
    """Compare the members' out-of-fold maps; None for an ensemble of one.

    Args:
        oof: The ensemble out of fold.
        judged: By what; a metric that does not follow from counts gives way to Dice.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map or a mask cannot be read.
    """
    sources = oof.usual.sources
    if len(sources) < 2:
        return None
    metric = by_counts(METRICS_BY_NAME.get(judged.metric))
    contested = contested_pixels(sources, oof.photos, threshold=oof.usual.threshold, metric=metric, jobs=jobs)
    names = [source.leaf.name for source in sources]
    weights = np.array([float(source.leaf.weight) for source in sources])
    adds = contributions(contested, names, weights, groups_of_masks(contested, oof.photos["group"]))
    return Agreement(score_correlation(contested, names), pixel_overlap(contested, names), adds, metric.title)


def location_sentence(bands: pd.DataFrame) -> str:
    """Say how much of the error lies near the boundary, and on which side of it."""
    near = bands.loc[bands["distance"].isin(_NEAR), "share"].sum()
    missed = bands.loc[bands["side"] == SIDES[0], "share"].sum()
    return (
        f"{percent(near, 0)} of the wrong pixels lie within {_NEAR[-1]} pixels of the true boundary; "
        f"{percent(missed, 0)} are missed object, the others too much of it."
    )


def location_rows(bands: pd.DataFrame) -> pd.DataFrame:
    """Return the bands of `distance_table` as text, both sides of the boundary in one row."""
    shown = bands.assign(share=bands["share"].map(percent), rate=bands["rate"].map(lambda rate: percent(rate, 2)))
    missed, much = (shown[shown["side"] == side].set_index("distance") for side in SIDES)
    rows = {"pixels from the boundary": much.index}
    for side, part in zip(SIDES, (missed, much), strict=True):
        part = part.loc[much.index]
        rows |= {f"{side}, of all wrong pixels": part["share"].array, f"{side}, of the band": part["rate"].array}
    return pd.DataFrame(rows)


def location_section(inspection: Inspection) -> Html:
    """Show where on the object the errors lie."""
    bands = distance_table(inspection.distances)
    drawn = [chart(distance_chart(bands), alt="Share of all wrong pixels by distance to the true boundary")]
    if inspection.objects:
        drawn.append(chart(object_chart(inspection.objects), alt="Missed and superfluous parts on the mean object"))
    return element(
        "section",
        element("h2", "Where on the object errors lie"),
        element("p", location_sentence(bands)),
        element("div", *drawn, class_="charts"),
        table(location_rows(bands)),
    )


def adds_rows(adds: pd.DataFrame, title: str = "Dice") -> pd.DataFrame:
    """Return what each member adds as text."""
    return pd.DataFrame(
        {
            "": adds["name"],
            "weight": adds["weight"].map(lambda weight: percent(weight)),
            f"{title} alone": adds["score"].map(score),
            "ensemble without": adds["without"].map(score),
            "adds": adds["adds"].map(gain),
            "95 % interval": [interval(low, high, gain) for low, high in zip(adds["low"], adds["high"], strict=True)],
        }
    )


def agreement_charts(agreement: Agreement) -> Sequence[Figure]:
    """Draw both matrices."""
    return (
        matrix_chart(agreement.scores, title="Rank correlation of the images' errors"),
        matrix_chart(agreement.pixels, title="IoU of the wrong pixels"),
    )


def agreement_section(agreement: Agreement) -> Html:
    """Show which members err together, and what each adds."""
    alts = "Rank correlation of the members' errors over images", "IoU of the pixels that members get wrong"
    charts = agreement_charts(agreement)
    drawn = [chart(figure, alt=alt) for figure, alt in zip(charts, alts, strict=True)]
    return element(
        "section",
        element("h2", "Do the members agree?"),
        element("p", agreement.explained, class_="soft"),
        table(adds_rows(agreement.adds, agreement.title)),
        element("div", *drawn, class_="charts"),
    )
