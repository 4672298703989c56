"""The audit: a few of the photos that shipped, drawn by chance and looked at by a person.

What is sent to review is sent there since it looks wrong, and says nothing of what looks right. Only photos drawn from
all that shipped tell how many of these are bad.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.arrays import SUFFIX
from maskfold.corrections.decisions import Decision, audit_path
from maskfold.data.ledger import AUTO
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.quality.names import REVIEW
from maskfold.quality.routes import append_routes, maps_text, mean_map, read_routes
from maskfold.storage import is_address

_REASON = "audit: drawn from what shipped"
_MAPS = "maps"  # beside the routes of the audit
_MEAN = "mean"  # what a screen calls the map
_DIGITS = 8  # of the photo's hash, by which it is drawn


def draw_audit(routes: Path, decisions: Sequence[Decision], share: float, ledger: pd.DataFrame) -> set[str]:
    """Draw some of what shipped, and write down routes of theirs, beside those that they are from, for `make review`.

    Args:
        routes: The table of routes.
        decisions: What was decided of its photos.
        share: See `draw`.
        ledger: The rows of the ledger, which know of which months photos have been drawn.

    Returns:
        The contents of the photos that are drawn.

    Raises:
        MaskfoldError: If the routes of the audit cannot be written.
    """
    audited = {f"{made:%Y-%m}" for made in ledger.loc[ledger["audit"], "made"]}
    shipped = [one for one in decisions if one.source == AUTO]
    drawn = draw(shipped, share, audited=audited)
    _write(routes, {one.image_id for one in shipped if one.content in drawn})
    return drawn


def draw(shipped: Iterable[Decision], share: float, *, audited: Collection[str] = ()) -> set[str]:
    """Draw photos by their contents: the same ones each time, and those of a new file as if by chance.

    Args:
        shipped: All that shipped.
        share: Of them, 0 to 1; where no photo of a month is drawn, it is the first in the order of the draw.
        audited: Months, such as `2026-11`, of which photos have been drawn before.

    Returns:
        Their contents; none where the share is 0.
    """
    if not share:
        return set()
    ordered = sorted(shipped, key=lambda decision: decision.content)
    drawn = {one.content: f"{one.made:%Y-%m}" for one in ordered if _place(one) < share}
    for one in ordered:
        if f"{one.made:%Y-%m}" not in {*drawn.values(), *audited}:
            drawn[one.content] = f"{one.made:%Y-%m}"
    return {*drawn}


def _place(decision: Decision) -> float:
    """Return where a photo comes in the draw, 0 to 1."""
    return int(decision.content[:_DIGITS], 16) / 16**_DIGITS


def _write(routes: Path, image_ids: Collection[str]) -> None:
    """Add photos to the routes of an audit, with maps of its own; those that are there stay as they are."""
    path = audit_path(routes)
    known = {*read_routes(path, look_for_files=False)["image_id"]} if path.exists() else set()
    table = read_routes(routes, look_for_files=False)
    rows = table[table["image_id"].isin({*image_ids} - known)]
    maps = [_kept(row, routes.parent, path.parent) for row in rows.itertuples()]
    photos = rows["photo"].map(_from_inside)
    rows = rows.assign(photo=photos, maps=maps, route=REVIEW, reason=_REASON).dropna(subset="maps")
    if len(rows):
        append_routes(path, rows)


def _kept(row: Any, folder: Path, audit: Path) -> str | None:
    """Copy the map that shipped, which a new model's may replace, and return the cell that names it.

    Returns:
        The cell; None where the map cannot be read, which the store names as it leaves the photo out.
    """
    try:
        shipped = mean_map(row, folder)
    except MaskfoldError:
        return None
    ProbabilityStore(audit / _MAPS).write(row.image_id, shipped)
    return maps_text([(_MEAN, f"{_MAPS}/{row.image_id}{SUFFIX}", 1)])


def _from_inside(name: str) -> str:
    return name if is_address(name) or os.path.isabs(name) else f"../{name}"
