"""Which photos an ensemble is sure enough of to learn from."""

import math

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError


def confident(scores: pd.DataFrame, *, quantile: float, empty: bool) -> pd.DataFrame:
    """Return the rows with the least unconfidence, the surest first; never one whose unconfidence is infinite.

    Args:
        scores: `image_id`, `unconfidence` and `area`, a row an image.
        quantile: The share of images to take, above 0 and up to 1, rounded up.
        empty: Also take images in which no object was found. They look surest of all, right or wrong: a network that
            is blind to an object is not in doubt about it.

    Raises:
        MaskfoldError: If the quantile is out of range, or no image is left.
    """
    if not 0 < quantile <= 1:
        raise MaskfoldError(f"quantile={quantile}: give the share of images to take, above 0 and up to 1, such as 0.5.")
    candidates = scores if empty else scores[scores["area"] > 0]
    candidates = candidates[np.isfinite(candidates["unconfidence"])]
    if candidates.empty:
        raise MaskfoldError(
            f"In none of {len(scores)} photos did the ensemble find an object that it is sure of, so there is nothing "
            "to learn from. Train it longer, or look at its maps; empty=true takes photos without an object as well."
        )
    return candidates.sort_values(["unconfidence", "image_id"]).head(math.ceil(quantile * len(candidates)))
