"""Scores as tables: what a member is worth, how sure one may be of that, and how well a ranking finds what it should.

Pure functions of tables of scores, which have a row an image: `image_id`, `group`, `dice` and `iou`, and for some
`fold` and `unconfidence`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from maskfold.ensembling.blend import gain_interval
from maskfold.masks.scoring import DICE, Judged, Marks

IOU_LEVELS = (0.95, 0.97, 0.99)
_BLOCK = 100  # draws at a time: a loop over each takes ten times as long, and all at once much memory


def bootstrap_interval(
    values: pd.Series | np.ndarray,
    groups: pd.Series,
    weights: np.ndarray | None = None,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of a mean over images when whole groups are drawn with replacement.

    Images of one group are wrong together, so drawing images one by one would give too narrow an interval.

    Args:
        values: A number an image.
        groups: The group of each image, in the same order.
        weights: Of each image in the mean; all alike by default.
        level: The share of the draws inside the interval.
        draws: How often to draw as many groups as there are.
        seed: The same seed gives the same interval.
    """
    values = np.asarray(values, np.float64)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    parts = pd.DataFrame({"sum": values * weights, "size": weights}).groupby(np.asarray(groups)).sum()
    count, rng = len(parts), np.random.default_rng(seed)
    sums, sizes = parts["sum"].to_numpy(), parts["size"].to_numpy()
    blocks = (min(_BLOCK, draws - begun) for begun in range(0, draws, _BLOCK))
    times = (rng.multinomial(count, np.full(count, 1 / count), size=block).astype(np.float64) for block in blocks)
    totals = np.concatenate([drawn @ np.stack([sums, sizes], axis=1) for drawn in times])
    means = totals[totals[:, 1] > 0, 0] / totals[totals[:, 1] > 0, 1]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2]) if len(means) else (np.nan, np.nan)
    return float(low), float(high)


@dataclass(frozen=True)
class Gain:
    """How much better images are scored by one than by another: the mean difference, its 95 % interval over groups.

    Attributes:
        member: The other.
        mean: Of the differences.
        low: The interval's lower end; NaN where one group alone gives none.
        high: Its upper end.
    """

    member: str
    mean: float
    low: float
    high: float


def gain_over(scores: pd.DataFrame, other: pd.DataFrame, name: str, judged: Judged = DICE) -> Gain:
    """Return the gain over other scores of the same images, image by image.

    Args:
        scores: With `image_id`, `group` and what is judged.
        other: With `image_id` and what is judged.
        name: What the other is called.
        judged: By what.
    """
    ids = scores["image_id"][scores["image_id"].isin(other["image_id"])]
    new, old = (judged.marks(part.set_index("image_id").loc[ids]) for part in (scores, other))
    groups = scores.set_index("image_id").loc[ids, "group"]
    if not np.array_equal(new.weights, old.weights):
        gain, *ends = gain_interval(new, old, groups, seed=0)
        return Gain(name, gain, *(ends if groups.nunique() > 1 else (np.nan, np.nan)))
    difference = Marks(new.values - old.values, new.weights)
    return Gain(name, difference.total, *interval_over_groups(difference, groups))


def gain_over_best(scores: pd.DataFrame, members: Mapping[str, pd.DataFrame], judged: Judged = DICE) -> Gain:
    """Return the gain over the member with the largest mean.

    Args:
        scores: Of an ensemble, with `image_id`, `group` and what is judged.
        members: By name, at least one; the same images.
        judged: By what.
    """
    best = max(members, key=lambda name: judged.total(members[name]))
    return gain_over(scores, members[best], best, judged)


def interval_over_groups(marks: Marks, groups: pd.Series) -> tuple[float, float]:
    """Return `bootstrap_interval`; NaN for a single group, which has none."""
    return bootstrap_interval(marks.values, groups, marks.weights) if groups.nunique() > 1 else (np.nan, np.nan)


def member_table(scores: Mapping[str, pd.DataFrame], judged: Judged = DICE) -> pd.DataFrame:
    """Put members side by side.

    Args:
        scores: By name, each with what is judged and `group`, and `fold` where it is known.
        judged: By what.

    Returns:
        A row a member in the order given: `name`, `images`, `groups`, the mean of each fold as `fold <k>` (NaN where a
        member has no such fold), and the `pooled` mean with its 95 % interval over groups, `low` and `high`.
    """
    table = pd.DataFrame([{"name": name} | _summary(part, judged) for name, part in scores.items()])
    folds = sorted((column for column in table if column.startswith("fold ")), key=lambda name: int(name.split()[1]))
    others = [column for column in table if column not in folds]
    return table[[*others[:3], *folds, *others[3:]]]


def _summary(scores: pd.DataFrame, judged: Judged) -> dict[str, float]:
    folds = scores.groupby("fold") if "fold" in scores else ()
    marks = judged.marks(scores)
    low, high = bootstrap_interval(marks.values, scores["group"], marks.weights)
    return (
        {"images": len(scores), "groups": scores["group"].nunique()}
        | {f"fold {fold}": judged.total(part) for fold, part in folds}
        | {"pooled": marks.total, "low": low, "high": high}
    )


def level_table(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Say how many images of each member are masked how well.

    Args:
        scores: By name, each with `iou`, and with `boundary_iou` and `trimap_dice` if it has been scored by them.

    Returns:
        A row a member: `name`, the means of `boundary_iou` and `trimap_dice` (NaN without), and the share of images
        whose IoU is at least each of `IOU_LEVELS` as `above <level>`.
    """
    return pd.DataFrame(
        [
            {"name": name}
            | {metric: part[metric].mean() if metric in part else np.nan for metric in ("boundary_iou", "trimap_dice")}
            | {f"above {level}": (part["iou"] >= level).mean() for level in IOU_LEVELS}
            for name, part in scores.items()
        ]
    )


def class_table(scores: pd.DataFrame, columns: Mapping[str, str], judged: Judged = DICE) -> pd.DataFrame:
    """Score every class of images there is, the worst first.

    Args:
        scores: With what is judged, `iou` and `group`.
        columns: What each column that sorts images into classes is called.
        judged: By what.

    Returns:
        A row a class: `by`, the column's name, `value`, `images`, the mean `score` with its 95 % interval over groups,
        `low` and `high` (NaN for a single group, which has none), and the mean `iou`.
    """
    rows = [
        (
            name,
            value,
            len(part),
            judged.total(part),
            *interval_over_groups(judged.marks(part), part["group"]),
            part["iou"].mean(),
        )
        for column, name in columns.items()
        for value, part in scores.groupby(column, observed=True)
    ]
    classes = pd.DataFrame(rows, columns=["by", "value", "images", "score", "low", "high", "iou"])
    return classes.sort_values("score", kind="stable", ignore_index=True)


def label_table(scores: pd.DataFrame, labels: Sequence[str], judged: Judged = DICE) -> pd.DataFrame:
    """Score every class of object that masks have.

    Args:
        scores: With what is judged for each class, and `group`.
        labels: The names of the classes.
        judged: By what.

    Returns:
        A row a class, in their order: `class`, the mean `score` with its 95 % interval over groups, `low` and `high`.
    """
    parts = [(label, judged.of(label).marks(scores)) for label in labels]
    rows = [(label, marks.total, *interval_over_groups(marks, scores["group"])) for label, marks in parts]
    return pd.DataFrame(rows, columns=["class", "score", "low", "high"])


def area_classes(area: pd.Series, classes: int = 5) -> pd.Series:
    """Sort images by the share of their pixels that is object into classes of about equally many.

    Args:
        area: 0..1.
        classes: How many, at most.

    Returns:
        Ordered categories such as `12.0 to 15.5 %`.
    """
    edges = np.unique(np.quantile(area, np.linspace(0, 1, classes + 1)))
    if len(edges) < 2:
        edges = np.repeat(edges, 2)
    names = [f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in pairwise(edges)]
    number = np.searchsorted(edges[1:-1], area, side="left")
    return pd.Series(pd.Categorical.from_codes(number, pd.Index(names), ordered=True), index=area.index)


def shared_folds(members: Iterable[pd.DataFrame]) -> pd.Series | None:
    """Return the fold by `image_id` that all members have in common, or None if there is no such split."""
    folds = [scores.set_index("image_id")["fold"].sort_index() for scores in members]
    return folds[0] if folds and all(folds[0].equals(other) for other in folds[1:]) else None


def ranked(scores: pd.DataFrame, column: str, *, descending: bool) -> pd.DataFrame:
    """Return the rows in the order of a column, ties in the order of the ids."""
    return scores.sort_values([column, "image_id"], ascending=[not descending, True], kind="stable")


def precision_at(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the share of the first `k` of a ranking (of all, if it is shorter) that is relevant."""
    first = list(ranking)[:k]
    return sum(item in relevant for item in first) / len(first)


def recall_at(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Return the share of what is relevant that is among the first `k` of a ranking."""
    return sum(item in relevant for item in list(ranking)[:k]) / len(relevant)


def rank_correlation(one: pd.Series, other: pd.Series) -> float:
    """Return Spearman's rank correlation, ties sharing their mean rank; NaN where one of them is constant."""
    ranks = [pd.Series(np.asarray(values)).rank() for values in (one, other)]
    return float("nan") if min(rank.nunique() for rank in ranks) < 2 else float(ranks[0].corr(ranks[1]))


def risk_coverage(error: pd.Series, doubt: pd.Series) -> pd.DataFrame:
    """Return what mean error remains when only the least doubtful images are kept.

    Source: El-Yaniv and Wiener, "On the Foundations of Noise-free Selective Classification", JMLR 2010.

    Args:
        error: Of each image, larger is worse.
        doubt: What they are ranked by, in the same order; larger is dropped first.

    Returns:
        A row for every number of images kept, from one to all: `coverage`, their share, and `risk`, their mean error.
    """
    order = np.argsort(np.asarray(doubt), kind="stable")
    kept = np.arange(1, len(order) + 1)
    return pd.DataFrame({"coverage": kept / len(order), "risk": np.asarray(error)[order].cumsum() / kept})


def telling_columns(table: pd.DataFrame, columns: Iterable[str], *, most: int = 40) -> list[str]:
    """Return the columns that sort images into 2 to `most` classes, each not quite as an earlier one does."""
    columns_of_codes: dict[bytes, str] = {}
    for column in columns:
        codes, classes = pd.factorize(table[column])
        if 2 <= len(classes) <= most:
            columns_of_codes.setdefault(codes.tobytes(), column)
    return list(columns_of_codes.values())
