"""How many clusters there are: how far apart they lie, and whether another draw of photos would give the same ones."""

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from threadpoolctl import threadpool_limits

from maskfold.clusters.kmeans import STARTS
from maskfold.parallel import progress

MOST = 12  # clusters
DRAWS = 10  # bootstraps
PHOTOS = 3000  # of more, so many are drawn: the curve is to be looked at, not to be exact
STABLE = 0.5  # mean ARI below which clusters are one draw's and no kinds


def stability_curve(features: np.ndarray, *, seed: int) -> pd.DataFrame:
    """Try every number of clusters from 2 to `MOST`, without examples.

    Args:
        features: `(N, D)`, N at least 4.
        seed: Of the draws and of k-means.

    Returns:
        A row for each k: `k`, `silhouette` (the mean, -1 to 1) and `stability`, the mean adjusted Rand index between
        the clusters of all photos and those found on a bootstrap of them, all photos put into either.
    """
    rng = np.random.default_rng(seed)
    if len(features) > PHOTOS:
        features = features[np.sort(rng.choice(len(features), PHOTOS, replace=False))]
    draws = [rng.integers(len(features), size=len(features)) for _ in range(DRAWS)]
    distinct = min(len(np.unique(features[rows], axis=0)) for rows in [np.arange(len(features)), *draws])
    most = min(MOST, len(features) - 1, distinct)
    with threadpool_limits(1):
        rows = [_at(features, k, draws, seed) for k in progress(range(2, most + 1), "try k", unit="numbers")]
    return pd.DataFrame(rows, columns=["k", "silhouette", "stability"])


def _at(features: np.ndarray, k: int, draws: list[np.ndarray], seed: int) -> tuple[int, float, float]:
    labels = _fit(features, k, seed).labels_
    others = (_fit(features[rows], k, seed + number).predict(features) for number, rows in enumerate(draws, 1))
    agreement = [adjusted_rand_score(labels, other) for other in others]
    return k, float(silhouette_score(features, labels)), float(np.mean(agreement))


def _fit(features: np.ndarray, k: int, seed: int) -> KMeans:
    return KMeans(n_clusters=k, n_init=STARTS, random_state=seed % 2**32).fit(features)
