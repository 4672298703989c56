"""How the out-of-fold scores are spread: over images, doubt, views and whatever else is known of them."""

from collections.abc import Iterator

import numpy as np

from maskfold.analysis.charts import box_chart, doubt_scatter, risk_chart
from maskfold.analysis.evidence import Evidence, Split
from maskfold.analysis.formats import label
from maskfold.analysis.html import Html, chart, element
from maskfold.analysis.standing import WRONG_MASK, planted_ids
from maskfold.analysis.tables import rank_correlation, risk_coverage, telling_columns

_CLASSES = 16  # boxes in one chart
_LETTERS = 24  # of a class's name


def spread_section(evidence: Evidence, oof: Split) -> Html:
    """Chart the scores against unconfidence, by view and by each metadata column that tells images apart."""
    scores = oof.scores
    error = 1 - scores["dice"]
    correlation = rank_correlation(scores["unconfidence"], error)
    known = "undefined" if np.isnan(correlation) else f"{correlation:.2f}"
    wrong = set() if evidence.planted is None else planted_ids(evidence.planted, WRONG_MASK, "train")
    scatter = doubt_scatter(
        scores,
        marked=scores["image_id"].isin(wrong),
        label="planted wrong mask",
        title=f"Unconfidence and error, Spearman {known}",
    )
    risk = risk_chart(risk_coverage(error, scores["unconfidence"]), risk_coverage(error, error))
    drawn = [
        chart(scatter, alt="Each image's unconfidence against its error out of fold"),
        chart(risk, alt="Mean error of the images that are kept when the most unconfident are set aside"),
    ]
    drawn += [chart(box_chart(classes, title=title), alt=f"Box plots: {title}") for title, classes in _boxes(oof)]
    explained = (
        f"Does unconfidence know where the errors are? Its rank correlation with the error (Spearman), out of fold, "
        f"is {known}; 1 would be a perfect ranking, 0 is chance."
    )
    return element(
        "section",
        element("h2", "How the scores are spread"),
        element("p", explained),
        element("div", *drawn, class_="charts"),
    )


def _boxes(oof: Split) -> Iterator[tuple[str, list[tuple[str, np.ndarray]]]]:
    """Yield a title for each telling column, and the name and Dice scores of its classes."""
    for column in telling_columns(oof.scores, ["view", *oof.metadata]):
        classes = [(label(name), part["dice"].to_numpy()) for name, part in oof.scores.groupby(column)]
        title = f"Dice by {column}"
        if len(classes) > _CLASSES:
            title += f", the {_CLASSES} lowest of {len(classes)}"
            classes = sorted(classes, key=lambda named: np.median(named[1]))[:_CLASSES]
        yield title, [(name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…", dice) for name, dice in classes]
