"""The groups that a split is cut by, once near-copies share one."""

from collections.abc import Iterable

import pandas as pd

from maskfold.data.annotations import DECISIONS, KEEP, with_groups
from maskfold.errors import MaskfoldError, listing


def binding_pairs(pairs: pd.DataFrame, table: pd.DataFrame, decisions: pd.Series) -> pd.DataFrame:
    """Return the pairs of twins that must not be parted, as the user has decided.

    Near-copies that are both kept (`keep`) are left out: of a single photo `keep` may say no more than that its mask
    is right. Photos of the same bytes never are, and what is decided of one of these holds for all.

    Args:
        pairs: What `maskfold.cleaning.twins.find_twins` returns.
        table: The image table.
        decisions: By `image_id`, as `maskfold.data.annotations.read_decisions` returns them.
    """
    if pairs.empty:
        return pairs
    content = table.set_index("image_id")["image_hash"]
    kept = {*content.reindex(decisions.index[decisions == KEEP]).dropna()}
    are_kept = pairs["image_id"].map(content).isin(kept) & pairs["partner"].map(content).isin(kept)
    return pairs[pairs["same_bytes"] | ~are_kept].reset_index(drop=True)


def joined_groups(train: pd.DataFrame, pairs: pd.DataFrame) -> pd.Series:
    """Return the group that each train photo is of from now on whose group is joined with another, by `image_id`.

    Groups are joined through as many pairs as lead from one to another; the first name in the alphabet is that of all.

    Args:
        train: Rows of the image table that are learned from.
        pairs: Twins, of which those with a test photo do not count.
    """
    group_of = train.set_index("image_id")["group"]
    pairs = pairs[pairs["image_id"].isin(group_of.index) & pairs["partner"].isin(group_of.index)]
    links = zip(pairs["image_id"].map(group_of), pairs["partner"].map(group_of), strict=True)
    return group_of[group_of.isin(named := _joined(links))].map(named).sort_index()


def grown_groups(train: pd.DataFrame, joined: pd.Series, known: pd.DataFrame) -> pd.Series:
    """Return the groups of photos that are not their own, where a split grows: those it knows keep group and fold.

    A new photo that is of one group with known ones, or a near-copy of one, is of theirs.

    Args:
        train: Rows of the image table that are learned from, with their own groups.
        joined: What `joined_groups` returns for them.
        known: The split that is there: `image_id, group, fold`.

    Returns:
        Groups by `image_id`, as `joined_groups` returns them.

    Raises:
        MaskfoldError: If photos of one group, or near-copies, are in several folds of the split already.
    """
    rows = with_groups(train, joined)[["image_id", "group"]].rename(columns={"group": "whole"})
    rows = rows.merge(known[["image_id", "group", "fold"]], on="image_id", how="left")
    rows["own"] = train["group"].to_numpy()
    there = rows.dropna(subset="fold").sort_values("group", kind="stable")
    several = there.groupby("whole")["fold"].nunique()
    _refuse_linked(rows[rows["whole"].isin(several.index[several > 1])])
    first = there.drop_duplicates("whole").set_index("whole")["group"]
    final = rows["group"].fillna(rows["whole"].map(first)).fillna(rows["whole"])
    moved = (final != rows["own"]).to_numpy(bool)
    return final[moved].set_axis(rows.loc[moved, "image_id"]).rename("group").sort_index()


def _refuse_linked(rows: pd.DataFrame) -> None:
    """Refuse photos that belong together and are in several folds already."""
    if rows.empty:
        return
    lines = []
    for whole, of_whole in rows.groupby("whole"):
        folds = sorted({int(fold) for fold in of_whole["fold"].dropna()})
        new = of_whole.loc[of_whole["fold"].isna(), "image_id"]
        lines.append(f"{whole}: folds {', '.join(map(str, folds))}; new: {', '.join(new[:5]) or 'none'}")
    raise MaskfoldError(
        f"{len(lines)} groups of photos that belong together are in several folds of the split already, which photos "
        f"keep:\n{listing(lines)}\nTake the new ones out, which link the others: `<image_id>,drop` in the data's "
        f"{DECISIONS}; or say of near-copies that show two objects `<image_id>,keep`, of both; or deal all anew with "
        "overwrite=true, and train every member again."
    )


def _joined(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return for every group that is linked with another the first name of all that it is linked with."""
    above: dict[str, str] = {}

    def first(name: str) -> str:
        while above.get(name, name) != name:
            above[name] = name = above.get(above[name], above[name])
        return name

    for one, other in links:
        low, high = sorted((first(one), first(other)))
        if low != high:
            above[high] = above[low] = low
    return {name: first(name) for name in above}
