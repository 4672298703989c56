"""Folds in which every label has its share, and that stay what they are when other labels come."""

import hashlib

import numpy as np
import pandas as pd

from maskfold.data.folds import assign_folds
from maskfold.data.table import LABEL
from maskfold.errors import MaskfoldError


class LabelStratified:
    """`folds=by_label`: the groups of each label are dealt to the folds like cards.

    Each label's deal follows from the seed and its own groups alone, so that other labels may come and go.

    Args:
        k: Number of folds; None for 5.
        seed: The same seed and groups give the same folds.
    """

    def __init__(self, *, k: int | None = None, seed: int = 0) -> None:
        k = 5 if k is None else k
        if type(k) is not int or k < 2:
            raise MaskfoldError(
                f"folds.k={k}: at least two folds are needed, one to learn from and one to validate on."
            )
        self.k, self.seed = k, seed

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return `image_id, group, fold` for the train images of a checked table, in the order of the ids.

        Raises:
            MaskfoldError: If the data has no labels, or a fold would be empty.
        """
        if LABEL not in table:
            raise MaskfoldError("folds=by_label: this data has masks and no labels. Use folds=group_stratified.")
        train = table[table["split"] == "train"]
        groups = train.groupby("group")[LABEL].agg(lambda labels: labels.mode().iloc[0]).rename(LABEL).reset_index()
        groups["order"] = [self._number(name) for name in groups["group"]]
        groups = groups.sort_values([LABEL, "order"], kind="stable")
        first = groups[LABEL].map({label: self._number(f"label {label}") % self.k for label in groups[LABEL].unique()})
        fold = (groups.groupby(LABEL).cumcount().to_numpy() + first.to_numpy()) % self.k
        folds = pd.Series(fold.astype(np.int64), index=pd.Index(groups["group"], name="group"))
        if folds.nunique() < self.k:
            raise MaskfoldError(
                f"folds.k={self.k}: a fold would have no photos; there are {len(groups)} groups. Lower it."
            )
        return assign_folds(train, folds)

    def _number(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed} {name}".encode()).digest()[:6], "big")
