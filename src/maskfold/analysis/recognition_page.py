"""The report on a recogniser: one page of what it knows, what it confuses and what it refuses."""

from collections.abc import Iterable, Iterator

from maskfold.analysis.charts import interval_chart
from maskfold.analysis.formats import interval
from maskfold.analysis.galleries import Exhibit
from maskfold.analysis.html import Html, chart, element, page, photo, sentence, table
from maskfold.analysis.product_pictures import confused, worst
from maskfold.analysis.recognition_charts import ask_chart, reliability_chart
from maskfold.analysis.recognition_evidence import RecognitionEvidence
from maskfold.analysis.recognition_tables import (
    LISTED,
    MARKS,
    WORST,
    class_rows,
    compared,
    folds_table,
    parts_tables,
    points,
    rejection_rows,
    shares_table,
    supported,
)
from maskfold.analysis.tables import interval_over_groups, member_table, risk_coverage
from maskfold.masks.scoring import Judged
from maskfold.recognition.calibration import reliability

REJECTION = (
    "Photos of products that were not learned, against photos of known ones out of fold, for each score by which a "
    "photo can be refused; the mean over folds. Near ones have a relative among the known products, of the same coarse "
    "class; far ones have none. AUROC is how often a known photo has the larger score. False accepts are the unknown "
    "photos that pass where 95 % of the known ones do. OSCR counts a known photo that is answered wrong as lost."
)
STYLE = """
.thumbs { display: flex; flex-wrap: wrap; gap: 10px; align-items: flex-start; }
.thumbs figure { flex: 0 0 auto; width: 166px; }
.thumbs img { width: auto; max-width: 100%; max-height: 150px; }
.thumbs figcaption, .case h3 { overflow-wrap: anywhere; }
.sortable th { cursor: pointer; }
.sortable th::after { content: " ↕"; font-weight: 400; }
.sortable .scroll, .long .scroll { max-height: 560px; overflow-y: auto; }
.sortable thead th, .long thead th { position: sticky; top: 0; background: #fff; }
.names td:nth-child(2), .names th:nth-child(2), .sortable.classes td:last-child, .sortable.classes th:last-child {
  text-align: left; white-space: normal; }
"""
SCRIPT = """
for (const table of document.querySelectorAll(".sortable table"))
  table.querySelectorAll("th").forEach((head, column) => {
    let up = true;
    head.addEventListener("click", () => {
      const value = (row) => row.cells[column].textContent.replaceAll(",", "");
      const number = (row) => parseFloat(value(row));
      const rows = [...table.tBodies[0].rows].sort((one, other) =>
        Number.isNaN(number(one)) || Number.isNaN(number(other))
          ? value(one).localeCompare(value(other)) : number(one) - number(other));
      table.tBodies[0].append(...(up ? rows : rows.reverse()));
      up = !up;
    });
  });
"""


def compose(evidence: RecognitionEvidence, *, images: int, labels_page: str) -> str:
    """Return the report, a whole HTML document; sections without evidence are not in it.

    Args:
        evidence: What it is about.
        images: How many pairs and photos each gallery shows.
        labels_page: Where the page of labels that look wrong lies, from this page.

    Raises:
        MaskfoldError: If a photo cannot be read.
    """
    facts = (
        element("div", element("b", big), element("span", small), class_="fact") for big, small in _facts(evidence)
    )
    parts = [
        element("h1", evidence.title),
        element("p", _opening(evidence), class_="soft"),
        element("div", *facts, class_="facts"),
    ]
    if evidence.missing:
        reasons = (element("p", sentence(reason)) for reason in evidence.missing)
        parts.append(element("section", element("h2", "Left out of this report"), *reasons, class_="missing"))
    parts += [
        _shares_section(evidence),
        *_parts_section(evidence),
        _classes_section(evidence),
        _confused_section(evidence, images),
        _calibration_section(evidence),
        *_rejection_section(evidence),
        _worst_section(evidence, images),
        _labels_section(evidence, labels_page),
    ]
    return page(f"{evidence.name}: report", *parts, style=STYLE, script=SCRIPT)


def thumbs(exhibit: Exhibit) -> Html:
    """Return an exhibit's photos in a row."""
    pictures = (photo(panel.image, alt=panel.caption, caption=panel.caption) for panel in exhibit.panels)
    return element("div", *pictures, class_="thumbs")


def case(exhibit: Exhibit, *more: Html) -> Html:
    """Return an exhibit: what is said of it, its photos, and more below."""
    said = element("span", f" · {' · '.join(exhibit.facts)}", class_="soft")
    tags = (element("span", tag, class_="tag") for tag in exhibit.tags)
    return element("div", element("h3", exhibit.image_id, said, *tags), thumbs(exhibit), *more, class_="case")


def _opening(evidence: RecognitionEvidence) -> str:
    scores = evidence.scores
    counted = f"{len(scores):,} photos of {scores['group'].nunique():,} groups, {scores['label'].nunique():,} classes"
    return f"Data {evidence.data}: {counted}. Every photo is answered by networks that have not learned from it."


def _facts(evidence: RecognitionEvidence) -> Iterator[tuple[str, str]]:
    """Yield the numbers to see first, each with what it means."""
    scores = evidence.scores
    for name, title in MARKS.items():
        low, high = interval_over_groups(Judged(name).marks(scores), scores["group"])
        yield points(Judged(name).total(scores)), f"{title} out of fold; 95 % interval {interval(low, high, points)}"
    for table_of in [*evidence.rejection.values()][:1]:
        rows = table_of[(table_of["fold"].astype(str) == "all") & (table_of["score"] == table_of["score"].iloc[0])]
        for row in rows.itertuples():
            accepted = f"{row.score}; {points(row.false_accepts)} accepted where 95 % of the known ones are"
            yield f"{row.auroc:.3f}", f"AUROC of {row.kind} unknown products by the {accepted}"
    certain = int(evidence.suspects["certain"].sum())
    yield f"{certain:,}", "labels look wrong: the networks are sure of another one"


def _shares_section(evidence: RecognitionEvidence) -> Html:
    explained = (
        "Accuracy is how often the first answer is right, top-5 how often one of the first five is. "
        f"{supported(evidence)} Intervals draw whole groups. The calibration error is by how much the probability of "
        "the first answer and the share of right ones differ."
    )
    parts = [table(shares_table(evidence), strong=0)]
    if len(evidence.members) > 1:
        judged = Judged("accuracy")
        figure = interval_chart(member_table(compared(evidence), judged), judged.title)
        parts.append(element("div", chart(figure, alt="Accuracy of the ensemble and of each member"), class_="charts"))
    by_fold = folds_table(evidence)
    if by_fold is not None:
        parts += [element("h3", "Fold by fold"), table(by_fold)]
    return element("section", element("h2", "How often it is right"), element("p", explained, class_="soft"), *parts)


def _parts_section(evidence: RecognitionEvidence) -> Iterator[Html]:
    for title, rows in parts_tables(evidence):
        yield element("section", element("h2", title), element("div", table(rows), class_="sortable"))


def _classes_section(evidence: RecognitionEvidence) -> Html:
    rows = class_rows(evidence)
    few = f", the {WORST} weakest and the best" if evidence.scores["label"].nunique() > LISTED else ""
    explained = (
        f"The lowest recall first{few}; a click on a heading sorts. Recall is the share of a class's photos that are "
        "recognised, precision the share of answers with it that are right. `classes.csv` beside the member's results "
        "has all of them."
    )
    return element(
        "section",
        element("h2", "Class by class"),
        element("p", sentence(explained), class_="soft"),
        element("div", table(rows), class_="sortable classes names" if "coarse class" in rows else "sortable classes"),
    )


def _confused_section(evidence: RecognitionEvidence, images: int) -> Html:
    explained = "Products that are taken for one another most often, with photos of both, those confused in front."
    return _gallery("Pairs that are confused", explained, confused(evidence, images=images))


def _worst_section(evidence: RecognitionEvidence, images: int) -> Html:
    explained = (
        "Answers that are wrong and sure of themselves: the photo, a typical photo of its label, and one of the answer."
    )
    return _gallery("The worst answers", explained, worst(evidence, images=images))


def _gallery(title: str, explained: str, exhibits: Iterable[Exhibit]) -> Html:
    return element("section", element("h2", title), element("p", explained, class_="soft"), *map(case, exhibits))


def _calibration_section(evidence: RecognitionEvidence) -> Html:
    scores = evidence.scores
    bins = reliability(scores["probability"].to_numpy(), scores["accuracy"].to_numpy() == 1)
    curve = risk_coverage(1 - scores["accuracy"], 1 - scores["probability"])
    explained = (
        "To the left each bar is the share of right answers among those of like probability: below the dotted line "
        "they promise too much. One temperature, by which logits are divided, mends most of it; it stands above, fold "
        "by fold. To the right, what asking a person about the least probable answers would leave wrong."
    )
    charts = [
        chart(reliability_chart(bins), alt="Share of right answers by the probability of the first answer"),
        chart(ask_chart(curve), alt="Wrong answers by the share of photos that are asked about"),
    ]
    return element(
        "section",
        element("h2", "Calibration"),
        element("p", explained, class_="soft"),
        element("div", *charts, class_="charts"),
    )


def _rejection_section(evidence: RecognitionEvidence) -> Iterator[Html]:
    if evidence.rejection:
        rows = table(rejection_rows(evidence.rejection))
        yield element("section", element("h2", "Unknown products"), element("p", REJECTION, class_="soft"), rows)


def _labels_section(evidence: RecognitionEvidence, labels_page: str) -> Html:
    count, certain = len(evidence.suspects), int(evidence.suspects["certain"].sum())
    said = f"{count:,} photos are answered with another label than theirs, {certain:,} of them surely. "
    link = element("a", "They stand on a page of their own", href=labels_page)
    return element(
        "section",
        element("h2", "Labels that look wrong"),
        element("p", said, link, ", ranked, with photos and the lines that correct them."),
    )
