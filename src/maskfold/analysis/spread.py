"""How the out-of-fold scores are spread: over images, doubt, views and whatever else is known of them."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maskfold.analysis.charts import box_chart, doubt_scatter, risk_chart
from maskfold.analysis.evidence import Evidence, Split
from maskfold.analysis.formats import interval, label, score, shortened
from maskfold.analysis.html import Html, chart, element, table
from maskfold.analysis.standing import WRONG_MASK, planted_ids
from maskfold.analysis.tables import (
    area_classes,
    class_table,
    label_table,
    rank_correlation,
    risk_coverage,
    telling_columns,
)
from maskfold.data.table import CLUSTER, metadata_title
from maskfold.masks.scoring import DICE, Judged

AREA = "mask area class"  # a column that scores do not have
_CLASSES = 16  # boxes in one chart


def doubt_charts(evidence: Evidence, oof: Split) -> tuple[Figure, Figure]:
    """Chart error against unconfidence, and the error that is left when the doubtful are dropped."""
    judged = evidence.judged
    scores = oof.scores.dropna(subset=judged.column)  # what does not count has no error
    error = 1 - scores[judged.column]
    wrong = set() if evidence.planted is None else planted_ids(evidence.planted, WRONG_MASK, "train")
    scatter = doubt_scatter(
        scores,
        marked=scores["image_id"].isin(wrong),
        label="planted wrong mask",
        title=f"Unconfidence and error, Spearman {_correlation(scores, judged)}",
        judged=judged,
    )
    curves = risk_coverage(error, scores["unconfidence"]), risk_coverage(error, error)
    return scatter, risk_chart(*curves, judged.title)


def classed(oof: Split) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the scores with a column for everything that sorts images into classes, and what these are called.

    Images are sorted by group, view, cluster, metadata column, and the area of the true mask.
    """
    scores = oof.scores.assign(**{AREA: area_classes(oof.scores["mask_area"])})
    sorting = telling_columns(scores, ["view", *({CLUSTER} & {*scores}), *oof.metadata])
    groups = ["group"] if scores["group"].nunique() < len(scores) else []
    return scores, {column: metadata_title(column) for column in [*groups, *sorting]} | {AREA: "mask area"}


def class_charts(oof: Split, judged: Judged = DICE) -> Iterator[tuple[str, Figure]]:
    """Yield a title and the boxes of scores for each way to sort the images."""
    scores, columns = classed(oof)
    scores = scores.dropna(subset=judged.column)
    for column, name in columns.items():
        parts = scores.groupby(column, observed=True)
        classes = [(label(value), part[judged.column].to_numpy()) for value, part in parts]
        title = f"{judged.title} by {name}"
        if len(classes) > _CLASSES:
            title += f", the {_CLASSES} lowest of {len(classes)}"
            classes = sorted(classes, key=lambda named: np.median(named[1]))[:_CLASSES]
        named = [(shortened(value), values) for value, values in classes]
        yield title, box_chart(named, title=title, score=judged.title)


def weakest_classes(oof: Split, judged: Judged = DICE, *, rows: int = 10) -> pd.DataFrame:
    """Return the first `rows` of `class_table` as text."""
    lowest = class_table(*classed(oof), judged).head(rows)
    return pd.DataFrame(
        {
            "the lowest classes": lowest["by"] + " " + lowest["value"].map(label).map(shortened),
            "images": lowest["images"].map("{:,}".format),
            judged.title: lowest["score"].map(score),
            "95 % interval": list(map(interval, lowest["low"], lowest["high"])),
        }
        | ({} if judged.column == "iou" else {"IoU": lowest["iou"].map(score)})
    )


def label_rows(oof: Split, evidence: Evidence) -> pd.DataFrame:
    """Return what each class of object comes to, as text; none for one class."""
    labels = label_table(oof.scores, evidence.classes, evidence.judged)
    return pd.DataFrame(
        {
            "class": labels["class"],
            evidence.judged.title: labels["score"].map(score),
            "95 % interval": list(map(interval, labels["low"], labels["high"])),
        }
    )


def doubt_sentence(oof: Split, judged: Judged = DICE) -> str:
    """Say how well unconfidence ranks the errors."""
    return (
        f"Does unconfidence know where the errors are? Its rank correlation with the error (Spearman), out of fold, "
        f"is {_correlation(oof.scores, judged)}; 1 would be a perfect ranking, 0 is chance."
    )


def spread_section(evidence: Evidence, oof: Split) -> Html:
    """Chart the scores against unconfidence, and by everything that sorts images into classes."""
    scatter, risk = doubt_charts(evidence, oof)
    drawn = [
        chart(scatter, alt="Each image's unconfidence against its error out of fold"),
        chart(risk, alt="Mean error of the images that are kept when the most unconfident are set aside"),
    ]
    drawn += [chart(figure, alt=f"Box plots: {title}") for title, figure in class_charts(oof, evidence.judged)]
    return element(
        "section",
        element("h2", "How the scores are spread"),
        element("p", doubt_sentence(oof, evidence.judged)),
        element("div", *drawn, class_="charts"),
        *([table(label_rows(oof, evidence))] if evidence.classes else []),
        table(weakest_classes(oof, evidence.judged)),
    )


def _correlation(scores: pd.DataFrame, judged: Judged) -> str:
    scores = scores.dropna(subset=judged.column)
    correlation = rank_correlation(scores["unconfidence"], 1 - scores[judged.column])
    return "undefined" if np.isnan(correlation) else f"{correlation:.2f}"
