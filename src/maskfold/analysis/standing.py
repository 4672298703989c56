"""Where the ensemble stands: against its members, and against faults that were planted to be found."""

from collections.abc import Mapping

import pandas as pd

from maskfold.analysis.charts import dice_histogram, interval_chart
from maskfold.analysis.evidence import Evidence, Split
from maskfold.analysis.formats import interval, percent, score
from maskfold.analysis.html import Html, chart, element, table
from maskfold.analysis.tables import (
    IOU_LEVELS,
    level_table,
    member_table,
    precision_at,
    ranked,
    recall_at,
    shared_folds,
)
from maskfold.masks.disagreement import SUSPICIOUS
from maskfold.masks.scores import BAND, TITLES
from maskfold.masks.scoring import DICE, Judged

WHITE_VAN, WRONG_MASK = "white_van", "wrong_mask"  # as `planted.csv` calls them
SPOILT = (WRONG_MASK, "wheel_gaps")


def compared(evidence: Evidence, oof: Split) -> dict[str, pd.DataFrame]:
    """Return the scores of the ensemble, which comes first, and of each member that was evaluated, by name.

    The ensemble's have a `fold` if all members were trained on the same split.
    """
    folds = shared_folds(evidence.members.values())
    whole = oof.scores if folds is None else oof.scores.assign(fold=oof.scores["image_id"].map(folds))
    return {f"{evidence.name} (ensemble)": whole} | evidence.members


def fold_table(scores: Mapping[str, pd.DataFrame], judged: Judged) -> pd.DataFrame:
    """Return `member_table` as text."""
    table = member_table(scores, judged)
    folds = {fold: table[fold].map(score) for fold in table if fold.startswith("fold ")}
    intervals = list(map(interval, table["low"], table["high"]))
    return pd.DataFrame(
        {judged.title: table["name"]} | folds | {"pooled": table["pooled"].map(score), "95 % interval": intervals}
    )


def quality_table(scores: Mapping[str, pd.DataFrame], results: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return `level_table` as text, with the time that training took."""
    table = level_table(scores)
    shares = {f"IoU ≥ {level}": table[f"above {level}"].map(percent) for level in IOU_LEVELS}
    boundary = {TITLES[metric]: table[metric].map(score) for metric in ("boundary_iou", "trimap_dice")}
    minutes = table["name"].map(lambda name: _minutes(results.get(name)))
    return pd.DataFrame({"": table["name"]} | boundary | shares | {"training": minutes})


def members_section(evidence: Evidence, oof: Split) -> Html:
    """Compare the ensemble with its members, out of fold."""
    scores = compared(evidence, oof)
    explained = (
        f"{_mean_of(evidence.judged)} of each fold, and over all images with a bootstrap interval that draws whole "
        "groups. Members are cut at one half, the ensemble as its recipe says. Boundary IoU and trimap Dice look only "
        f"at the pixels within {percent(BAND, 0)} of the image's diagonal from the boundary."
    )
    judged = evidence.judged
    pictures = (
        chart(
            interval_chart(member_table(scores, judged), judged.title),
            alt=f"Pooled {judged.title} of the ensemble and each member, with intervals",
        ),
        chart(
            dice_histogram({name: part[judged.column] for name, part in scores.items()}, judged.title),
            alt=f"Histogram of the per-image {judged.title} of the ensemble and of each member",
        ),
    )
    return element(
        "section",
        element("h2", "Ensemble and members, out of fold"),
        element("p", explained, class_="soft"),
        *(table(fold_table(scores, one), strong=0) for one in shown_scores(judged)),
        table(quality_table(scores, evidence.results), strong=0),
        element("div", *pictures, class_="charts"),
    )


def shown_scores(judged: Judged) -> list[Judged]:
    """Return what members are compared by: the data's metric, then Dice and IoU."""
    return [judged, *(Judged(name) for name in ("dice", "iou") if name != judged.metric)]


def _mean_of(judged: Judged) -> str:
    return "The mean over the images" if judged == DICE else f"The {judged.title} over the images"


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
        ranking = ranked(evidence.oof.scores, evidence.judged.column, descending=False)["image_id"].tolist()
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


def detection_table(suspicion: pd.DataFrame, planted: pd.DataFrame) -> pd.DataFrame:
    """Say, as text, how well suspicion finds the masks that were spoilt on purpose.

    Args:
        suspicion: `image_id` and `suspicion`, the largest first.
        planted: As `planted.csv` has it.
    """
    ranking, flagged = suspicion["image_id"].tolist(), _flagged(suspicion)
    kinds = {kind: planted_ids(planted, kind, "train") for kind in SPOILT}
    rows = [
        {
            "planted": kind.replace("_", " "),
            "masks": f"{len(ids)}",
            "recall of the suspicious": f"{len(flagged & ids) / len(ids):.2f}",
            "recall among as many": f"{recall_at(ranking, ids, len(ids)):.2f}",
            "last of them at": f"{1 + max(map(ranking.index, ids)):,} of {len(ranking):,}",
        }
        for kind, ids in kinds.items()
        if ids
    ]
    return pd.DataFrame(rows)


def detection_sentence(suspicion: pd.DataFrame, planted: pd.DataFrame) -> str:
    """Say how many of the suspicious masks were spoilt on purpose."""
    flagged = _flagged(suspicion)
    spoilt = set().union(*(planted_ids(planted, kind, "train") for kind in SPOILT))
    precision = f", a precision of {len(flagged & spoilt) / len(flagged):.2f}" if flagged else ""
    return f"Suspicious masks: {len(flagged)}; of these, spoilt on purpose: {len(flagged & spoilt)}{precision}."


def _flagged(suspicion: pd.DataFrame) -> set[str]:
    return set(suspicion.loc[suspicion["suspicion"] > SUSPICIOUS, "image_id"])
