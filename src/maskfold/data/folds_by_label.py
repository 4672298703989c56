"""Folds in which every label has its share, and that stay what they are when other photos and labels come."""

import hashlib
from collections.abc import Collection

import numpy as np
import pandas as pd

from maskfold.data.folds import COLUMNS, assign_folds
from maskfold.data.table import LABEL
from maskfold.errors import MaskfoldError, listing


class LabelStratified:
    """`folds=by_label`: the groups of each label are dealt to the folds like cards.

    Each label's deal follows from the seed and its own groups alone, so that other labels may come and go. Photos that
    come later are dealt to the folds that have the fewest groups of their label.

    Args:
        k: Number of folds; None for 5, or for those of the split that is there.
        seed: The same seed and groups give the same folds.
    """

    def __init__(self, *, k: int | None = None, seed: int = 0) -> None:
        if k is not None and (type(k) is not int or k < 2):
            raise MaskfoldError(
                f"folds.k={k}: at least two folds are needed, one to learn from and one to validate on."
            )
        self.k, self.seed = k, seed

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return `image_id, group, fold` for the train images of a checked table, in the order of the ids.

        Raises:
            MaskfoldError: If the data has no labels, or a fold would be empty.
        """
        k = 5 if self.k is None else self.k
        train = self._train(table)
        folds = self._dealt(train, k, pd.Series(dtype=np.int64))
        if folds.nunique() < k:
            raise MaskfoldError(f"folds.k={k}: a fold would have no photos; there are {len(folds)} groups. Lower it.")
        return assign_folds(train, folds)

    def more(self, table: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
        """Return a split with the images that it does not have yet; those that it has stay in their folds.

        Args:
            table: The image table; groups of images that are known are those of the split.
            known: `image_id, group, fold`; some of its images may not be in the table.

        Raises:
            MaskfoldError: If the split has another number of folds than is asked for.
        """
        k = int(known["fold"].max()) + 1
        if self.k not in (None, k):
            raise MaskfoldError(
                f"folds.k={self.k}: the split that is there has {k} folds, and photos keep theirs. Leave folds.k out; "
                "or deal all anew with overwrite=true, and train every member again."
            )
        train = self._train(table)
        fold_of_group = known.drop_duplicates("group").set_index("group")["fold"]
        folds = self._dealt(train, k, fold_of_group)
        new = assign_folds(train[~train["image_id"].isin(known["image_id"])], folds)
        return pd.concat([known[COLUMNS], new]).sort_values("image_id", ignore_index=True)

    @staticmethod
    def _train(table: pd.DataFrame) -> pd.DataFrame:
        if LABEL not in table:
            raise MaskfoldError("folds=by_label: this data has masks and no labels. Use folds=group_stratified.")
        return table[table["split"] == "train"]

    def _dealt(self, train: pd.DataFrame, k: int, known: pd.Series) -> pd.Series:
        """Return the fold of each group, those of `known` as they are."""
        groups = _labels_of_groups(train)
        groups["fold"] = groups["group"].map(known).astype("Float64")
        is_new = groups["fold"].isna().to_numpy(bool)
        order = np.full(len(groups), -1, np.int64)
        order[is_new] = [self._number(name) for name in groups.loc[is_new, "group"]]
        groups["order"] = order
        groups = groups.sort_values([LABEL, "order"], kind="stable", ignore_index=True)
        folds = groups["fold"].fillna(-1).to_numpy(np.int64)
        ends = np.flatnonzero(np.append(groups[LABEL].to_numpy()[1:] != groups[LABEL].to_numpy()[:-1], True)) + 1
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            of_label = folds[start:end]
            new = of_label < 0
            first = self._number(f"label {groups.at[start, LABEL]}") % k
            counts = np.bincount(of_label[~new], minlength=k)
            of_label[new] = deal(counts, int(new.sum()), first=first)
        return pd.Series(folds, index=pd.Index(groups["group"], name="group"))

    def _number(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed} {name}".encode()).digest()[:6], "big")


def still_there(
    known: pd.DataFrame, table: pd.DataFrame, *, dropped: Collection[str], left_out: Collection[str], forget: bool
) -> pd.DataFrame:
    """Return a split without the images that the user has dropped.

    Args:
        known: The split: `image_id, group, fold`, with `attrs["path"]`.
        table: The image table.
        dropped: Ids that decisions drop.
        left_out: Ids of images that the table leaves out, which stay in the split.
        forget: Whether those that the data has no longer are taken out too.

    Raises:
        MaskfoldError: If the data has no longer some of its images, and they are not to be forgotten.
    """
    there = known["image_id"].isin(table.loc[table["split"] == "train", "image_id"])
    there |= known["image_id"].isin({*left_out})
    lost = known.loc[~there & ~known["image_id"].isin({*dropped}), "image_id"]
    if len(lost) and not forget:
        raise MaskfoldError(
            f"{known.attrs['path']}: {len(lost)} of its photos are no train photos of the data any more:\n"
            f"{listing(lost.array, 5)}\nPut them back; or, if they are gone for good, take them out of the split with "
            "forget=true: all others keep their folds."
        )
    rest = known[there].reset_index(drop=True)
    rest.attrs = known.attrs
    return rest


def deal(counts: np.ndarray, cards: int, *, first: int) -> np.ndarray:
    """Return the fold that each card goes to: always one of those that have the fewest, in turn.

    Args:
        counts: (K,), how many each fold has already.
        cards: How many are dealt.
        first: The fold that comes first of several that have as few.
    """
    turn = (np.arange(len(counts)) - first) % len(counts)
    heights = counts[:, None] + np.arange(cards)  # of the n-th card of each fold, if it gets so many
    order = np.lexsort((np.repeat(turn, cards), heights.ravel()))[:cards]
    return np.repeat(np.arange(len(counts)), cards)[order]


def _labels_of_groups(train: pd.DataFrame) -> pd.DataFrame:
    """Return each group with the label that most of its photos have, the first in the alphabet of several."""
    counts = train.groupby(["group", LABEL], sort=False).size().rename("photos").reset_index()
    counts = counts.sort_values(["group", "photos", LABEL], ascending=[True, False, True])
    return counts.drop_duplicates("group", ignore_index=True)[["group", LABEL]]
