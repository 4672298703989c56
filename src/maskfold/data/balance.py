"""How much a training photo counts: how often an epoch has it, and its weight in the loss.

Rare kinds of product are learned late: an epoch hardly has them. Photos of which no cluster is known are a cluster.
Masks that no person has looked at are at most half of an epoch.
"""

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from maskfold.data.table import AUTOMATIC, CLUSTER, WEIGHT
from maskfold.errors import MaskfoldError, listing
from maskfold.terminal import counted

DRAWS = "draws"  # a column of training rows: how often an epoch has each, on average
UNKNOWN = "without a cluster"


def draws_by_cluster(clusters: pd.Series, balance: float) -> pd.Series:
    """Return how often an epoch has each photo on average; it has as many photos as there are.

    A photo of a cluster of n is drawn in proportion to n^-balance, so that clusters of 900 and 100 have 90 and 10 % of
    an epoch at balance 0, 75 and 25 % at 0.5, and a half each at 1.

    Args:
        clusters: Of each photo, missing where it is not known.
        balance: 0..1.
    """
    names = clusters.fillna(UNKNOWN)
    odds = names.map(names.value_counts()).astype(np.float64) ** -balance
    return odds * (len(odds) / odds.sum())


def draws_at_most_half(automatic: pd.Series, draws: pd.Series) -> pd.Series:
    """Return draws by which an epoch has automatic labels for at most half of it; it has as many photos as before.

    A network that mostly learns from what it has said itself never hears that it is wrong. Ten photos that a person
    has seen and thirty automatic ones are drawn twice and 2/3 times each.

    Args:
        automatic: Whether each row's mask is an automatic one; at least one is not.
        draws: How often an epoch has each row by what else there is.
    """
    sums = draws.groupby(automatic).sum()
    if sums.get(True, 0.0) <= sums[False]:
        return draws
    half = sums.sum() / 2
    return draws * automatic.map(half / sums)


def weights_by_cluster(clusters: pd.Series, weights: Mapping[str, float]) -> pd.Series:
    """Return each photo's weight in the loss: that of its cluster, 1 where none is said.

    Args:
        clusters: Of each photo, missing where it is not known.
        weights: By the name of a cluster.
    """
    return clusters.map(dict(weights)).astype(np.float64).fillna(1.0)


def refuse_without_clusters(rows: pd.DataFrame, *, key: str, data: str) -> None:
    """Refuse to go by clusters of which nothing is known.

    Args:
        rows: Rows of the image table.
        key: What asks for clusters, as `balance=0.5`.
        data: The name of the data.

    Raises:
        MaskfoldError: If no row has a cluster; the message says what makes them.
    """
    if CLUSTER not in rows or rows[CLUSTER].isna().all():
        raise MaskfoldError(
            f"{key}: goes by clusters, and no photo of {data} has one. Run `make clusters DATA={data}` first, or write "
            f"data/{data}/clusters.csv (image_id,cluster) by hand."
        )


def refuse_weights(weights: Mapping[str, float], known: Iterable[str]) -> None:
    """Refuse weights of clusters that there are not, and weights that are none.

    Args:
        weights: By the name of a cluster.
        known: The names of all clusters.

    Raises:
        MaskfoldError: Naming the wrong ones, and the clusters that there are.
    """
    known = sorted({*known})
    if unknown := sorted({*weights} - {*known}):
        raise MaskfoldError(
            f"cluster_weights: no training photo is of a cluster of these names:\n{listing(unknown)}\nThere are "
            f"{', '.join(known)}. Correct the names."
        )
    if wrong := [f"{name}: {weight}" for name, weight in weights.items() if not 0 < weight < np.inf]:
        raise MaskfoldError(
            f"cluster_weights: a weight is a number above 0, 1 for a cluster that counts as always:\n{listing(wrong)}\n"
            "To learn nothing of a photo, write `drop` into the data's decisions.csv."
        )


def weights_fingerprint(rows: pd.DataFrame) -> str:
    """Return in words how many rows are automatic, with 12 hexadecimal digits of how much each photo counts.

    Args:
        rows: Training rows with `weight`, in any order.
    """
    known = rows[["image_id", "split", WEIGHT]].sort_values("image_id")
    digest = hashlib.sha256(known.to_csv(index=False, header=False, lineterminator="\n").encode()).hexdigest()[:12]
    return f"{(rows['split'] == AUTOMATIC).sum()} of {counted(len(rows), 'photo')} automatic ({digest})"


def clusters_fingerprint(rows: pd.DataFrame) -> str:
    """Return in words how many clusters rows have, with 12 hexadecimal digits of which photo is of which.

    Args:
        rows: Rows of the image table with clusters, in any order.
    """
    pairs = rows[["image_id", CLUSTER]].fillna({CLUSTER: ""}).sort_values(["image_id", CLUSTER])
    digest = hashlib.sha256(pairs.to_csv(index=False, header=False, lineterminator="\n").encode()).hexdigest()[:12]
    return f"{counted(rows[CLUSTER].nunique(), 'cluster')} of {counted(len(rows), 'photo')} ({digest})"


def describe_draws(rows: pd.DataFrame) -> str:
    """Say what share of an epoch each cluster has, the largest first, and what automatic labels have of it.

    Args:
        rows: Training rows with draws, with clusters or without.
    """
    sizes = [_sizes(rows, rows[CLUSTER].fillna(UNKNOWN))] if CLUSTER in rows else []
    if "split" in rows and (rows["split"] == AUTOMATIC).any():
        kinds = (rows["split"] == AUTOMATIC).map({True: "automatic labels", False: "labels that a person has seen"})
        sizes.append(_sizes(rows, kinds))
    return listing([line for lines in sizes for line in lines])


def _sizes(rows: pd.DataFrame, names: pd.Series) -> list[str]:
    """Return a line for each name: how many rows have it, and what share of an epoch that is."""
    parts = rows.groupby(names)[DRAWS].agg(["size", "sum"]).sort_values("size", ascending=False, kind="stable")
    shares = zip(parts.index, parts["size"], parts["sum"] / len(rows), strict=True)
    return [f"{name}: {counted(size, 'photo')}, {share:.1%} of an epoch" for name, size, share in shares]
