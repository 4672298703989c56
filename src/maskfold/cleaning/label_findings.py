"""What is found of labels: one photo under two, names that look alike, products with hardly a photo."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from maskfold.cleaning.kinds import ALIKE, COLUMNS, FEW, OTHER_LABEL, decision_line, findings_of
from maskfold.data.annotations import NAMED
from maskfold.data.label_text import look_alikes
from maskfold.data.table import COARSE, LABEL

_DIFFER = "Give one of the two the other's label, or drop it; keep both if they show two products that look alike."


def label_findings(rows: pd.DataFrame, twins: pd.DataFrame, *, folds: int) -> list[pd.DataFrame]:
    """Return what is found of labels, tables of `maskfold.cleaning.kinds.COLUMNS`.

    Args:
        rows: The image table.
        twins: Near-copies, see `maskfold.cleaning.twins.find_twins`.
        folds: How many the split has, or will have.
    """
    return [_two_labels(rows, twins), _alike(rows), _few(rows, folds)]


def differing(rows: pd.DataFrame, twins: pd.DataFrame) -> pd.Series:
    """Tell of each pair of near-copies whether both have labels, and two."""
    label = rows.set_index("image_id")[LABEL]
    one, other = twins["image_id"].map(label), twins["partner"].map(label)
    return one.notna() & other.notna() & (one != other)


def _two_labels(rows: pd.DataFrame, twins: pd.DataFrame) -> pd.DataFrame:
    """Return a finding for each pair of near-copies with two labels, those of the same bytes first."""
    pairs = twins[differing(rows, twins)]
    if pairs.empty:
        return pd.DataFrame(columns=COLUMNS)
    label = rows.set_index("image_id")[LABEL]
    one, other = pairs["image_id"].map(label), pairs["partner"].map(label)
    bits = pairs["distance"].astype("str") + " bits of 256 apart"
    photo = pd.Series(np.where(pairs["same_bytes"], "the same bytes", "near-copies, " + bits), index=pairs.index)
    advised = [decision_line(partner, f"{NAMED}{name}") for partner, name in zip(pairs["partner"], one, strict=True)]
    scored = pairs.assign(score=pairs["distance"].astype(np.float64), decision=advised)
    return findings_of(OTHER_LABEL, scored, advice=_DIFFER, finding=photo + ": " + one + " and " + other)


def _alike(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a finding for each two labels that look alike, with a photo of each."""
    first, counts = rows.drop_duplicates(LABEL).set_index(LABEL)["image_id"], rows[LABEL].value_counts()
    pairs = []
    for names in look_alikes(counts.index):
        most, *others = sorted(names, key=lambda name: (-counts[name], name))
        pairs += [(most, other) for other in others]
    photos = pd.DataFrame(
        {
            "image_id": [first[one] for one, _ in pairs],
            "partner": [first[other] for _, other in pairs],
            "score": [float(counts[other]) for _, other in pairs],
        }
    )
    said = [f"{one!r}, {counts[one]:,} photos, and {other!r}, {counts[other]:,}" for one, other in pairs]
    advice = "If they are one product, write one name where labels are written, before `make folds` numbers both."
    return findings_of(ALIKE, photos, advice=advice, finding=said)


def _few(rows: pd.DataFrame, folds: int) -> pd.DataFrame:
    """Return a finding for each label with fewer groups to learn from than there are folds."""
    counts = label_counts(rows)
    few = counts[(counts["groups"] < folds)]
    first = rows.drop_duplicates(LABEL).set_index(LABEL)["image_id"]
    scored = pd.DataFrame({"image_id": few[LABEL].map(first), "score": few["groups"].astype(np.float64)})
    groups = few["groups"].astype("str") + " groups of photos to learn from"
    said = few[LABEL] + ": " + groups + np.where(few["groups"] == 0, ", so it gets no number", "")
    advice = f"Some of {folds} folds are validated on none of it. Add photos: nobody can say how well it is known."
    return findings_of(FEW, scored, advice=advice, finding=said)


def label_counts(rows: pd.DataFrame, more: Sequence[str] = ()) -> pd.DataFrame:
    """Return a row a label: `label`, `coarse` where it is known, `photos`, `train`, `test`, and `groups` of train ones.

    Args:
        rows: The image table.
        more: Further columns of it, of which each label's first is taken.
    """
    labelled = rows.dropna(subset=LABEL)
    train = labelled[labelled["split"] == "train"].groupby(LABEL)
    counts = labelled.groupby(LABEL).agg(
        photos=("image_id", "size"), test=("split", lambda split: (split == "test").sum())
    )
    counts["train"] = train.size()
    counts["groups"] = train["group"].nunique()
    known = [column for column in (COARSE, *more) if column in rows]
    firsts = labelled.groupby(LABEL)[known].first() if known else pd.DataFrame(index=counts.index)
    whole = firsts.join(counts[["photos", "train", "test", "groups"]].fillna(0).astype(np.int64))
    return whole.reset_index()
