"""The classes of a recogniser: which product has which number, for good.

A network's outputs are numbered, and what it has learned of a product stands in the row of its number. So a number is
never given to another product and never moved: new products are put behind the old ones, and one that is no longer
sold keeps its row, with a month of retirement, and is never answered again.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.errors import MaskfoldError, listing

FILE = "classes.parquet"
COLUMNS = ("label", "index", "added", "retired", "coarse")
_WAIT_S = 60.0  # for another run that writes the file


class ClassTable:
    """Products and their numbers.

    Attributes:
        rows: `label` (unique text), `index` (0..C-1, in order), `added` and `retired` (months such as `2026-03`, or
            missing), `coarse` (the kind of product, or missing).
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> list[str]:
        """The products by their numbers."""
        return self.rows["label"].tolist()

    @classmethod
    def empty(cls) -> "ClassTable":
        """Return a table without products."""
        return cls(_typed(pd.DataFrame(columns=[*COLUMNS])))

    @classmethod
    def read(cls, path: Path) -> "ClassTable":
        """Read a table.

        Raises:
            MaskfoldError: If there is none, or it is damaged.
        """
        if not path.exists():
            raise MaskfoldError(
                f"{path}: the data has no table of its classes yet. Run `make folds DATA={path.parent.name}` first."
            )
        try:
            rows = _typed(pd.read_parquet(path)[[*COLUMNS]])
        except (OSError, ValueError, KeyError) as error:
            raise MaskfoldError(
                f"{path}: not a table of classes ({error}). Put a whole copy back: without it nobody knows which "
                "product a network's outputs stand for; each run folder has one."
            ) from error
        return cls(_checked(rows, path))

    def write(self, path: Path) -> None:
        """Write the table; one that is there already may only have been added to, or have products retired.

        Two that add at once would give one number twice: `grow` holds the folder meanwhile.

        Raises:
            MaskfoldError: If a product of the file that is there would be lost, or get another number.
        """
        if path.exists():
            ClassTable.read(path).refuse_moved(self, path)
        with files.atomic_path(path) as part:
            _checked(self.rows, path).to_parquet(part, index=False)

    @classmethod
    def grow(cls, path: Path, products: pd.DataFrame) -> "ClassTable":
        """Put products behind those of a file, one process at a time; return the table.

        Args:
            path: The file, made where it is not there. What a kill leaves is the one table or the other.
            products: As for `extended`.

        Raises:
            MaskfoldError: If the file is damaged or cannot be written, or another process keeps its folder.
        """
        with files.locked(path.parent, wait=_WAIT_S):
            before = cls.read(path) if path.exists() else cls.empty()
            later = before.extended(products)
            if not path.exists() or not later.rows.equals(before.rows):
                later.write(path)
        return later

    def refuse_moved(self, later: "ClassTable", path: Path) -> None:
        """Refuse a later table in which a product of this one has another number, or none.

        Raises:
            MaskfoldError: If there is such a product.
        """
        both = self.rows.merge(later.rows, on="label", how="left", suffixes=("", "_later"))
        moved = both[both["index"] != both["index_later"]]
        if len(moved):
            there = moved["index_later"].map(lambda number: "none" if pd.isna(number) else f"{number:.0f}")
            lines = (moved["label"] + ": " + moved["index"].astype("str") + " here, " + there + " there").tolist()
            raise MaskfoldError(
                f"{path}: {len(moved)} classes would be lost or get another number, which a network's outputs are "
                f"counted by:\n{listing(lines, 5)}\nNew ones are put behind the others; see ClassTable.extended."
            )

    def extended(self, products: pd.DataFrame) -> "ClassTable":
        """Return the table with the products behind it that it does not have yet, by month and then by name.

        A product was added in the month of its first photo; without any month it was always there. An earlier month
        than that of the table, and a kind where it has none, are taken over.

        Args:
            products: `label`, and where known `month` and `coarse`; a row a photo or a row a product, in any order.
        """
        known = products.reindex(columns=["label", "month", "coarse"]).dropna(subset="label")
        known = known.drop_duplicates().astype("str").sort_values("month", na_position="last", kind="stable")
        first = known.groupby("label").agg(added=("month", "first"), coarse=("coarse", "first"))
        of_old = first.reindex(self.rows["label"]).set_axis(self.rows.index)
        old = self.rows.assign(
            added=self.rows["added"].mask(of_old["added"] < self.rows["added"], of_old["added"]),
            coarse=self.rows["coarse"].fillna(of_old["coarse"]),
        )
        new = first[~first.index.isin(self.rows["label"])].reset_index()
        new = new.sort_values(["added", "label"], na_position="first", kind="stable")
        new = new.assign(index=np.arange(len(self), len(self) + len(new)), retired=pd.NA)
        return ClassTable(_typed(pd.concat([old, _typed(new)], ignore_index=True)))

    def retiring(self, months: pd.Series) -> "ClassTable":
        """Return the table with products retired in the months given, and no others.

        Args:
            months: By label.

        Raises:
            MaskfoldError: If there is no such product.
        """
        self._refuse_unknown(months.index)
        return ClassTable(self.rows.assign(retired=self.rows["label"].map(months).astype("str")))

    def retired_in(self, month: str, labels: Collection[str]) -> "ClassTable":
        """Return the table with products retired in a month; one that is retired already stays as it is.

        Raises:
            MaskfoldError: If there is no such product.
        """
        self._refuse_unknown(labels)
        leaves = self.rows["label"].isin(labels) & self.rows["retired"].isna()
        return ClassTable(self.rows.assign(retired=self.rows["retired"].mask(leaves, month)))

    def _refuse_unknown(self, labels: Collection[str]) -> None:
        unknown = sorted({*labels} - {*self.rows["label"]})
        if unknown:
            raise MaskfoldError(f"{len(unknown)} products to retire are not in the table:\n{listing(unknown, 5)}")

    def until(self, month: str | None) -> "ClassTable":
        """Return the table as it is for a month, up to the last product that was there by then; None for all.

        Numbers are given in the order in which products are heard of. So one that came into the table late may stand
        behind others that were added after the month: those have their rows, and count as retired, since they are not
        to be answered yet.
        """
        if month is None:
            return self
        to_come = (self.rows["added"] > month).to_numpy(bool)
        rows = self.rows[: np.flatnonzero(~to_come).max(initial=-1) + 1]
        retired = rows["retired"].mask(rows["retired"] > month).mask(to_come[: len(rows)], month)
        return ClassTable(rows.assign(retired=retired))

    def indices(self, labels: pd.Series) -> pd.Series:
        """Return the number of each label, `int64`; -1 where there is none or it is not in the table."""
        numbers = self.rows.set_index("label")["index"]
        return labels.map(numbers).fillna(-1).astype(np.int64)

    def active(self) -> np.ndarray:
        """Return `(C,) bool`: which products may be answered, those that are not retired."""
        return self.rows["retired"].isna().to_numpy()


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    text = {name: "str" for name in COLUMNS if name != "index"}
    return rows.reindex(columns=[*COLUMNS]).astype(text | {"index": np.int64}).reset_index(drop=True)


def _checked(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Refuse a table whose numbers are not 0, 1, 2 and so on, or that has a product twice."""
    if rows["label"].isna().any() or rows["label"].duplicated().any() or list(rows["index"]) != list(range(len(rows))):
        raise MaskfoldError(
            f"{path}: its numbers are not 0, 1, 2 and so on in order, or a class is there twice or without a name. Put "
            "a whole copy back; each run folder has one."
        )
    return rows
