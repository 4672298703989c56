"""The two splits that maps are made of, each image of which has one map: out of fold, and test."""

import pandas as pd

from maskfold.errors import MaskfoldError

SPLITS = {"oof": "train", "test": "test"}
LEARNED = "learned"  # what `make predict` makes besides: maps of the photos that a run itself has learned from


def check_split(split: str) -> str:
    """Return `split` if it is one of the two.

    Raises:
        MaskfoldError: If it is not.
    """
    if split not in SPLITS:
        raise MaskfoldError(f"split={split}: there are two, oof and test.")
    return split


def photos_of(table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of the image table that a split's maps belong to: all train photos for `oof`.

    Raises:
        MaskfoldError: If there is no such split, or the table has no photo of it.
    """
    photos = table[table["split"] == SPLITS[check_split(split)]].reset_index(drop=True)
    if photos.empty:
        raise MaskfoldError(f"split={split}: the data has no {SPLITS[split]} photos.")
    return photos
