"""A photo's scores as tables have them: a column for each score, for one class and for several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME, Metric, mean_dice, mean_iou, total
from maskfold.masks.planes import planes
from maskfold.masks.scores import ACCURACY, SCORES, TITLES, mask_scores, pixel_accuracy

WEIGHT = "weight"
# Of photos with labels, whose accuracy is that of photos: pixels' own title stands where it is of these.
_OF_LABELS = {
    ACCURACY: "accuracy",
    "top5": "top-5 accuracy",
    "macro_recall": "macro recall",
    "coarse_accuracy": "coarse accuracy",
    "log_loss": "log loss",
    "ece": "calibration error",
}


def weight_column(column: str) -> str:
    """Return the column of the weights that the values of a column have in their mean."""
    return f"{column}.{WEIGHT}"


def of_class(column: str, name: str) -> str:
    """Return the column of one class's values."""
    return f"{column}.{name}"


class Marks(NamedTuple):
    """What masks come to, one by one: `(N,) float64` values, and the weights that they have in their mean."""

    values: np.ndarray
    weights: np.ndarray

    @property
    def total(self) -> float:
        """Their weighted mean; NaN where none counts."""
        return total(*self)


@dataclass(frozen=True)
class Judged:
    """What a table of scores is judged by: one of its columns, with the weights beside it.

    Attributes:
        metric: The name of the metric.
        label: The class that is looked at alone; none for all.
    """

    metric: str = "dice"
    label: str = ""

    @property
    def column(self) -> str:
        """The column of the values."""
        return of_class(self.metric, self.label) if self.label else self.metric

    @property
    def title(self) -> str:
        """What readers call it."""
        return title_of(self.column, [self.label])

    def of(self, label: str) -> "Judged":
        """Return the same of one class alone."""
        return replace(self, label=label)

    def marks(self, scores: pd.DataFrame) -> Marks:
        """Return what each row of scores comes to; a row that does not count has value and weight 0.

        Raises:
            MaskfoldError: If the scores are by another metric.
        """
        if self.column not in scores:
            raise MaskfoldError(
                f"These scores have no column {self.column}: they were made for another metric or other classes. Run "
                "`make evaluate` and `make ensemble` again."
            )
        values = scores[self.column].to_numpy(np.float64, na_value=np.nan)
        given = scores.get(weight_column(self.column))
        counts = ~np.isnan(values)
        weights = counts.astype(np.float64) if given is None else np.where(counts, given.to_numpy(np.float64), 0.0)
        return Marks(np.where(counts, values, 0.0), weights)

    def total(self, scores: pd.DataFrame) -> float:
        """Return what scored images come to together; errors as `marks`."""
        return self.marks(scores).total


DICE = Judged()


def title_of(column: str, classes: Sequence[str] = ()) -> str:
    """Return what readers call a column of scores, such as `Dice of cat`.

    Args:
        column: Of a metric, or of one class.
        classes: Names that may stand behind a dot; those behind the names that are known here are seen without.
    """
    known = {name: metric.title for name, metric in METRICS_BY_NAME.items()} | TITLES | _OF_LABELS
    label = next((name for name in classes if name and column.endswith(f".{name}")), "")
    name, _, rest = column.partition(".")
    if not label and name in known:
        label = rest
    name = column.removesuffix(f".{label}") if label else column
    title = known.get(name, name.rpartition(".")[2].replace("_", " "))
    return f"{title} of {label}" if label else title


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
        `SCORES`, the metric where it is none of them, and its weight where that may be other than 1; a value of
        weight 0 is NaN. Of several classes each is the mean over them, weighted, and stands once more for each class.
    """
    pairs = [*zip(planes(prediction), planes(truth), strict=True)]
    each = [mask_scores(*pair) for pair in pairs]
    columns = {name: np.array([[scores[name], 1.0] for scores in each]) for name in SCORES}
    if metric.name not in SCORES:
        columns[metric.name] = np.array([metric.of_masks(*pair) for pair in pairs])
    return dict(_cells(columns, metric, classes))


def columns_of(metric: Metric, classes: Sequence[str] = ()) -> list[str]:
    """Return the columns that `scores_of` makes."""
    nothing = {name: np.ones((max(len(classes), 1), 2)) for name in dict.fromkeys((*SCORES, metric.name))}
    return [column for column, _ in _cells(nothing, metric, classes)]


def scores_of_counts(
    overlap: np.ndarray, pixels: int, *, metric: Metric, classes: Sequence[str] = ()
) -> dict[str, float]:
    """Return the scores of a photo whose pixels have been counted, by the columns of `scores_of`.

    What counts do not tell is NaN: the scores near the boundary, and metrics that look at masks.

    Args:
        overlap: `(C, 3)` pixels in both masks, in the predicted one and in the true one.
        pixels: Of the photo.
        metric: As for `scores_of`.
        classes: Likewise.
    """
    counts = overlap.T.astype(np.float64)
    nothing = np.zeros(len(overlap)), np.zeros(len(overlap))
    columns = dict.fromkeys(SCORES, nothing) | {"dice": mean_dice(*counts), "iou": mean_iou(*counts)}
    both, predicted, actual = counts
    columns[ACCURACY] = pixel_accuracy(both, predicted, actual, pixels), np.ones(len(overlap))
    if metric.name not in SCORES:
        columns[metric.name] = nothing if metric.of_counts is None else metric.of_counts(*counts)
    return dict(_cells({name: np.stack(pair, axis=1) for name, pair in columns.items()}, metric, classes))


def _cells(columns: dict[str, np.ndarray], metric: Metric, classes: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield column and value of the values and weights by class, `(C, 2)`, of each score."""
    for name, rows in columns.items():
        parts = {name: rows} | {of_class(name, label): row[None] for label, row in zip(classes, rows, strict=False)}
        for column, part in parts.items():
            yield column, total(*part.T)
            if metric.weighted and name == metric.name:
                yield weight_column(column), float(part[:, 1].sum())
