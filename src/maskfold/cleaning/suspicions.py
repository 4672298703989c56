"""What is suspicious of single masks, judged against the masks of the whole set: pure functions of what was measured.

Each takes `maskfold.cleaning.measuring.measure_pairs`'s table with the columns `class` (the name of the plane's class,
"" of one class) and `classes` (how many there are), and returns findings.
"""

import pandas as pd

from maskfold.cleaning.kinds import EMPTY, FULL, INVERTED, MISFIT, RAGGED, TURNED, decision_lines, findings_of
from maskfold.data.annotations import DROP

DEVIATIONS = 3  # median absolute deviations
TYPICAL = 1  # deviations: a mask that is turned back fits as most do, a wrong one that happens to fit better does not
TURN_GAIN = 0.3  # of the edge ratio
RAGGED_FROM = 1.6  # see `maskfold.cleaning.outlines.raggedness`
FULL_FROM = 0.999  # of the pixels
_LEAST_DEVIATION = 0.02  # of any measure: sets of a few alike photos have next to none


def suspicions(measured: pd.DataFrame) -> pd.DataFrame:
    """Return all findings about single masks."""
    kinds = (turned, misfits, inverted, empty, full, ragged)
    return pd.concat([find(measured) for find in kinds], ignore_index=True)


def bounds(measured: pd.DataFrame, measure: str, deviations: float) -> pd.Series:
    """Return for each row the median of its class and so many median absolute deviations above it."""
    values = measured[measure].groupby(measured["class"])
    median = values.transform("median")
    deviation = (measured[measure] - median).abs().groupby(measured["class"]).transform("median")
    return median + deviations * deviation.clip(lower=_LEAST_DEVIATION)


def turned(measured: pd.DataFrame) -> pd.DataFrame:
    """Find masks that fit much better in another position, and as well there as most others do."""
    gain = measured["turn_ratio"] - measured["edge_ratio"].fillna(0)
    rows = measured.assign(score=gain)[_is_turned(measured)]
    finding = [
        f"mask is {row.turn}: edge ratio {row.edge_ratio:.2f}, {row.turn_ratio:.2f} once that is undone"
        for row in rows.itertuples()
    ]
    advice = "Undo it in the mask's file and run again, or drop the photo."
    return findings_of(TURNED, _with_drop(rows), advice=advice, finding=finding)


def misfits(measured: pd.DataFrame) -> pd.DataFrame:
    """Find masks that fit their photo less than those of other photos do, and in no position better."""
    low = measured["edge_ratio"] < bounds(measured, "edge_ratio", -DEVIATIONS)
    rows = measured.assign(score=measured["edge_ratio"])[low & ~_is_turned(measured)]
    finding = [f"edge ratio {ratio:.2f}" for ratio in rows["score"]]
    advice = "Look whether this is the photo's own mask, in its place; mend it, or drop the photo."
    return findings_of(MISFIT, _with_drop(rows), advice=advice, finding=finding)


def inverted(measured: pd.DataFrame) -> pd.DataFrame:
    """Find masks that cover most of the photo's border, and more of it than of the rest, unlike other masks."""
    border, area = measured["border"], measured["area"]
    usual = bounds(measured, "border", DEVIATIONS)
    suspicious = (border >= 0.5) & (border > area) & (border > usual) & (area < FULL_FROM)
    rows = measured.assign(score=border)[suspicious]
    finding = [f"{row.border:.0%} of the border and {row.area:.0%} of all is object" for row in rows.itertuples()]
    advice = "If object and backdrop are exchanged, invert the mask's file; or drop the photo."
    return findings_of(INVERTED, _with_drop(rows), advice=advice, finding=finding)


def empty(measured: pd.DataFrame) -> pd.DataFrame:
    """Find photos that have no object of any class."""
    areas = measured.groupby("image_id", as_index=False)["area"].max()
    rows = areas.assign(score=0.0)[areas["area"] == 0]
    finding = f"no object, as {len(rows):,} of {len(areas):,} photos"
    advice = "Keep it if the photo has no object; otherwise draw the mask, or drop the photo."
    return findings_of(EMPTY, _with_drop(rows), advice=advice, finding=[finding] * len(rows))


def full(measured: pd.DataFrame) -> pd.DataFrame:
    """Find masks that leave nothing, or next to nothing, of their photo."""
    rows = measured.assign(score=measured["area"])[measured["area"] >= FULL_FROM]
    advice = "Keep it if the object fills the photo; otherwise mend the mask, or drop the photo."
    finding = [f"{area:.2%} of the pixels are object" for area in rows["area"]]
    return findings_of(FULL, _with_drop(rows), advice=advice, finding=finding)


def ragged(measured: pd.DataFrame) -> pd.DataFrame:
    """Find masks whose outline is much longer than a smooth one, unless most masks of the set are such."""
    score = measured["raggedness"]
    rows = measured.assign(score=score)[(score > RAGGED_FROM) & (score > bounds(measured, "raggedness", DEVIATIONS))]
    finding = [f"outline {times:.1f} times as long as once smoothed" for times in rows["score"]]
    advice = "Fill its holes and remove its specks, or drop the photo."
    return findings_of(RAGGED, _with_drop(rows), advice=advice, finding=finding)


def _is_turned(measured: pd.DataFrame) -> pd.Series:
    fits = measured["turn_ratio"] >= bounds(measured, "edge_ratio", -TYPICAL)
    return fits & (measured["turn_ratio"] - measured["edge_ratio"].fillna(0) > TURN_GAIN)


def _with_drop(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(decision=decision_lines(rows["image_id"], DROP))
