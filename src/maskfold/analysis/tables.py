"""Scores as tables: what a member is worth, how sure one may be of that, and how well a ranking finds what it should.

Pure functions of tables of scores, which have a row an image: `image_id`, `group`, `dice` and `iou`, and for some
`fold` and `unconfidence`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

IOU_LEVELS = (0.95, 0.97, 0.99)


def bootstrap_interval(
    values: pd.Series, groups: pd.Series, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of a mean over images when whole groups are drawn with replacement.

    Images of one group are wrong together, so drawing images one by one would give too narrow an interval.

    Args:
        values: A number an image.
        groups: The group of each image, in the same order.
        level: The share of the draws inside the interval.
        draws: How often to draw as many groups as there are.
        seed: The same seed gives the same interval.
    """
    by_group = pd.Series(np.asarray(values, np.float64)).groupby(np.asarray(groups)).agg(["sum", "size"])
    count, rng = len(by_group), np.random.default_rng(seed)
    sums, sizes = by_group["sum"].to_numpy(), by_group["size"].to_numpy()
    times = (rng.multinomial(count, np.full(count, 1 / count)) for _ in range(draws))
    means = [(drawn @ sums) / (drawn @ sizes) for drawn in times]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
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


def gain_over(scores: pd.DataFrame, other: pd.DataFrame, name: str, metric: str = "dice") -> Gain:
    """Return the gain over other scores of the same images, image by image.

    Args:
        scores: With `image_id`, `group` and the metric.
        other: With `image_id` and the metric.
        name: What the other is called.
        metric: A column of both.
    """
    both = scores.merge(other[["image_id", metric]], on="image_id", suffixes=("", "_other"))
    difference = both[metric] - both[f"{metric}_other"]
    return Gain(name, difference.mean(), *interval_over_groups(difference, both["group"]))


def gain_over_best(scores: pd.DataFrame, members: Mapping[str, pd.DataFrame]) -> Gain:
    """Return the gain in Dice over the member with the largest mean.

    Args:
        scores: Of an ensemble, with `image_id`, `group` and `dice`.
        members: By name, at least one; the same images.
    """
    best = max(members, key=lambda name: members[name]["dice"].mean())
    return gain_over(scores, members[best], best)


def interval_over_groups(values: pd.Series, groups: pd.Series) -> tuple[float, float]:
    """Return `bootstrap_interval`; NaN for a single group, which has none."""
    return bootstrap_interval(values, groups) if groups.nunique() > 1 else (np.nan, np.nan)


def member_table(scores: Mapping[str, pd.DataFrame], metric: str = "dice") -> pd.DataFrame:
    """Put members side by side.

    Args:
        scores: By name, each with `metric` and `group`, and `fold` where it is known.
        metric: A column, such as `dice`.

    Returns:
        A row a member in the order given: `name`, `images`, `groups`, the mean of each fold as `fold <k>` (NaN where a
        member has no such fold), and the `pooled` mean with its 95 % interval over groups, `low` and `high`.
    """
    table = pd.DataFrame([{"name": name} | _summary(part, metric) for name, part in scores.items()])
    folds = sorted((column for column in table if column.startswith("fold ")), key=lambda name: int(name.split()[1]))
    others = [column for column in table if column not in folds]
    return table[[*others[:3], *folds, *others[3:]]]


def _summary(scores: pd.DataFrame, metric: str) -> dict[str, float]:
    folds = scores.groupby("fold")[metric].mean() if "fold" in scores else pd.Series(dtype=float)
    low, high = bootstrap_interval(scores[metric], scores["group"])
    return (
        {"images": len(scores), "groups": scores["group"].nunique()}
        | {f"fold {fold}": mean for fold, mean in folds.items()}
        | {"pooled": scores[metric].mean(), "low": low, "high": high}
    )


def level_table(scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Say how many images of each member are masked how well.

    Args:
        scores: By name, each with `iou`, and with `boundary_iou` and `trimap_dice` if it has been scored by them.

    Returns:
        A row a member: `name`, the means of `boundary_iou` and `trimap_dice` (NaN without), and the share of images
        whose IoU is above each of `IOU_LEVELS` as `above <level>`.
    """
    return pd.DataFrame(
        [
            {"name": name}
            | {metric: part[metric].mean() if metric in part else np.nan for metric in ("boundary_iou", "trimap_dice")}
            | {f"above {level}": (part["iou"] > level).mean() for level in IOU_LEVELS}
            for name, part in scores.items()
        ]
    )


def class_table(scores: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Score every class of images there is, the worst first.

    Args:
        scores: With `dice`, `iou` and `group`.
        columns: What each column that sorts images into classes is called.

    Returns:
        A row a class: `by`, the column's name, `value`, `images`, the mean `dice` with its 95 % interval over groups,
        `low` and `high` (NaN for a single group, which has none), and the mean `iou`.
    """
    rows = [
        (
            name,
            value,
            len(part),
            part["dice"].mean(),
            *interval_over_groups(part["dice"], part["group"]),
            part["iou"].mean(),
        )
        for column, name in columns.items()
        for value, part in scores.groupby(column, observed=True)
    ]
    classes = pd.DataFrame(rows, columns=["by", "value", "images", "dice", "low", "high", "iou"])
    return classes.sort_values("dice", kind="stable", ignore_index=True)


def _interval(scores: pd.DataFrame) -> tuple[float, float]:
    return interval_over_groups(scores["dice"], scores["group"])


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
