"""The page of findings about a data set's photos and masks, on which decisions are ticked and copied."""

from collections.abc import Iterator

import pandas as pd

from maskfold.analysis.decision_boxes import SCRIPT, STYLE, choice, decisions_section
from maskfold.analysis.finding_pictures import Pictures
from maskfold.analysis.html import Html, element, page, photo, sentence, table
from maskfold.cleaning.findings import Inspected
from maskfold.cleaning.kinds import KINDS, MISFIT, OTHER_LABEL, FindingKind, decision_line
from maskfold.data.annotations import DECISIONS, DROP, GROUP, KEEP, NAMED
from maskfold.data.source import Source
from maskfold.data.table import LABEL
from maskfold.data.task import RECOGNITION

_WEAK = 0.5  # edge ratio in the median: outlines that mean little to the photos


def compose(source: Source, inspected: Inspected, *, images: int) -> str:
    """Return the page, a whole HTML document.

    Args:
        source: What was looked at.
        inspected: What was found.
        images: How many findings of each kind are shown with their pictures.

    Raises:
        MaskfoldError: If a mask has vanished meanwhile.
    """
    findings = inspected.findings
    still_open = findings[findings["settled"] == ""]
    pictures = Pictures(inspected, classes=source.classes, channels=source.channels)
    shown = [kind for kind in KINDS if (still_open["kind"] == kind.name).any()]
    parts = [
        element("h1", f"Data {source.name}: what to look at"),
        element("p", _opening(inspected, still_open), class_="soft"),
        element("p", *(_link(kind, still_open) for kind in shown), class_="contents"),
        *(element("p", sentence(note), class_="soft") for note in _notes(inspected)),
        _decisions_section(source, inspected),
        *(_section(kind, still_open, inspected, pictures, images) for kind in shown),
        *_settled_section(findings[findings["settled"] != ""]),
    ]
    return page(f"{source.name}: findings", *parts, style=STYLE, script=SCRIPT)


def _opening(inspected: Inspected, still_open: pd.DataFrame) -> str:
    counts = inspected.rows["split"].value_counts()
    photos = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    settled = len(inspected.findings) - len(still_open)
    affected = still_open["image_id"].nunique()
    said = f"{photos} photos; {len(still_open):,} findings about {affected:,} of them"
    return f"{said}, {settled:,} more are settled." if settled else f"{said}."


def _notes(inspected: Inspected) -> Iterator[str]:
    yield from inspected.notes
    usual = inspected.measured["edge_ratio"].median()
    if usual < _WEAK:
        yield (
            f"The masks of this set hardly follow the edges of their photos (edge ratio {usual:.2f} in the median): "
            f"`{MISFIT.name}` says little here, or most masks are wrong."
        )
    if inspected.measured["border"].median() > 0.5:
        yield "Most masks cover most of their photo's border: look whether all of them are inverted."


def _link(kind: FindingKind, still_open: pd.DataFrame) -> Html:
    count = int((still_open["kind"] == kind.name).sum())
    return element("a", f"{kind.name} ({count:,})", href=f"#{_anchor(kind)}")


def _anchor(kind: FindingKind) -> str:
    return kind.name.replace(" ", "-").replace(",", "")


def _decisions_section(source: Source, inspected: Inspected) -> Html:
    """Say where decisions stand, and hold what is ticked."""
    path = source.folder / DECISIONS
    label = f", `{NAMED}<name>`" if source.task == RECOGNITION else ""
    said = (
        f"Nothing here changes a file. What you decide stands in `{path}`, a row a photo: `keep`, `drop`{label} or "
        "`group=<name>`. Every later stage obeys it. Tick what is right below; the box then holds the whole file, with "
        f"the {len(inspected.decisions):,} rows that it has now. Then make the split anew, and train."
    )
    return decisions_section(path, said)


def _section(
    kind: FindingKind, still_open: pd.DataFrame, inspected: Inspected, pictures: Pictures, images: int
) -> Html:
    findings = still_open[still_open["kind"] == kind.name]
    more = len(findings) - images
    parts = [element("h2", f"{kind.name[0].upper()}{kind.name[1:]}: {len(findings):,}", id=_anchor(kind))]
    parts.append(element("p", sentence(kind.about), class_="soft"))
    parts += [_case(row, inspected, pictures) for _, row in findings.head(images).iterrows()]
    if more > 0:
        parts.append(element("p", sentence(f"{more:,} more stand in `findings.csv`; `images=` shows more of them.")))
    return element("section", *parts)


def _case(row: pd.Series, inspected: Inspected, pictures: Pictures) -> Html:
    """Return a finding: what it says, its pictures, and what can be ticked."""
    name = " and ".join(filter(None, [row["image_id"], row["partner"]]))
    about = [part for part in (row["class"], row["finding"]) if part]
    title = element("h3", f"{row['rank']}. {name}", element("span", f" · {' · '.join(about)}", class_="soft"))
    drawn = (photo(image, alt=f"{name}: {caption}", caption=caption) for image, caption in pictures.of(row))
    return element(
        "div",
        title,
        element("div", *drawn, class_="pictures"),
        element("p", sentence(row["advice"])),
        _choices(row, inspected),
        class_="case",
    )


def _choices(row: pd.Series, inspected: Inspected) -> Html:
    """Return boxes to tick, none where no decision would be obeyed or one stands already."""
    ids = [image_id for image_id in (row["image_id"], row["partner"]) if image_id]
    decisions = inspected.decisions
    decided = [decision_line(image_id, decisions[image_id]) for image_id in ids if image_id in decisions]
    if decided:
        said = f"Decided: {'; '.join(decided)}. Change it in the file."
        return element("p", said, class_="choices")
    if not row["decision"]:
        return Html("")
    splits = inspected.rows.set_index("image_id")["split"]
    offered = [[(image_id, DROP)] for image_id in ids if splits[image_id] == "train"]
    offered.sort(key=lambda lines: decision_line(*lines[0]) != row["decision"])  # what is advised first
    choices = [choice(lines) for lines in offered]
    if row["kind"] == OTHER_LABEL.name:
        labels = inspected.rows.set_index("image_id")[LABEL]
        choices += [choice([(image_id, f"{NAMED}{labels[other]}")]) for image_id, other in (ids, ids[::-1])]
        return element("p", *choices, choice([(image_id, KEEP) for image_id in ids], " two products"), class_="choices")
    pair = inspected.rows[inspected.rows["image_id"].isin(ids)]
    if row["partner"] and _are_alone(pair["group"], inspected.rows):
        choices.append(choice([(image_id, f"{GROUP}{ids[0]}") for image_id in ids], " one object, both stay"))
    are_near = pair["image_hash"].nunique() == 2
    choices.append(choice([(image_id, KEEP) for image_id in ids], " two objects, for any fold" if are_near else ""))
    return element("p", *choices, class_="choices")


def _are_alone(groups: pd.Series, rows: pd.DataFrame) -> bool:
    """Return whether each photo is the only one of its group: from others it would be torn by a group of its own."""
    return groups.is_unique and int(rows["group"].isin(groups).sum()) == len(groups)


def _settled_section(settled: pd.DataFrame) -> Iterator[Html]:
    """Yield what is settled by a decision, in a table."""
    if settled.empty:
        return
    shown = settled[["image_id", "partner", "kind", "finding", "settled"]]
    shown = shown.rename(columns={"image_id": "photo", "settled": "decided"})
    yield element("section", element("h2", f"Settled: {len(settled):,}"), table(shown.astype("str")), class_="settled")
