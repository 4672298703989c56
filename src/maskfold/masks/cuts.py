"""What a probability map is worth cut here and there."""

import numpy as np

from maskfold.masks.metrics import Metric
from maskfold.masks.scores import threshold_counts

EVERY = np.arange(1, 256)  # of 255
COARSE = np.arange(16, 256, 16)  # for metrics that look at each mask anew


def cuts_for(metric: Metric) -> np.ndarray:
    """Return the thresholds that are tried for a metric, ascending `(T,) int64`, 128 among them."""
    return COARSE if metric.of_counts is None else EVERY


def marks_at(
    metric: Metric, probability: np.ndarray, truth: np.ndarray, cuts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return value and weight, `(T,) float64` each, of a map that is cut at several thresholds.

    Args:
        metric: What it is judged by.
        probability: `(H, W) uint8`, 0..255.
        truth: `(H, W) uint8`, 0 or 1.
        cuts: `(T,)`, of 255; at or above is object.

    Raises:
        ValueError: If the shapes differ.
    """
    if metric.of_counts is None:
        pairs = [metric.of_masks((probability >= cut).astype(np.uint8), truth) for cut in cuts]
        values, weights = np.array(pairs).T
        return values, weights
    return marks_of_counts(metric, np.stack([part[cuts] for part in threshold_counts(probability, truth)]))


def marks_of_counts(metric: Metric, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and weight, float64 arrays of a shape, where pixels have been counted.

    Args:
        metric: What they are judged by; of one that counts do not tell, nothing has any weight.
        counts: `(3, ...)` pixels in both masks, in the predicted one and in the true one.
    """
    if metric.of_counts is None:
        return np.zeros(counts.shape[1:]), np.zeros(counts.shape[1:])
    values, weights = metric.of_counts(*counts)
    return values.astype(np.float64), weights.astype(np.float64)
