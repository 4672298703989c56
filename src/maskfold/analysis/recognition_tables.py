"""A recogniser's scores as tables of text, for the report and the notebook alike."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from maskfold.analysis.formats import interval, percent
from maskfold.analysis.recognition_evidence import RecognitionEvidence
from maskfold.analysis.tables import interval_over_groups
from maskfold.masks.scoring import Judged
from maskfold.recognition.calibration import expected_calibration_error
from maskfold.recognition.scoring import by_class, by_coarse, by_month, confusions

MARKS = {"accuracy": "accuracy", "top5": "top-5", "macro_recall": "macro recall"}
WORST, BEST = 200, 20  # classes that a page lists where there are more
LISTED = 400  # classes that it lists all
_MONTHS = 60


def points(share: float) -> str:
    """Write a share in per cent, to a tenth."""
    return percent(share, 1)


def shares_table(evidence: RecognitionEvidence) -> pd.DataFrame:
    """Return accuracy, top-5 and macro recall, each with its 95 % interval over groups; an ensemble's members below."""
    return pd.DataFrame([{"out of fold": name} | _shares(scores) for name, scores in compared(evidence).items()])


def compared(evidence: RecognitionEvidence) -> dict[str, pd.DataFrame]:
    """Return the scores of what the report is about, which comes first, and of an ensemble's members, by name."""
    return {evidence.name + (" (ensemble)" if evidence.members else ""): evidence.scores} | {**evidence.members}


def _shares(scores: pd.DataFrame) -> dict[str, str]:
    cells = {"photos": f"{len(scores):,}"}
    for name, title in MARKS.items():
        low, high = interval_over_groups(Judged(name).marks(scores), scores["group"])
        cells[title] = points(Judged(name).total(scores))
        cells[f"{title}, 95 %"] = interval(100 * low, 100 * high, "{:.1f}".format)
    ece = expected_calibration_error(scores["probability"], scores["accuracy"] == 1)
    return cells | {"calibration error": points(ece)}


def folds_table(evidence: RecognitionEvidence) -> pd.DataFrame | None:
    """Return the accuracy of each fold of each member, and the temperature that its answers would take; None of one."""
    rows = [
        {"member": name, "fold": row["fold"]}
        | {title: points(row[mark]) for mark, title in MARKS.items() if mark in row}
        | {"log loss": f"{row['log_loss']:.3f}", "temperature": f"{row['temperature']:.2f}"}
        for name, results in evidence.results.items()
        for row in results.to_dict("records")
        if {"log_loss", "temperature"} <= row.keys()
    ]
    return pd.DataFrame(rows) if rows else None


def supported(evidence: RecognitionEvidence) -> str:
    """Say over which classes macro recall is."""
    count = evidence.scores["label"].nunique()
    return f"Macro recall is the mean over the {count:,} of {len(evidence.classes):,} classes that have photos here."


def class_rows(evidence: RecognitionEvidence) -> pd.DataFrame:
    """Return a row a class that has photos, the lowest recall first: text, `WORST` and `BEST` where there are many."""
    table = by_class(evidence.scores, evidence.classes)
    table = table[table["photos"] > 0]
    table = table.sort_values(["recall", "photos", "label"], ascending=[True, False, True], kind="stable")
    if len(table) > LISTED:
        table = pd.concat([table.head(WORST), table.tail(BEST)])
    confused = [
        f"{name} ({count})" if count else ""
        for name, count in zip(table["confused_with"], table["confused"], strict=True)
    ]
    cells = {
        "class": table["label"],
        "photos": table["photos"].map("{:,}".format),
        "recall": table["recall"].map(points),
        "answered": table["predicted"].map("{:,}".format),
        "precision": table["precision"].map(points),
        "taken most often for": confused,
    }
    if table["coarse"].notna().any():
        cells = {"class": cells["class"], "coarse class": table["coarse"].fillna("")} | cells
    return pd.DataFrame(cells)


def parts_tables(evidence: RecognitionEvidence) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a title and a table for each way to sort classes: by month, if there are several, and by coarse class."""
    months = by_month(evidence.scores, evidence.classes).tail(_MONTHS)
    if len(months) > 1:
        yield "By the month in which products were added", _part_cells(months, "added", "month")
    coarse = by_coarse(evidence.scores, evidence.classes).sort_values("accuracy", kind="stable")
    if len(coarse) > 1:
        yield "By coarse class, the weakest first", _part_cells(coarse, "coarse", "coarse class")


def _part_cells(table: pd.DataFrame, column: str, title: str) -> pd.DataFrame:
    shares = {**MARKS, "coarse_accuracy": "within the coarse class"}
    if len(table) > LISTED:
        table = table.head(WORST)
    return pd.DataFrame(
        {title: table[column], "classes": table["classes"].map(str), "photos": table["photos"].map("{:,}".format)}
        | {name: table[mark].map(points) for mark, name in shares.items() if mark in table}
    )


def pairs(scores: pd.DataFrame) -> pd.DataFrame:
    """Return each pair of classes that was confused once, those confused most often first.

    Returns:
        `label`, `other`, `photos` of the label taken for the other, `back` the other way, and `rate`, both by the
        photos of both.
    """
    table = confusions(scores).rename(columns={"predicted": "other"})
    names = np.sort(table[["label", "other"]].astype(str).to_numpy(), axis=1)
    once = ~pd.DataFrame(names).duplicated().to_numpy()
    table = table[once].assign(both=table["photos"] + table["back"])
    ranked = table.sort_values(["both", "rate", "label"], ascending=[False, False, True], kind="stable")
    return ranked[["label", "other", "photos", "back", "rate"]].reset_index(drop=True)


def rejection_rows(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return how well each score refuses unknown products, near and far ones apart, as text.

    Args:
        tables: As `maskfold.recognition.rejection.over_folds` returns them, by member.
    """
    parts = [table[table["fold"].astype(str) == "all"].assign(member=name) for name, table in tables.items()]
    whole = pd.concat(parts, ignore_index=True)
    cells = pd.DataFrame({"member": whole["member"]} if len(tables) > 1 else {}, index=whole.index)
    return cells.assign(
        **{
            "unknown": whole["kind"],
            "photos": whole["unknown"].map("{:,}".format),
            "score": whole["score"],
            "AUROC": whole["auroc"].map("{:.3f}".format),
            "false accepts at 95 %": whole["false_accepts"].map(points),
            "OSCR": whole["oscr"].map("{:.3f}".format),
            "accuracy at 1 % false accepts": whole["accuracy_at_1"].map(points),
        }
    )
