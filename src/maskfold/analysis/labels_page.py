"""The page of labels that look wrong, on which corrections are ticked and copied."""

from collections.abc import Iterator

import pandas as pd

from maskfold.analysis.decision_boxes import SCRIPT, choice, decisions_section
from maskfold.analysis.decision_boxes import STYLE as BOXES
from maskfold.analysis.html import Html, element, page, sentence, table
from maskfold.analysis.product_pictures import suspects
from maskfold.analysis.recognition_evidence import RecognitionEvidence
from maskfold.analysis.recognition_page import STYLE, case
from maskfold.data.annotations import DROP, KEEP, NAMED

LABEL_SUSPICION = (
    "Ranked are photos that networks which have not learned from them take for something else. Three voices speak, "
    "each from +1 for the other label to -1 for the given one: the probabilities, the labels of the nearest photos, "
    "and the other members of an ensemble; their mean ranks. A label is said to look wrong where the other one has "
    "more than half of the probability, and as much as it has, in the mean, for photos that bear it. The networks are "
    "often mistaken themselves: look at the photos."
)


def compose(evidence: RecognitionEvidence, *, images: int) -> str:
    """Return the page, a whole HTML document.

    Args:
        evidence: What it is about.
        images: How many photos are shown.

    Raises:
        MaskfoldError: If a photo cannot be read.
    """
    count, certain = len(evidence.suspects), int(evidence.suspects["certain"].sum())
    opening = (
        f"Data {evidence.data}, by {evidence.name}: {len(evidence.scores):,} photos, {count:,} answered with another "
        f"label than theirs; {certain:,} labels look wrong."
    )
    said = (
        f"Nothing here changes a file. What you decide stands in `{evidence.decisions}`, a row a photo: "
        f"`{NAMED}<name>` gives it another label, `{KEEP}` says that its label is right, `{DROP}` leaves it out. "
        "Every later stage obeys it. Tick what is right below; the box then holds the whole file. Then train again."
    )
    shown = zip(suspects(evidence, images=images), evidence.suspects.itertuples(), strict=False)
    cases = (case(exhibit, _choices(row)) for exhibit, row in shown)
    more = count - images
    rest = f"{more:,} more stand in `labels.csv` beside this page; `images=` shows more of them." if more > 0 else ""
    return page(
        f"{evidence.name}: labels",
        element("h1", "Labels that look wrong"),
        element("p", opening, class_="soft"),
        decisions_section(evidence.decisions, said),
        element(
            "section",
            element("h2", "The most suspicious first"),
            element("p", LABEL_SUSPICION, class_="soft"),
            *cases,
            *([element("p", sentence(rest))] if rest else []),
        ),
        *_settled(evidence.settled),
        style=BOXES + STYLE,
        script=SCRIPT,
    )


def _choices(row: pd.Series) -> Html:
    lines = ([(row.image_id, decision)] for decision in (f"{NAMED}{row.suggested}", KEEP, DROP))
    return element("p", *map(choice, lines), class_="choices")


def _settled(settled: pd.Series) -> Iterator[Html]:
    if len(settled):
        rows = pd.DataFrame({"photo": settled.index, "decided": settled.to_numpy()})
        yield element("section", element("h2", f"Settled: {len(rows):,}"), table(rows), class_="long")
