"""What photos of now have come to: their routes, and what the audit of them has found."""

from pathlib import Path

import pandas as pd

from maskfold.corrections.decisions import audit_path
from maskfold.corrections.drift import Month
from maskfold.errors import MaskfoldError
from maskfold.masks.scores import mask_scores
from maskfold.quality.names import SHIP
from maskfold.quality.routes import mean_map, read_routes
from maskfold.review.record import REJECTED, REVIEWS, ReviewFolder


def read_month(routes: Path, *, cut: int) -> tuple[Month, str]:
    """Read a table of routes, and what was decided of those photos of it that were drawn for an audit.

    Args:
        routes: The table.
        cut: Of 255; where masks were cut that shipped.

    Returns:
        What they have come to, and the latest month in them, such as `2026-11`.

    Raises:
        MaskfoldError: If a table, or a map or review of the audit, cannot be read, or there are no routes.
    """
    table = read_routes(routes, look_for_files=False)
    if table.empty:
        raise MaskfoldError(f"{routes}: no photos in it, so there is nothing to compare.")
    audited, unaudited = _audited(routes, cut)
    month = Month(
        scores=table["score"].tolist(),
        clusters=[None if pd.isna(cluster) else cluster for cluster in table["cluster"]],
        held=int((table["route"] != SHIP).sum()),
        audited=audited,
        unaudited=unaudited,
    )
    return month, table["made"].max()[:7]


def _audited(routes: Path, cut: int) -> tuple[list[float], int]:
    """Return the IoU of each mask of the audit that was looked at, and how many were not."""
    path = audit_path(routes)
    if not path.exists():
        return [], 0
    reviews, ious, waiting = ReviewFolder(path.parent / REVIEWS), [], 0
    for row in read_routes(path, look_for_files=False).itertuples():
        review = reviews.review(row.image_id)
        if review is None:
            waiting += 1
        elif review.decision == REJECTED:
            ious.append(0.0)
        else:
            shipped = mean_map(row, path.parent) >= cut
            ious.append(mask_scores(shipped.astype("uint8"), reviews.mask(row.image_id))["iou"])
    return ious, waiting
