"""`results.csv`: how a member did, a row for each fold and one for all, whatever its task.

The columns are `COUNTS`, then the scores of its task, then `COSTS`. The first score is what a member is summed up by.
"""

import pandas as pd

COUNTS = ("fold", "images", "groups")
COSTS = ("epochs", "seconds", "images_per_second", "peak_memory_mb", "device")
POOLED = "all"  # the fold of the row in which every image counts once


def score_columns(results: pd.DataFrame) -> list[str]:
    """Return the columns that are scores, the one that sums a member up first."""
    return [column for column in results if column not in (*COUNTS, *COSTS)]


def pooled(results: pd.DataFrame) -> pd.Series:
    """Return the row of all images."""
    return results[results["fold"].astype(str) == POOLED].iloc[0]


def of_folds(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the folds."""
    return results[results["fold"].astype(str) != POOLED]
