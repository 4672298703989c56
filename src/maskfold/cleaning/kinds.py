"""The kinds of findings, in the order in which they are worth a look, and what each says."""

import csv
from collections.abc import Sequence
from io import StringIO
from typing import NamedTuple

import pandas as pd

COLUMNS = ["kind", "rank", "image_id", "partner", "class", "score", "finding", "advice", "decision", "settled"]


class FindingKind(NamedTuple):
    """One kind of findings.

    Attributes:
        name: As `findings.csv` has it.
        score: What its score is.
        about: What it means, and how it was found; backticks set code.
        ascending: Whether the lowest scores come first.
    """

    name: str
    score: str
    about: str
    ascending: bool = False


OTHER_MASK = FindingKind(
    "same photo, other mask",
    "IoU of the two masks",
    "Near-copies or photos of the same bytes whose masks differ: at least one of the two masks is wrong. The mask that "
    "fits its photo's edges less is the one that `drop` is offered for first.",
    ascending=True,
)
TURNED = FindingKind(
    "mask mirrored or turned",
    "gain in edge ratio",
    "Masks that fit their photo much better once they are mirrored or turned. Mend the mask; photos that a camera has "
    "turned by their EXIF orientation, and whose masks were drawn without it, are the common cause.",
)
MISFIT = FindingKind(
    "mask does not fit",
    "edge ratio",
    "Masks whose outline runs where the photo does not change: of another photo, shifted, too large. The edge ratio is "
    "the logarithm of how much more the photo changes across the outline than a little aside, less what it gains where "
    "the mask is moved a little; listed is what lies more than 3 median absolute deviations below the set's median. An "
    "object of its backdrop's colour has a low one too.",
    ascending=True,
)
PART = FindingKind(
    "part of the mask does not fit",
    "edge ratio of the weakest stretch",
    "Masks that fit, but for a stretch of the outline at which the photo does not change: a piece is missing or too "
    "much. Shadows, fur and light objects before light walls are such stretches too.",
    ascending=True,
)
INVERTED = FindingKind(
    "inverted",
    "share of the border",
    "Masks that cover the photo's border and leave the middle, unlike those of the other photos.",
)
EMPTY = FindingKind(
    "empty", "share of the pixels", "Masks without an object. Right where the photo has none.", ascending=True
)
FULL = FindingKind("full", "share of the pixels", "Masks that are object everywhere.")
RAGGED = FindingKind(
    "ragged",
    "times the smoothed outline",
    "Masks full of specks and holes, as a threshold makes them: the outline is much longer than that of the smoothed "
    "mask.",
)
TWIN = FindingKind(
    "twin",
    "bits of 256",
    "Near-copies by PDQ hash: photos scaled, lightened or compressed anew, and bursts. Crops are not found. "
    "`make folds` puts twins into one group, so that no fold is cut between them.",
    ascending=True,
)
SIZE = FindingKind(
    "size",
    "relative size",
    "Masks of another size than their photo, and photos much smaller or of another shape than the rest.",
    ascending=True,
)
UNUSABLE = FindingKind(
    "cannot be used",
    "",
    "What no stage can read. `data.on_error=skip` leaves these photos out of every stage.",
)
OTHER_LABEL = FindingKind(
    "same photo, other label",
    "bits of 256",
    "Photos of the same bytes, and near-copies, under two labels: one of the two is wrong, unless two products look "
    "alike.",
    ascending=True,
)
ALIKE = FindingKind(
    "labels that look alike",
    "photos of the rarer one",
    "Labels that differ in nothing but case, spaces, width or invisible characters. Each gets a number of its own, for "
    "good.",
    ascending=True,
)
FEW = FindingKind(
    "few photos",
    "groups of photos",
    "Labels with fewer groups of photos to learn from than there are folds. `classes.csv` beside this page counts all.",
    ascending=True,
)
KINDS = [OTHER_LABEL, ALIKE, FEW, OTHER_MASK, TURNED, MISFIT, PART, INVERTED, EMPTY, FULL, RAGGED, TWIN, SIZE, UNUSABLE]


def decision_line(image_id: str, decision: str) -> str:
    """Return a row of `decisions.csv`, without its end."""
    line = StringIO()
    csv.writer(line, lineterminator="").writerow([image_id, decision])
    return line.getvalue()


def decision_lines(ids: pd.Series, decision: str) -> list[str]:
    """Return the row of each image."""
    return [decision_line(f"{image_id}", decision) for image_id in ids]


def findings_of(
    kind: FindingKind, rows: pd.DataFrame, *, advice: str | pd.Series, finding: Sequence[str] | pd.Series
) -> pd.DataFrame:
    """Return findings of one kind, worst first.

    Args:
        kind: Theirs.
        rows: `image_id` and `score`; `partner`, `class` and `decision` where they have one.
        advice: What to do; of single rows with the index of `rows`.
        finding: What is wrong, in the order of `rows`.
    """
    findings = rows.assign(kind=kind.name, advice=advice, finding=finding)
    findings = findings.sort_values(["score", "image_id"], ascending=[kind.ascending, True], ignore_index=True)
    return findings.reindex(columns=COLUMNS)
