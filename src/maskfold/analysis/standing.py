"""Where the ensemble stands: against its members, and against faults that were planted to be found."""

import pandas as pd

from maskfold.analysis.charts import dice_histogram, interval_chart
from maskfold.analysis.evidence import Evidence, Split
from maskfold.analysis.formats import percent, score
from maskfold.analysis.html import Html, chart, element, table
from maskfold.analysis.tables import (
    IOU_LEVELS,
    member_table,
    precision_at,
    ranked,
    recall_at,
    shared_folds,
)

WHITE_VAN, WRONG_MASK = "white_van", "wrong_mask"  # as `planted.csv` calls them


def members_section(evidence: Evidence, oof: Split) -> Html:
    """Compare the ensemble with its members, out of fold."""
    folds = shared_folds(evidence.members.values())
    whole = oof.scores if folds is None else oof.scores.assign(fold=oof.scores["image_id"].map(folds))
    scores = {f"{evidence.name} (ensemble)": whole} | evidence.members
    compared = member_table(scores)
    explained = (
        "Mean Dice over the images of each fold, and over all images with a bootstrap interval that draws whole "
        "groups. Members are cut at one half, the ensemble as its recipe says."
    )
    pictures = (
        chart(interval_chart(compared), alt="Pooled Dice of the ensemble and of each member, with intervals"),
        chart(
            dice_histogram({name: part["dice"] for name, part in scores.items()}),
            alt="Histogram of the per-image Dice of the ensemble and of each member",
        ),
    )
    return element(
        "section",
        element("h2", "Ensemble and members, out of fold"),
        element("p", explained, class_="soft"),
        _table(compared, evidence.results),
        element("div", *pictures, class_="charts"),
    )


def _table(compared: pd.DataFrame, results: dict[str, pd.DataFrame]) -> Html:
    folds = [column for column in compared if column.startswith("fold ")]
    levels = [f"above {level}" for level in IOU_LEVELS]
    header = ["", *folds, "pooled", "95 % interval", "IoU", *(f"IoU > {level}" for level in IOU_LEVELS), "training"]
    rows = [
        [
            row["name"],
            *(score(row[fold]) for fold in folds),
            score(row["dice"]),
            f"{score(row['low'])} to {score(row['high'])}",
            score(row["iou"]),
            *(percent(row[level]) for level in levels),
            _minutes(results.get(row["name"])),
        ]
        for row in compared.to_dict("records")
    ]
    return table(header, rows, strong=0)


def _minutes(results: pd.DataFrame | None) -> str:
    return "" if results is None else f"{results['seconds'].sum() / 60:,.1f} min"


def planted_section(evidence: Evidence, planted: pd.DataFrame) -> Html:
    """Say how well the rankings find what the generator planted."""
    sentences = []
    vans = planted_ids(planted, WHITE_VAN, "test")
    if evidence.test is not None and vans:
        scores = evidence.test.scores
        ranking = ranked(scores, "unconfidence", descending=True)["image_id"].tolist()
        sentences.append(
            f"White vans in the test split: the precision at 10 of the unconfidence ranking is "
            f"{precision_at(ranking, vans, 10):.2f}; at {len(vans)}, the number planted, it is "
            f"{precision_at(ranking, vans, len(vans)):.2f}. By chance it would be {len(vans) / len(scores):.2f}."
        )
    wrong = planted_ids(planted, WRONG_MASK, "train")
    if evidence.oof is not None and wrong:
        ranking = ranked(evidence.oof.scores, "dice", descending=False)["image_id"].tolist()
        last = 1 + max(ranking.index(image_id) for image_id in wrong)
        sentences.append(
            f"Grossly wrong masks in the train split: the recall of the {len(wrong)} planted ones among as many of the "
            f"worst out-of-fold images is {recall_at(ranking, wrong, len(wrong)):.2f}; all are among the worst {last} "
            f"of {len(ranking)}."
        )
    return element("section", element("h2", "Planted faults, found again"), *(element("p", each) for each in sentences))


def planted_ids(planted: pd.DataFrame, kind: str, split: str) -> set[str]:
    """Return the images of a split in which a kind of fault was planted."""
    return set(planted.loc[(planted["kind"] == kind) & (planted["split"] == split), "image_id"])
