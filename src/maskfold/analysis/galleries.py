"""Pictures of the images that deserve a look: those the ensemble is unsure of, and those it got wrong."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskfold.analysis.cases import doubt_tiles, error_tiles
from maskfold.analysis.disagreement import SUSPICIOUS, confident_disagreement
from maskfold.analysis.evidence import Evidence, Split
from maskfold.analysis.formats import doubt, label, percent, score
from maskfold.analysis.html import Html, element
from maskfold.analysis.pictures import BLUE, ORANGE, PROBABILITY_COLOURS, Colour
from maskfold.analysis.tables import ranked


def unconfident_section(evidence: Evidence, test: Split, *, images: int) -> Html:
    """Show the test images with the largest unconfidence."""
    truth = None if evidence.truth is None else evidence.truth.set_index("image_id")["dice"]
    cases = []
    for row in ranked(test.scores, "unconfidence", descending=True).head(images).to_dict("records"):
        image_id = row["image_id"]
        facts = [f"unconfidence {doubt(row['unconfidence'])}"]
        if truth is not None:
            facts.append(f"Dice {score(truth[image_id])} against the hidden truth")
        facts += _about(row, test.metadata)
        tiles = doubt_tiles(test.case(image_id), image_id=image_id)
        cases.append(_case(image_id, facts, _planted(evidence.planted, image_id), tiles))
    return element(
        "section",
        element("h2", "The test images the ensemble is most unsure of"),
        _legend((ORANGE, "outline of the prediction; grey zone: pixels with p in [0.3, 0.8]")),
        *cases,
    )


def worst_section(evidence: Evidence, oof: Split, *, images: int) -> Html:
    """Show the train images with the lowest Dice out of fold."""
    cases = []
    for row in ranked(oof.scores, "dice", descending=False).head(images).to_dict("records"):
        image_id = row["image_id"]
        case = oof.case(image_id)
        contradicted = confident_disagreement(case.probability, case.truth)
        facts = [f"Dice {score(row['dice'])}", f"unconfidence {doubt(row['unconfidence'])}"]
        facts += _about(row, oof.metadata)
        tags = [f"suspicious mask: {percent(contradicted, 0)}"] if contradicted > SUSPICIOUS else []
        tags += _planted(evidence.planted, image_id)
        cases.append(_case(image_id, facts, tags, error_tiles(case, image_id=image_id)))
    explained = (
        f"A mask is called suspicious when an ensemble that is sure of itself (p below 0.1 or above 0.9) contradicts "
        f"it on more than {percent(SUSPICIOUS, 0)} of the object: look at the mask before you blame the network."
    )
    return element(
        "section",
        element("h2", "The worst out-of-fold images"),
        element("p", explained, class_="soft"),
        _legend(
            (BLUE, "outline of the mask; missed by the prediction"),
            (ORANGE, "outline of the prediction; too much in it"),
        ),
        *cases,
    )


def _about(row: dict[str, object], metadata: Sequence[str]) -> list[str]:
    """Return what else is known of an image."""
    known = dict.fromkeys(label(row[column]) for column in metadata if not pd.isna(row[column]))
    facts = [" ".join(known), f"view {row['view']}" if row["view"] else "", "repaired" if row["repaired"] else ""]
    return [fact for fact in facts if fact]


def _planted(planted: pd.DataFrame | None, image_id: str) -> list[str]:
    if planted is None:
        return []
    found = planted[planted["image_id"] == image_id]
    return [f"planted: {row.kind.replace('_', ' ')}, {row.note}" for row in found.itertuples()]


def _case(image_id: str, facts: list[str], tags: list[str], tiles: list[Html]) -> Html:
    title = element(
        "h3",
        image_id,
        element("span", f" · {' · '.join(facts)}", class_="soft"),
        *(element("span", tag, class_="tag") for tag in tags),
    )
    return element("div", title, element("div", *tiles, class_="grid"), class_="case")


def _legend(*keys: tuple[Colour, str]) -> Html:
    stops = ", ".join(_css(PROBABILITY_COLOURS[value]) for value in range(0, 256, 15))
    ramp = element("i", class_="ramp", style=f"background:linear-gradient(90deg, {stops})")
    named = (
        element("span", element("i", class_="key", style=f"background:{_css(colour)}"), meaning)
        for colour, meaning in keys
    )
    return element("p", *named, element("span", "probability 0", ramp, "1"), class_="legend")


def _css(colour: np.ndarray | Colour) -> str:
    return f"rgb({', '.join(str(int(part)) for part in colour)})"
