"""Which photos of old products a monthly training shows again, so that they are not forgotten."""

import hashlib

import pandas as pd

from maskfold.data.table import CLASS_INDEX
from maskfold.errors import MaskfoldError


def replayed(rows: pd.DataFrame, *, known: int, photos: int, seed: int) -> pd.DataFrame:
    """Return all rows of new products, and some of each old one, in the order that they have.

    Which ones follows from a photo's content and the seed alone: the same ones next month, whatever else has come.

    Args:
        rows: To learn from: `class_index`, and `image_hash` or `image_id`.
        known: How many classes the network knows already, those of the lowest numbers.
        photos: Of each old product; one that has fewer is shown with all of them. 0 shows none.
        seed: Of the draw.

    Raises:
        MaskfoldError: If the number is below 0.
    """
    if photos < 0:
        raise MaskfoldError(f"replay={photos}: photos of each old product, 0 or more; null shows all of them.")
    old = rows[CLASS_INDEX] < known
    place = first_by_content(rows[old], seed=seed)
    return rows.loc[~old | (place.reindex(rows.index) < photos)]


def first_by_content(rows: pd.DataFrame, *, seed: int) -> pd.Series:
    """Return the place of each row among those of its class, from 0, in an order that follows from its content."""
    keys = rows["image_hash"].fillna(rows["image_id"]) if "image_hash" in rows else rows["image_id"]
    drawn = keys.map(lambda key: hashlib.sha256(f"{seed} {key}".encode()).hexdigest())
    order = pd.DataFrame({"drawn": drawn, CLASS_INDEX: rows[CLASS_INDEX]}).sort_values(["drawn"], kind="stable")
    return order.groupby(CLASS_INDEX).cumcount()
