"""Pictures of the images that deserve a look: those the ensemble is unsure of, and those it got wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.analysis.cases import Panel, doubt_panels, error_panels
from maskfold.analysis.evidence import Evidence, Split
from maskfold.analysis.formats import doubt, label, percent, score
from maskfold.analysis.html import Html, element, photo, table
from maskfold.analysis.inspection import Inspection
from maskfold.analysis.standing import detection_sentence, detection_table
from maskfold.analysis.tables import ranked
from maskfold.masks.disagreement import SUSPICIOUS, confident_disagreement
from maskfold.masks.pictures import BLUE, ORANGE, Colour, class_colours, probability_colours

_FEWEST = 3  # suspects shown, be they never so harmless
SUSPICION = (
    "Suspicion is the part of the object on which an ensemble that is sure of itself (p below 0.1 or above 0.9) "
    f"contradicts the mask. Above {percent(SUSPICIOUS, 0)} a mask is called suspicious: look at it before you blame "
    "the network."
)


@dataclass(frozen=True)
class Exhibit:
    """One image with what is said about it.

    Attributes:
        image_id: Of the image.
        facts: Said plainly.
        tags: Said loudly.
        panels: Its pictures.
    """

    image_id: str
    facts: list[str]
    tags: list[str]
    panels: list[Panel]


def unconfident(evidence: Evidence, test: Split, *, images: int) -> Iterator[Exhibit]:
    """Yield the test images with the largest unconfidence."""
    judged = evidence.judged
    truth = None if evidence.truth is None else evidence.truth.set_index("image_id")[judged.column]
    for row in ranked(test.scores, "unconfidence", descending=True).head(images).to_dict("records"):
        image_id = row["image_id"]
        facts = [f"unconfidence {doubt(row['unconfidence'])}"]
        if truth is not None:
            facts.append(f"{judged.title} {score(truth[image_id])} against the hidden truth")
        facts += _about(row, test.metadata)
        yield Exhibit(image_id, facts, _planted(evidence.planted, image_id), doubt_panels(test.case(image_id)))


def worst(evidence: Evidence, oof: Split, *, images: int) -> Iterator[Exhibit]:
    """Yield the train images with the lowest scores out of fold; of several classes those of each."""
    for number, name in enumerate(evidence.classes or [""]):
        judged = evidence.judged.of(name)
        scores = oof.scores.dropna(subset=judged.column)
        for image_id in ranked(scores, judged.column, descending=False)["image_id"].head(images):
            yield _mistake(evidence, oof, image_id, number)


def suspects(evidence: Evidence, oof: Split, inspection: Inspection, *, images: int) -> Iterator[Exhibit]:
    """Yield the train images whose masks a sure ensemble contradicts most: all suspicious ones, and three at least."""
    ranking = inspection.suspicion
    count = min(images, max(_FEWEST, int((ranking["suspicion"] > SUSPICIOUS).sum())))
    chosen = ranking.head(count).itertuples(index=False)
    return (_mistake(evidence, oof, one.image_id, one.number) for one in chosen)


def _mistake(evidence: Evidence, oof: Split, image_id: str, number: int) -> Exhibit:
    """Return what is wrong with one class of an image; of one class, its number is 0."""
    (row,) = oof.scores[oof.scores["image_id"] == image_id].to_dict("records")
    case = oof.case(image_id).of_class(number)
    contradicted = confident_disagreement(case.probability, case.truth)
    judged = evidence.judged.of(evidence.classes[number]) if evidence.classes else evidence.judged
    facts = [f"{judged.title} {score(row[judged.column])}", f"unconfidence {doubt(row['unconfidence'])}"]
    facts += _about(row, oof.metadata)
    tags = [f"suspicious mask: {percent(contradicted, 0)}"] if contradicted > SUSPICIOUS else []
    return Exhibit(image_id, facts, tags + _planted(evidence.planted, image_id), error_panels(case))


def unconfident_section(evidence: Evidence, test: Split, *, images: int) -> Html:
    """Show the test images with the largest unconfidence."""
    return element(
        "section",
        element("h2", "The test images the ensemble is most unsure of"),
        _legend(*_outlines(evidence.classes)),
        *map(shown, unconfident(evidence, test, images=images)),
    )


def worst_section(evidence: Evidence, oof: Split, *, images: int) -> Html:
    """Show the train images with the lowest scores out of fold."""
    return element(
        "section",
        element("h2", "The worst out-of-fold images"),
        error_legend(),
        *map(shown, worst(evidence, oof, images=images)),
    )


def suspects_section(evidence: Evidence, oof: Split, inspection: Inspection, *, images: int) -> Html:
    """Show the train images whose masks look wrong, and how many of the planted ones are found."""
    parts = [element("h2", "Masks that look wrong"), element("p", SUSPICION, class_="soft")]
    if evidence.planted is not None:
        parts.append(element("p", detection_sentence(inspection.suspicion, evidence.planted)))
        parts.append(table(detection_table(inspection.suspicion, evidence.planted)))
    exhibits = suspects(evidence, oof, inspection, images=images)
    return element("section", *parts, error_legend(), *map(shown, exhibits))


def _about(row: dict[str, object], metadata: Sequence[str]) -> list[str]:
    """Return what else is known of an image."""
    values = dict.fromkeys(label(row[column]) for column in metadata if not pd.isna(row[column]))
    facts = [" ".join(values), f"view {row['view']}" if row["view"] else "", "repaired" if row["repaired"] else ""]
    return [fact for fact in facts if fact]


def _planted(planted: pd.DataFrame | None, image_id: str) -> list[str]:
    if planted is None:
        return []
    faults = planted[planted["image_id"] == image_id]
    return [f"planted: {row.kind.replace('_', ' ')}, {row.note}" for row in faults.itertuples()]


def shown(exhibit: Exhibit) -> Html:
    """Return an exhibit's facts above its pictures."""
    title = element(
        "h3",
        exhibit.image_id,
        element("span", f" · {' · '.join(exhibit.facts)}", class_="soft"),
        *(element("span", tag, class_="tag") for tag in exhibit.tags),
    )
    pictures = (
        photo(panel.image, alt=f"{exhibit.image_id}: {panel.caption}", caption=panel.caption)
        for panel in exhibit.panels
    )
    return element("div", title, element("div", *pictures, class_="grid"), class_="case")


def error_legend() -> Html:
    """Explain the colours of pictures of errors."""
    return _legend(
        (BLUE, "outline of the mask; missed by the prediction"),
        (ORANGE, "outline of the prediction; too much in it"),
    )


def _outlines(classes: Sequence[str]) -> list[tuple[Colour, str]]:
    """Return the colours of the outlines of predictions, and what they mean."""
    zone = "grey zone: pixels with p in [0.3, 0.8]"
    if not classes:
        return [(ORANGE, f"outline of the prediction; {zone}")]
    outlines = [f"outline of {name}" for name in classes]
    return [*zip(class_colours(len(classes)), outlines, strict=True), (ORANGE, f"{zone} of any class")]


def _legend(*keys: tuple[Colour, str]) -> Html:
    stops = ", ".join(_css(probability_colours()[value]) for value in range(0, 256, 15))
    ramp = element("i", class_="ramp", style=f"background:linear-gradient(90deg, {stops})")
    named = (
        element("span", element("i", class_="key", style=f"background:{_css(colour)}"), meaning)
        for colour, meaning in keys
    )
    return element("p", *named, element("span", "probability 0", ramp, "1"), class_="legend")


def _css(colour: np.ndarray | Colour) -> str:
    return f"rgb({', '.join(str(int(part)) for part in colour)})"
