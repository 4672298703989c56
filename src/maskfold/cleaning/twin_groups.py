"""The groups that a split is cut by, once near-copies share one."""

from collections.abc import Iterable

import pandas as pd

from maskfold.data.annotations import KEEP


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
