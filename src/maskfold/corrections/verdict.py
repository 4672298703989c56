"""Whether a network may take the champion's place: its scores against the champion's, photo by photo, on one set."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.analysis.formats import gain, interval, percent, score
from maskfold.analysis.tables import gain_over
from maskfold.data.table import CLUSTER
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import Judged
from maskfold.terminal import counted

ALL = "all"
_IOU = Judged("iou")
_SMALL = 1e-9  # what a difference of two means may be off by


@dataclass(frozen=True)
class Limits:
    """What a challenger may lose; each is a difference that is still allowed.

    Attributes:
        loss: Of the mean IoU over all photos, by the lower end of its 95 % interval.
        cluster_loss: The same within each cluster.
        level: The IoU from which a mask counts as good.
        share_loss: Of the share of good masks.
        equal: Whether a network that masks every photo just as the champion does may take its place.

    Raises:
        MaskfoldError: If a limit is none, so that nothing would be held against it.
    """

    loss: float
    cluster_loss: float
    level: float
    share_loss: float
    equal: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.level <= 1:  # no mask would be good, or every one
            raise MaskfoldError(f"level={self.level}: give the IoU of a good mask, above 0 and up to 1.")
        allowed = {"loss": self.loss, "cluster_loss": self.cluster_loss, "share_loss": self.share_loss}
        if wrong := [f"allowed_{name}={value}" for name, value in allowed.items() if not -1 <= value <= 1]:
            raise MaskfoldError(f"{', '.join(wrong)}: a difference of IoU or of a share, -1 to 1; 0 allows no loss.")


@dataclass(frozen=True)
class Verdict:
    """What has been decided, and why.

    Attributes:
        passed: Whether the challenger may become the champion.
        reasons: Why, in words: all that speaks against it; or what it has shown.
        table: A row for all photos and one a cluster: `cluster`, `images`, `groups`, the mean IoU of `champion` and
            `challenger`, the mean `gain` with its 95 % interval `low` to `high` over groups (NaN for a single group,
            which has none), and the shares of good masks, `champion_share` and `challenger_share`. Without a champion
            its columns and the gain are NaN.
    """

    passed: bool
    reasons: tuple[str, ...]
    table: pd.DataFrame

    def cells(self) -> list[list[str]]:
        """Return the table as text, in the order of `headings`."""
        return [
            [
                str(row.cluster),
                f"{row.images:,}",
                score(row.champion),
                score(row.challenger),
                "-" if pd.isna(row.gain) else gain(row.gain),
                interval(row.low, row.high, gain),
                percent(row.champion_share),
                percent(row.challenger_share),
            ]
            for row in self.table.itertuples()
        ]


def headings(level: float) -> tuple[str, ...]:
    """Return the headings of `Verdict.cells`: mean IoU, and the share of masks at a level or above it."""
    sides = "champion", "challenger"
    return "cluster", "photos", *sides, "gain of IoU", "95 % interval", *(f"{side} >= {level:g}" for side in sides)


def decide(challenger: pd.DataFrame, champion: pd.DataFrame | None, limits: Limits) -> Verdict:
    """Judge a challenger.

    Args:
        challenger: A row a photo: `image_id`, `group`, `iou`, and `cluster` where clusters are known.
        champion: The same of the champion; None where there is none, of whom nothing is asked.
        limits: What may be lost.
    """
    table = pd.DataFrame([_compared(name, part, champion, limits.level) for name, part in _parts(challenger)])
    if champion is None:
        first = table.iloc[0]
        shown = f"IoU {score(first['challenger'])} on {counted(first['images'], 'photo')}"
        return Verdict(True, (f"there is no champion to be compared with; {shown}",), table)
    against = [*_objections(table, limits)]
    if not limits.equal and _same(challenger, champion):
        against.append("no gain: it masks every photo exactly as well as the champion does (allow_equal=true takes it)")
    return Verdict(not against, tuple(against) or (_praise(table.iloc[0]),), table)


def _parts(scores: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, scores
    if CLUSTER in scores:
        yield from ((str(name), part) for name, part in scores.groupby(CLUSTER, observed=True))


def _compared(name: str, scores: pd.DataFrame, champion: pd.DataFrame | None, level: float) -> dict[str, object]:
    """Return a row of the table."""
    row = {"cluster": name, "images": len(scores), "groups": scores["group"].nunique()}
    own = {"challenger": scores["iou"].mean(), "challenger_share": _share(scores, level)}
    if champion is None:
        return row | dict.fromkeys(("champion", "gain", "low", "high", "champion_share"), np.nan) | own
    theirs = champion[champion["image_id"].isin(scores["image_id"])]
    over = gain_over(scores, theirs, "champion", _IOU)
    compared = {"gain": over.mean, "low": over.low, "high": over.high}
    return row | {"champion": theirs["iou"].mean(), "champion_share": _share(theirs, level)} | own | compared


def _share(scores: pd.DataFrame, level: float) -> float:
    return float((scores["iou"] >= level).mean())


def _objections(table: pd.DataFrame, limits: Limits) -> Iterator[str]:
    """Yield what speaks against a challenger."""
    whole, clusters = table.iloc[0], table.iloc[1:]
    if not _bound(whole) > -limits.loss:
        yield (
            f"all {counted(whole['images'], 'photo')}: {_lost(whole)}; "
            f"it has to be above {gain(-limits.loss)} (allowed_loss)"
        )
    for _, row in clusters.iterrows():
        if _bound(row) < -limits.cluster_loss - _SMALL:
            yield (
                f"cluster {row['cluster']}, {counted(row['images'], 'photo')}: {_lost(row)}; "
                f"it must not be below {gain(-limits.cluster_loss)} (allowed_cluster_loss)"
            )
    if whole["challenger_share"] < whole["champion_share"] - limits.share_loss - _SMALL:
        yield (
            f"IoU of {limits.level:g} or more: {percent(whole['challenger_share'], 2)} of the photos, the champion "
            f"{percent(whole['champion_share'], 2)}; it may be {percent(limits.share_loss, 2)} fewer "
            "(allowed_share_loss)"
        )


def _bound(row: pd.Series) -> float:
    """Return the lower end of a gain's interval; of a single group, which has none, the gain itself."""
    return row["gain"] if pd.isna(row["low"]) else row["low"]


def _lost(row: pd.Series) -> str:
    if pd.isna(row["low"]):
        return f"IoU {gain(row['gain'])} in a single group"
    return f"IoU {gain(row['gain'])} on average, lower 95 % bound {gain(row['low'])}"


def _praise(whole: pd.Series) -> str:
    return (
        f"IoU {gain(whole['gain'])} over the champion's {score(whole['champion'])} on "
        f"{counted(whole['images'], 'photo')}, 95 % interval {interval(whole['low'], whole['high'], gain)}"
    )


def _same(challenger: pd.DataFrame, champion: pd.DataFrame) -> bool:
    one, other = (scores.set_index("image_id")["iou"].sort_index() for scores in (challenger, champion))
    return one.equals(other)
