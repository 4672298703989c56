"""Features of any length as a few numbers each, of which distances mean something."""

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

DIMENSIONS = 64


def reduce(features: np.ndarray, shaping: np.ndarray) -> np.ndarray:
    """Return the principal components of features, `DIMENSIONS` at most, each photo's scaled to length 1.

    Args:
        features: `(N, D) float32`.
        shaping: `(N,) bool`, the photos that the components are of, 2 or more.

    Returns:
        `(N, d) float64`; a photo that is the mean of all stays 0.
    """
    features = features.astype(np.float64)
    sample = features[shaping]
    count = min(DIMENSIONS, len(sample) - 1, sample.shape[1])
    solver = "covariance_eigh" if len(sample) > sample.shape[1] else "full"  # whichever is the smaller matrix
    with threadpool_limits(1):  # sums in another order would round otherwise
        components = PCA(count, svd_solver=solver).fit(sample).transform(features)
    lengths = np.linalg.norm(components, axis=1, keepdims=True)
    return components / np.where(lengths > 1e-9, lengths, 1)
