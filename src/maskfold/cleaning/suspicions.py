"""What is suspicious of single masks, judged against the masks of the whole set: pure functions of what was measured.

Each takes `maskfold.cleaning.measuring.measure_pairs`'s table with the columns `class` (the name of the plane's class,
"" of one class) and `classes` (how many there are), and returns findings.
"""

from typing import Any

import pandas as pd

from maskfold.cleaning.kinds import EMPTY, FULL, INVERTED, MISFIT, PART, RAGGED, TURNED, decision_lines, findings_of
from maskfold.data.annotations import DROP

DEVIATIONS = 3  # median absolute deviations
TYPICAL = 1  # deviations: a mask that is turned back fits as most do, a wrong one that happens to fit better does not
_MOVED = 0.1  # of the edge ratio: of 542 real masks one in fifty gains as much where it is moved
TURN_GAIN = 0.3  # of the edge ratio
RAGGED_FROM = 1.6  # see `maskfold.cleaning.outlines.raggedness`
FULL_FROM = 0.999  # of the pixels
_LEAST_DEVIATION = 0.02  # of any measure: sets of a few alike photos have next to none


def suspicions(measured: pd.DataFrame) -> pd.DataFrame:
    """Return all findings about single masks."""
    kinds = (turned, misfits, parts, inverted, empty, full, ragged)
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
    """Find masks that fit their photo less than those of other photos do, or better where they are moved."""
    rows = _with_fit(measured).assign(score=lambda rows: rows["fit"])[_is_misfit(measured)]
    finding = [f"edge ratio {row.edge_ratio:.2f}{_move_of(row)}" for row in rows.itertuples()]
    advice = "Look whether this is the photo's own mask, in its place; mend it, or drop the photo."
    return findings_of(MISFIT, _with_drop(rows), advice=advice, finding=finding)


def parts(measured: pd.DataFrame) -> pd.DataFrame:
    """Find masks that fit but for a stretch of their outline."""
    weak = measured["edge_weakest"] < bounds(measured, "edge_weakest", -DEVIATIONS)
    rows = measured.assign(score=measured["edge_weakest"])[weak & ~_is_misfit(measured) & ~_is_turned(measured)]
    finding = [f"edge ratio {row.edge_ratio:.2f}, of a stretch {row.edge_weakest:.2f}" for row in rows.itertuples()]
    advice = "Look whether a piece is missing or too much; mend the mask, or drop the photo."
    return findings_of(PART, _with_drop(rows), advice=advice, finding=finding)


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


def is_moved(gain: float) -> bool:
    """Tell whether a mask gains enough where it is moved to say so."""
    return gain >= _MOVED


def _move_of(row: Any) -> str:
    """Return where a mask would fit better, "" where it would not."""
    if not is_moved(row.edge_gain):
        return ""
    ways = [(row.edge_right, "right", "left"), (row.edge_down, "down", "up")]
    moves = [f"{abs(share):.1%} {onwards if share > 0 else back}" for share, onwards, back in ways if share]
    return f", {row.edge_ratio + row.edge_gain:.2f} moved {' and '.join(moves)}"


def _with_fit(measured: pd.DataFrame) -> pd.DataFrame:
    return measured.assign(fit=measured["edge_ratio"] - measured["edge_gain"])


def _is_misfit(measured: pd.DataFrame) -> pd.Series:
    fits = _with_fit(measured)
    return (fits["fit"] < bounds(fits, "fit", -DEVIATIONS)) & ~_is_turned(measured)


def _is_turned(measured: pd.DataFrame) -> pd.Series:
    fits = measured["turn_ratio"] >= bounds(measured, "edge_ratio", -TYPICAL)
    in_place = (measured["edge_ratio"] + measured["edge_gain"]).fillna(0)  # or where it would be moved to
    return fits & (measured["turn_ratio"] - in_place > TURN_GAIN)


def _with_drop(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(decision=decision_lines(rows["image_id"], DROP))
