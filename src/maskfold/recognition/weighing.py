"""What a scale says: a product of which no whole number weighs what lies there is less likely to lie there."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError, listing

MOST = 12  # pieces of a product that are weighed at once
COLUMNS = ("label", "grams", "sd", "loose")
_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


class Products:
    """What products weigh: a row a product, `label, grams, sd, loose`.

    `grams` is the mean weight of one piece and `sd` its standard deviation, the scale's own error included. Of loose
    produce the weight says what it costs and nothing of what it is; both may be missing there.

    Args:
        rows: With text in all columns, "" for what is missing.
        name: What messages call the table.

    Raises:
        MaskfoldError: If a column is missing, a product is there twice, or a weight is none.
    """

    def __init__(self, rows: pd.DataFrame, *, name: str = "products") -> None:
        absent = [column for column in COLUMNS if column not in rows]
        if absent:
            raise MaskfoldError(f"{name}: no column {', '.join(absent)}; a row a product has {', '.join(COLUMNS)}.")
        twice = rows.loc[rows["label"].duplicated(), "label"].tolist()
        if twice:
            raise MaskfoldError(f"{name}: products that are there twice:\n{listing(twice, 5)}\nLeave one row of each.")
        loose = rows["loose"].str.strip().str.lower().map(_WORDS)
        numbers = {column: pd.to_numeric(rows[column], errors="coerce") for column in ("grams", "sd")}
        weighed = all_above_zero(numbers["grams"]) & all_above_zero(numbers["sd"])
        wrong = rows.loc[loose.isna() | ~(weighed | loose.fillna(value=True).astype(bool)), "label"].tolist()
        if wrong:
            raise MaskfoldError(
                f"{name}: products without a weight:\n{listing(wrong, 5)}\nGive grams and sd, both above 0, or "
                "loose=true; loose is true or false."
            )
        counted = ~loose.astype(bool)
        self._weights = {
            label: (grams, sd)
            for label, grams, sd in zip(
                rows["label"][counted], numbers["grams"][counted], numbers["sd"][counted], strict=True
            )
        }

    @classmethod
    def read(cls, path: Path) -> "Products":
        """Read `products.csv`.

        Raises:
            MaskfoldError: If the file is missing or damaged, or as the class.
        """
        try:
            rows = pd.read_csv(path, dtype="str", keep_default_na=False)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MaskfoldError(f"products={path}: cannot be read as a table ({reason}).") from error
        return cls(rows, name=str(path))

    def evidence(self, labels: Sequence[str], grams: float) -> np.ndarray:
        """Return the logarithm of how well a weight fits each product, `(C,) float64`: 0 at best, and where unknown.

        It is `-(w - n mu)^2 / (2 s^2)` of the number of pieces n that fits best, 1 to `MOST`.

        Args:
            labels: C products.
            grams: w, above 0.
        """
        mean, sd = np.array([self._weights.get(label, (np.nan, np.nan)) for label in labels]).reshape(-1, 2).T
        with np.errstate(invalid="ignore", over="ignore"):
            pieces = np.clip(np.round(grams / mean), 1, MOST)
            return np.nan_to_num(-((grams - pieces * mean) ** 2) / (2 * sd**2), nan=0.0, neginf=-1e300)


def all_above_zero(values: pd.Series) -> pd.Series:
    """Tell of each number whether it is finite and above 0."""
    return (values > 0) & np.isfinite(values)
