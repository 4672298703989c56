"""A photo's scores as tables have them: a column for each score, for one class and for several."""

from collections.abc import Iterator, Sequence

import numpy as np

from maskfold.masks.metrics import Metric, total
from maskfold.masks.planes import planes
from maskfold.masks.scores import METRICS, mask_scores

WEIGHT = "weight"


def weight_column(column: str) -> str:
    """Return the column of the weights that the values of a column have in their mean."""
    return f"{column}.{WEIGHT}"


def of_class(column: str, name: str) -> str:
    """Return the column of one class's values."""
    return f"{column}.{name}"


def scores_of(
    prediction: np.ndarray, truth: np.ndarray, *, metric: Metric, classes: Sequence[str] = ()
) -> dict[str, float]:
    """Return a photo's scores by column.

    Args:
        prediction: `(H, W) uint8`, 0 or 1; of several classes `(C, H, W)`.
        truth: Likewise.
        metric: What the competition scores by.
        classes: The names of several classes, none for one.

    Returns:
        `METRICS`, the metric where it is none of them, and its weight where that may be other than 1; a value of
        weight 0 is NaN. Of several classes each is the mean over them, weighted, and stands once more for each class.
    """
    pairs = [*zip(planes(prediction), planes(truth), strict=True)]
    each = [mask_scores(*pair) for pair in pairs]
    columns = {name: np.array([[scores[name], 1.0] for scores in each]) for name in METRICS}
    if metric.name not in METRICS:
        columns[metric.name] = np.array([metric.of_masks(*pair) for pair in pairs])
    return dict(_cells(columns, metric, classes))


def columns_of(metric: Metric, classes: Sequence[str] = ()) -> list[str]:
    """Return the columns that `scores_of` makes."""
    nothing = {name: np.ones((max(len(classes), 1), 2)) for name in dict.fromkeys((*METRICS, metric.name))}
    return [column for column, _ in _cells(nothing, metric, classes)]


def _cells(columns: dict[str, np.ndarray], metric: Metric, classes: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield column and value of the values and weights by class, `(C, 2)`, of each score."""
    for name, rows in columns.items():
        parts = {name: rows} | {of_class(name, label): row[None] for label, row in zip(classes, rows, strict=False)}
        for column, part in parts.items():
            yield column, total(*part.T)
            if metric.weighted and name == metric.name:
                yield weight_column(column), float(part[:, 1].sum())
