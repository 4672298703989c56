"""Findings about near-copies: whether their groups and splits keep them together, and whether their masks agree."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.cleaning.kinds import COLUMNS, OTHER_MASK, TWIN, decision_lines, findings_of
from maskfold.cleaning.remembering import remembered
from maskfold.data.annotations import DROP
from maskfold.data.loading import read_mask

SAME = 0.98  # IoU from which the masks of near-copies are one; of photos of the same bytes any difference counts
_ACROSS_SPLITS, _ACROSS_GROUPS, _IN_GROUP = "in train and test", "in two groups", "in one group"
_ADVICE = {
    _ACROSS_SPLITS: "A score on this test photo is no test: drop the train photo.",
    _ACROSS_GROUPS: "`make folds` puts both in one group; where one adds nothing, drop it.",
    _IN_GROUP: "Nothing has to be done; where one adds nothing, drop it.",
}


class MaskPair(NamedTuple):
    """The files of two masks, the second of which is brought to the size of the first."""

    one: str
    other: str


def twin_findings(twins: pd.DataFrame, rows: pd.DataFrame, fits: pd.Series) -> pd.DataFrame:
    """Return a finding for each pair of near-copies: across splits first, then across groups.

    Args:
        twins: See `maskfold.cleaning.twins.find_twins`.
        rows: Of the image table, with the groups that are in force.
        fits: The edge ratio by `image_id`; of two train photos the one whose mask fits less is the one to drop.
    """
    if twins.empty:
        return pd.DataFrame(columns=COLUMNS)
    group, split = (rows.set_index("image_id")[column] for column in ("group", "split"))
    sides = [twins["image_id"], twins["partner"]]
    (one_group, other_group), (one_split, other_split) = ([side.map(of) for side in sides] for of in (group, split))
    where = np.select(
        [one_split != other_split, one_group != other_group], [_ACROSS_SPLITS, _ACROSS_GROUPS], default=_IN_GROUP
    )
    where = pd.Series(where, index=twins.index)
    dropped = _worse(twins, fits).mask(one_split == "test", twins["partner"])
    dropped = dropped.mask(other_split == "test", twins["image_id"])  # a submission needs a test photo's row
    scored = twins.assign(score=twins["distance"].astype(np.float64), decision=decision_lines(dropped, DROP))
    alike = pd.Series(np.where(twins["same_bytes"], "the same bytes", "near-copies"), index=twins.index)
    findings = findings_of(TWIN, scored, advice=where.map(_ADVICE), finding=alike + ", " + where)
    order = findings["finding"].str.partition(", ")[2].map([*_ADVICE].index)
    return findings.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def mask_findings(
    twins: pd.DataFrame, rows: pd.DataFrame, fits: pd.Series, *, cache: Path | None = None, jobs: int = -1
) -> pd.DataFrame:
    """Return a finding for each pair of near-copies with different masks.

    Args:
        twins: See `maskfold.cleaning.twins.find_twins`.
        rows: Measurable rows of the image table, with the groups that the source gives: near-copies of one group are
            views of one object, such as a car's front and back, whose masks may differ.
        fits: The edge ratio by `image_id`, of the class with the lowest.
        cache: Where to remember the IoU of two masks, by content.
        jobs: Processes; -1 is one per core.
    """
    files = rows.set_index("image_id")[["mask", "mask_hash", "group"]]
    both = twins[twins["image_id"].isin(files.index) & twins["partner"].isin(files.index)].reset_index(drop=True)
    one, other = (files.loc[both[side]].reset_index(drop=True) for side in ("image_id", "partner"))
    told_apart = both["same_bytes"] | (one["group"] != other["group"])
    one, other, both = one[told_apart], other[told_apart], both[told_apart]
    both = both.assign(mask_hash=one["mask_hash"], other_hash=other["mask_hash"])
    names = zip(both["mask_hash"], both["other_hash"], one["mask"], other["mask"], strict=True)
    pairs = {(mask, partner): MaskPair(*paths) for mask, partner, *paths in names if mask != partner}
    keys = ["mask_hash", "other_hash"]
    common = {"cache": cache, "version": "1", "description": "compare masks", "jobs": jobs}
    overlaps = remembered(overlap, pairs, keys=keys, columns=["score"], **common)
    both = both.merge(overlaps, on=keys)  # equal masks have no overlap to look up
    both = both[both["score"] < np.where(both["same_bytes"], 1, SAME)].astype({"score": np.float64})
    if both.empty:
        return pd.DataFrame(columns=COLUMNS)
    both["decision"] = decision_lines(_worse(both, fits), DROP)
    photo = np.where(both["same_bytes"], "the same photo", "near-copies")
    finding = pd.Series(photo, index=both.index) + both["score"].map(", IoU of the masks {:.4f}".format)
    advice = "Mend the wrong mask, or drop the photo whose mask is worse. `make folds` puts both in one group."
    return findings_of(OTHER_MASK, both, advice=advice, finding=finding)


def _worse(twins: pd.DataFrame, fits: pd.Series) -> pd.Series:
    """Return of each pair the photo whose mask fits less; the second where none does."""
    is_first = twins["image_id"].map(fits).fillna(0) < twins["partner"].map(fits).fillna(0)
    return twins["image_id"].where(is_first, twins["partner"])


def overlap(masks: MaskPair) -> list[tuple[float]]:
    """Return the IoU of two masks, over all classes together; 1 where both are empty, 0 where classes differ."""
    one = read_mask(masks.one)
    other = read_mask(masks.other, size=one.shape[-2:])
    if one.shape != other.shape:
        return [(0.0,)]
    union = np.count_nonzero(one | other)
    return [(np.count_nonzero(one & other) / union if union else 1.0,)]
