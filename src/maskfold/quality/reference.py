"""How scores, clusters and reviews were distributed when a promise was made: what a later month is compared with."""

from typing import Any

import numpy as np
import pandas as pd

BINS = 10
_CONFIDENCE = 0.95


def reference_of(scores: np.ndarray, shipped: np.ndarray, clusters: pd.Series | None) -> dict[str, Any]:
    """Return the distributions of the photos that a promise was made on.

    Args:
        scores: `(N,)`.
        shipped: `(N,) bool`: which of them the threshold ships.
        clusters: Of each photo, missing where it is not known; None where there are none.

    Returns:
        `photos`; `score_edges`, the nine inner edges of ten bins, and `score_shares` of these, a score that is an edge
        being in the bin above; `clusters`, the share of each, empty where there are none; `review_share`, of those
        that do not ship, and `review_share_upper`, its upper bound at 95 % confidence.
    """
    edges = np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1])
    shares = {} if clusters is None else clusters.value_counts(normalize=True).sort_index().to_dict()
    held = int(np.count_nonzero(~shipped))
    return {
        "photos": len(scores),
        "score_edges": edges.tolist(),
        "score_shares": bin_shares(scores, edges).tolist(),
        "clusters": {str(name): float(share) for name, share in shares.items()},
        "review_share": held / len(scores),
        "review_share_upper": upper_bound(held, len(scores)),
    }


def bin_shares(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the share of scores in each bin between inner edges, `(edges + 1,)`; those that are NaN are in none."""
    known = scores[~np.isnan(scores)]
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return counts / max(len(known), 1)


def upper_bound(count: int, total: int) -> float:
    """Return the exact upper bound of a share of which `count` of `total` were seen (Clopper and Pearson), at 95 %."""
    from scipy.stats import beta

    return 1.0 if count == total else float(beta.ppf(_CONFIDENCE, count + 1, total - count))
