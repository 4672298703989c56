"""k-means in which clusters that a person has given examples of stay where the examples put them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

STARTS = 20  # of which the tightest is taken
FEWEST_EXAMPLES = 3  # of a cluster, for their mean to stand for it
_ROUNDS = 300


@dataclass(frozen=True)
class Grouping:
    """Photos in clusters.

    Attributes:
        names: Of the clusters: those with examples first, then `cluster 1`, `cluster 2` ... from the largest down.
        centres: `(k, D) float64`, in that order.
        labels: `(N,) int64`, each photo's cluster: its own for an example, the nearest for all others.
        distances: `(N, k)` of each photo from each centre.
    """

    names: list[str]
    centres: np.ndarray
    labels: np.ndarray
    distances: np.ndarray

    def second(self) -> np.ndarray:
        """Return each photo's nearest cluster beside its own, `(N,) int64`."""
        return self._others().argmin(axis=1)

    def margins(self) -> np.ndarray:
        """Return how much farther the second centre is than a photo's own, `(N,)`; below 0 only for an example."""
        return self._others().min(axis=1) - self.to_own()

    def to_own(self) -> np.ndarray:
        """Return each photo's distance from its cluster's centre, `(N,)`."""
        return self.distances[np.arange(len(self.labels)), self.labels]

    def _others(self) -> np.ndarray:
        others = self.distances.copy()
        others[np.arange(len(self.labels)), self.labels] = np.inf
        return others


def group(
    features: np.ndarray, *, shaping: np.ndarray, k: int, examples: Mapping[str, Sequence[int]], seed: int
) -> Grouping:
    """Find clusters; the same photos, examples and seed give the same ones.

    Args:
        features: `(N, D)`.
        shaping: `(N,) bool`, the photos that free clusters are found among, at least as many as there are to be; the
            others only go to the nearest.
        k: How many clusters, those with examples included; where more have examples, as many as have.
        examples: `name -> rows`, each of `FEWEST_EXAMPLES` or more; their mean is the cluster's centre, whatever else
            comes to lie in it.
        seed: Of the starts.
    """
    features = features.astype(np.float64)
    fixed = np.array([features[[*rows]].mean(axis=0) for rows in examples.values()]).reshape(-1, features.shape[1])
    owned = np.full(len(features), -1)
    for number, rows in enumerate(examples.values()):
        owned[[*rows]] = number
    with threadpool_limits(1):  # sums in another order would round otherwise
        free = _free_centres(features[shaping], fixed, owned[shaping], max(k - len(fixed), 0), seed)
        centres = np.concatenate([fixed, free])
        distances = _distances(features, centres)
    labels = np.where(owned >= 0, owned, distances.argmin(axis=1))
    sizes = np.bincount(labels, minlength=len(centres))[len(fixed) :]
    order = [*range(len(fixed)), *(len(fixed) + np.argsort(-sizes, kind="stable"))]
    names = [*examples, *_numbered(len(free), taken=examples)]
    return Grouping(names, centres[order], np.argsort(order)[labels], distances[:, order])


def _free_centres(features: np.ndarray, fixed: np.ndarray, owned: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the centres of the clusters without examples, `(count, D)`."""
    if count == 0:
        return np.empty((0, features.shape[1]))
    if not len(fixed):
        return KMeans(n_clusters=count, n_init=STARTS, random_state=seed).fit(features).cluster_centers_
    rng = np.random.default_rng(seed)
    starts = (_settle(features, fixed, owned, _spread_out(features, fixed, count, rng)) for _ in range(STARTS))
    return min(starts, key=lambda settled: settled[1])[0]


def _settle(features: np.ndarray, fixed: np.ndarray, owned: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, float]:
    """Move free centres to the means of what is nearest to them until nothing changes (Lloyd, 1982).

    Returns:
        The centres, and the sum of the squared distances of all photos from their own.
    """
    labels = None
    for _ in range(_ROUNDS):
        distances = _distances(features, np.concatenate([fixed, free]))
        before, labels = labels, np.where(owned >= 0, owned, distances.argmin(axis=1))
        if before is not None and np.array_equal(before, labels):
            break
        for number in range(len(free)):
            mine = features[labels == len(fixed) + number]
            if len(mine):
                free[number] = mine.mean(axis=0)
    return free, float((distances[np.arange(len(labels)), labels] ** 2).sum())


def _spread_out(features: np.ndarray, fixed: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw photos to start from, each the likelier the farther it is from all centres (Arthur, Vassilvitskii, 2007)."""
    centres = fixed
    for _ in range(count):
        weights = _distances(features, centres).min(axis=1) ** 2
        total = weights.sum()
        chosen = rng.choice(len(features), p=weights / total if total > 0 else None)
        centres = np.concatenate([centres, features[[chosen]]])
    return centres[len(fixed) :].copy()


def _distances(features: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return Euclidean distances, `(N, k)`."""
    return np.stack([np.linalg.norm(features - centre, axis=1) for centre in centres], axis=1)


def _numbered(count: int, *, taken: Mapping[str, Sequence[int]]) -> list[str]:
    """Return `cluster 1`, `cluster 2` ..., but for names that are taken."""
    names = (f"cluster {number}" for number in range(1, count + len(taken) + 1))
    return [name for name in names if name not in taken][:count]
