"""Scores by cluster, as a shop reads them: the mean IoU, and how many photos are good, better and flawless.

A mean hides its tail, and a rare kind of product hides in the mean of all.
"""

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import pandas as pd

from maskfold.analysis.formats import interval, percent, score
from maskfold.analysis.tables import IOU_LEVELS, interval_over_groups
from maskfold.data.balance import UNKNOWN
from maskfold.data.table import CLUSTER
from maskfold.masks.scores import ACCURACY, TITLES
from maskfold.masks.scoring import DICE, Judged
from maskfold.runs.results import POOLED

EXPLAINED = (
    "The mean IoU with its 95 % interval, which draws whole groups, and the share of photos whose IoU is at least so "
    "much, with its 95 % interval (Wilson). Pixel accuracy counts the background as well and flatters: it is no IoU."
)
IOU = Judged("iou")


def wilson_interval(part: int, whole: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share, which fits small numbers too: none of it is below 0 or above 1.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927). Each one counts by
    itself here: where many photos are of one object, the truth is wider.

    Args:
        part: How many.
        whole: Of how many; NaN for 0.
        level: How often such an interval holds the true share.
    """
    if not whole:
        return np.nan, np.nan
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, weight = part / whole, z * z / whole
    middle = (share + weight / 2) / (1 + weight)
    reach = z * np.sqrt(share * (1 - share) / whole + weight / (4 * whole)) / (1 + weight)
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def has_clusters(scores: pd.DataFrame) -> bool:
    """Tell whether the cluster of any scored image is known."""
    return CLUSTER in scores and bool(scores[CLUSTER].notna().any())


def cluster_table(scores: pd.DataFrame, judged: Judged = DICE) -> pd.DataFrame:
    """Score every cluster, and all images.

    Args:
        scores: With `iou`, `group` and what is judged; where they are known with `cluster`, and with `accuracy`.
        judged: By what.

    Returns:
        A row a cluster in the order of their names, then one of the images without, then `all`: `cluster`, `images`,
        `groups`; the mean `iou` with its 95 % interval over groups, `iou_low` and `iou_high` (NaN for a single group);
        what is judged; for each of `IOU_LEVELS` the share of images whose IoU is at least so much, `above_<level>`,
        with its Wilson interval, `above_<level>_low` and `_high`; and the mean `accuracy`, NaN where nobody counted it.
    """
    return pd.DataFrame([_summary(name, part, judged) for name, part in _parts(scores)])


def _parts(scores: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    if has_clusters(scores):
        yield from ((str(name), part) for name, part in scores.groupby(CLUSTER))
        if scores[CLUSTER].isna().any():
            yield UNKNOWN, scores[scores[CLUSTER].isna()]
    yield POOLED, scores


def _summary(name: str, scores: pd.DataFrame, judged: Judged) -> dict[str, float | str]:
    low, high = interval_over_groups(IOU.marks(scores), scores["group"])
    summary = {CLUSTER: name, "images": len(scores), "groups": scores["group"].nunique()}
    summary |= {"iou": IOU.total(scores), "iou_low": low, "iou_high": high, judged.column: judged.total(scores)}
    iou = scores["iou"].dropna()
    for level in IOU_LEVELS:
        good = int((iou >= level).sum())
        ends = wilson_interval(good, len(iou))
        columns = (f"above_{level}{end}" for end in ("", "_low", "_high"))
        summary |= dict(zip(columns, (good / len(iou) if len(iou) else np.nan, *ends), strict=True))
    return summary | {ACCURACY: scores[ACCURACY].mean() if ACCURACY in scores else np.nan}


def cluster_rows(clusters: pd.DataFrame, judged: Judged = DICE) -> pd.DataFrame:
    """Return `cluster_table` as text."""
    rows = {
        CLUSTER: clusters[CLUSTER],
        "photos": clusters["images"].map("{:,}".format),
        "groups": clusters["groups"].map("{:,}".format),
        "IoU": clusters["iou"].map(score),
        "95 % interval": list(map(interval, clusters["iou_low"], clusters["iou_high"])),
    }
    if judged != IOU:
        rows[judged.title] = clusters[judged.column].map(score)
    for level in IOU_LEVELS:
        columns = (clusters[f"above_{level}{end}"] for end in ("", "_low", "_high"))
        rows[f"IoU ≥ {level}"] = list(map(_share, *columns))
    return pd.DataFrame(rows | {TITLES[ACCURACY]: clusters[ACCURACY].map(score)})


def narrow_rows(clusters: pd.DataFrame, judged: Judged = DICE) -> pd.DataFrame:
    """Return what of `cluster_rows` a terminal is wide enough for: no intervals of shares, no groups."""
    rows = cluster_rows(clusters, judged).drop(columns="groups")
    for level in IOU_LEVELS:
        rows[f"IoU ≥ {level}"] = clusters[f"above_{level}"].map(percent)
    return rows.rename(columns={name: name.replace(" ", "\n", 1) for name in rows if name != "95 % interval"})


def _share(share: float, low: float, high: float) -> str:
    return percent(share) if pd.isna(low) else f"{percent(share)} ({100 * low:.1f} to {100 * high:.1f})"


def cluster_tables(scores: pd.DataFrame, judged: Judged = DICE) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the scores by cluster as two tables of text: the means, and the shares."""
    rows = cluster_rows(cluster_table(scores, judged), judged)
    shares = [f"IoU ≥ {level}" for level in IOU_LEVELS]
    return rows.drop(columns=shares), rows[[CLUSTER, "photos", *shares]]
