"""Products that a recogniser is not to learn, so that it can be measured how well it refuses what it does not know.

Their photos become test photos, with their labels, and the labels get no number. Near ones have a relative among the
products that are learned, one of the same coarse class; far ones have none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.class_table import ClassTable
from maskfold.data.table import CLASS_INDEX, COARSE, LABEL
from maskfold.errors import MaskfoldError, listing

NEAR, FAR = "near", "far"
_KEYS = ("every", "coarse", "labels")


class HoldOut:
    """`data.hold_out`: which labels are not learned; every key may be left out.

    Args:
        every: Every tenth, for 10, of the labels whose coarse class has others, which stay: near ones.
        coarse: All labels of these coarse classes: far ones.
        labels: These.

    Raises:
        MaskfoldError: If there is another key, or a value is none of its kind.
    """

    def __init__(self, said: Mapping[str, Any] | None) -> None:
        said = dict(said or {})
        if others := sorted({*said} - {*_KEYS}):
            raise MaskfoldError(f"data.hold_out.{others[0]}: there are {', '.join(_KEYS)}.")
        self.every = said.get("every")
        if self.every is not None and (type(self.every) is not int or self.every < 2):
            raise MaskfoldError(f"data.hold_out.every={self.every}: give 2 or more; 10 holds out every tenth label.")
        self.coarse, self.labels = (_names(said.get(key), key) for key in ("coarse", "labels"))

    def __bool__(self) -> bool:
        return bool(self.every or self.coarse or self.labels)

    def moved(self, rows: pd.DataFrame, *, classes: Path) -> pd.DataFrame:
        """Return a source's rows, the train photos of the labels that are held out among the test photos.

        Args:
            rows: `label, split`, and `coarse` where it is known.
            classes: The data's table of classes, which need not be there yet.

        Raises:
            MaskfoldError: If a label or a coarse class that is named is not there, a label has a number, so that a
                network may have learned it, or nothing would be left to learn.
        """
        if not self:
            return rows
        labels = self.of(rows)
        if classes.exists() and (numbered := sorted(labels & {*ClassTable.read(classes).labels})):
            raise MaskfoldError(
                f"data.hold_out: {len(numbered)} labels to hold out have a number in {classes}:\n"
                f"{listing(numbered, 5)}\nA number stays for good. Give the data without these labels a name of its "
                f"own, such as data.name={classes.parent.name}_unknown, and make its folds."
            )
        held = rows[LABEL].isin(labels)
        if not ((rows["split"] == "train") & ~held).any():
            raise MaskfoldError("data.hold_out: no photo would be left to learn from. Hold out fewer labels.")
        return rows.assign(split=rows["split"].mask(held, "test"))

    def of(self, rows: pd.DataFrame) -> set[str]:
        """Return the labels that are held out; see `moved`."""
        products = rows.reindex(columns=[LABEL, COARSE]).dropna(subset=LABEL).drop_duplicates(LABEL)
        for key, names, column in (("labels", self.labels, LABEL), ("coarse", self.coarse, COARSE)):
            if missing := sorted({*names} - {*products[column].dropna()}):
                raise MaskfoldError(
                    f"data.hold_out.{key}: the data has no {column} {listing(missing, 5)}. Correct the name."
                )
        held = products[LABEL].isin(self.labels) | products[COARSE].isin(self.coarse)
        return {*products.loc[held, LABEL], *self._near(products[~held])}

    def _near(self, products: pd.DataFrame) -> list[str]:
        """Return every so manieth label that has others of its coarse class, counted through these classes in turn.

        Where no label has a coarse class, every so manieth of all.
        """
        if not self.every:
            return []
        if products[COARSE].notna().any():
            products = products[products[COARSE].notna() & products.duplicated(COARSE, keep=False)]
        return products.sort_values([COARSE, LABEL])[LABEL].iloc[self.every - 1 :: self.every].tolist()


def unknown_kinds(table: pd.DataFrame) -> pd.Series:
    """Return of each photo whether its product is unknown to a recogniser, `near` or `far`; missing where it is not.

    Args:
        table: The loaded image table of labelled photos. Unknown are test photos whose label has no number; `near`
            where another label of their coarse class has one, or nothing is known of coarse classes.
    """
    unknown = (table["split"] == "test") & table[LABEL].notna() & (table[CLASS_INDEX] < 0)
    coarse = table[COARSE] if COARSE in table else pd.Series(None, index=table.index, dtype="str")
    near = coarse.isin(coarse[table[CLASS_INDEX] >= 0].dropna()) | coarse.isna()
    kinds = pd.Series(np.where(near, NEAR, FAR), index=table.index, dtype="str")
    return kinds.where(unknown)


def _names(value: Any, key: str) -> tuple[str, ...]:
    if isinstance(value, str) or (value is not None and not all(isinstance(name, str) for name in value)):
        raise MaskfoldError(f"data.hold_out.{key}={value}: give a list of names.")
    return tuple(value or ())
