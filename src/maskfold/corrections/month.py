"""What photos of now have come to: their routes, and what the audit of them has found."""

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.corrections.decisions import audit_path, time_of
from maskfold.corrections.drift import Month
from maskfold.errors import MaskfoldError
from maskfold.masks.scores import mask_scores
from maskfold.quality.names import REVIEW, SHIP
from maskfold.quality.routes import mean_map, read_routes
from maskfold.review.record import REJECTED, REVIEWS, Review, ReviewFolder

log = logging.getLogger(__name__)

EVERY = "all"


def read_month(routes: Path, *, cut: int, name: str | None = None) -> tuple[Month, str]:
    """Read what was routed in one month, and what was decided of those photos that were drawn for an audit.

    Args:
        routes: The table of routes.
        cut: Of 255; where masks were cut that shipped.
        name: The month, such as `2026-11`; None for the newest in the table; `all` for every row.

    Returns:
        What its photos have come to, and the latest month in them.

    Raises:
        MaskfoldError: If a table, or a map or review of the audit, cannot be read, or there are no routes of the month.
    """
    table = read_routes(routes, look_for_files=False)
    if table.empty:
        raise MaskfoldError(f"{routes}: no photos in it, so there is nothing to compare.")
    months = _months(table, routes)
    wanted = {*months} if name == EVERY else {name or months.max()}
    table = table[months.isin(wanted)]
    if table.empty:
        listed = ", ".join(sorted({*months}))
        raise MaskfoldError(f"month={name}: {routes} has no photos of it. It has those of {listed}; or give month=all.")
    audited, unaudited = _audited(audit_path(routes), wanted, cut)
    month = Month(
        scores=table["score"].tolist(),
        clusters=[None if pd.isna(cluster) else cluster for cluster in table["cluster"]],
        held=int((table["route"] != SHIP).sum()),
        audited=audited,
        unaudited=unaudited,
        is_inbox=_is_inbox(table),
    )
    return month, max(wanted)


def _is_inbox(table: pd.DataFrame) -> bool:
    """Tell whether the service wrote a table: all for review, and each photo called by its hash as no other stage does.

    Cut-outs of which nothing ships are no inbox: that is what drift has to tell.
    """
    return bool((table["route"] == REVIEW).all() and (table["image_id"] == table["photo_hash"]).all())


def _months(table: pd.DataFrame, path: Path) -> pd.Series:
    """Return the month of each row, as the store and the audit count them."""
    try:
        return table["made"].map(lambda made: f"{time_of(made):%Y-%m}")
    except MaskfoldError as error:
        raise MaskfoldError(f"{path}: {error}. Make the table again.") from error


def _audited(path: Path, months: Collection[str], cut: int) -> tuple[list[float], int]:
    """Return the IoU of each mask of an audit's months that was looked at, and how many were not."""
    if not path.exists():
        return [], 0
    reviews, ious, waiting = ReviewFolder(path.parent / REVIEWS), [], 0
    table = read_routes(path, look_for_files=False)
    for row in table[_months(table, path).isin(months)].itertuples():
        review = reviews.review(row.image_id)
        if review is None:
            waiting += 1
            continue
        try:
            ious.append(_iou(row, path.parent, review, reviews, cut))
        except MaskfoldError as error:
            log.warning("%s of the audit does not count: %s", row.image_id, error)
            waiting += 1
    return ious, waiting


def _iou(row: Any, folder: Path, review: Review, reviews: ReviewFolder, cut: int) -> float:
    """Return the IoU of a mask that shipped and was looked at; 0 where no mask can be had."""
    routed = review.photo_hash if pd.isna(row.photo_hash) else row.photo_hash
    if not routed.startswith(review.photo_hash[: len(routed)]):
        raise MaskfoldError("its review is of another photo than the one that shipped. Review it again.")
    if review.decision == REJECTED:
        return 0.0
    shipped, mask = (mean_map(row, folder) >= cut).astype("uint8"), reviews.mask(row.image_id)
    if shipped.shape != mask.shape:
        raise MaskfoldError("its maps are of another size than its review, so they are not those that shipped.")
    return mask_scores(shipped, mask)["iou"]
