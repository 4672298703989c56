"""The rows of a table of routes, of photos whose maps are stored and measured."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.data.table import CLUSTER
from maskfold.ensembling.tree import MemberMaps
from maskfold.quality.judging import measure_rows
from maskfold.quality.model import QualityModel
from maskfold.quality.names import ROUTE_NAMES
from maskfold.quality.routes import MEASURE, maps_text
from maskfold.storage import is_address


def route_photos(
    photos: pd.DataFrame, model: QualityModel, members: Sequence[MemberMaps], *, path: Path, identity: str
) -> pd.DataFrame:
    """Return a row a photo, as `maskfold.quality.routes` describes it.

    Args:
        photos: A row a photo: `image_id`, `image`, `measure.<name>`, and `image_hash`, `group`, `cluster` where known.
        model: How they are judged.
        members: Whose maps.
        path: The table's file, to whose folder paths are relative.
        identity: What stands for the maps.
    """
    made = datetime.now(UTC).isoformat(timespec="seconds")
    judged = zip(photos.itertuples(), map(model.assess, measure_rows(photos)), strict=True)
    rows = [
        {
            "image_id": photo.image_id,
            "photo": _placed(photo.image, path.parent),
            "photo_hash": _known(photo, "image_hash"),
            "maps": maps_text(_maps(members, photo.image_id, path.parent)),
            "score": verdict.score,
            "iou": verdict.iou,
            "cluster": _known(photo, CLUSTER),
            "group": _known(photo, "group"),
            "route": verdict.route,
            "reason": verdict.reason,
            "model": identity,
            "made": made,
        }
        for photo, verdict in judged
    ]
    measures = photos[[column for column in photos if column.startswith(MEASURE)]].reset_index(drop=True)
    return pd.DataFrame(rows).join(measures)


def in_routes(routes: pd.DataFrame) -> str:
    """Return how many photos go where, in words."""
    counts = routes["route"].value_counts()
    return ", ".join(f"{counts.get(name, 0)} {name}" for name in ROUTE_NAMES)


def _maps(members: Sequence[MemberMaps], image_id: str, folder: Path) -> Iterator[tuple[str, str, Fraction]]:
    """Yield the name, path and share of each of a photo's maps; where a member has several, each has its number."""
    names: dict[str, int] = {}
    for member in members:
        for store, share in member.maps(image_id):
            names[member.leaf.name] = number = names.get(member.leaf.name, 0) + 1
            name = member.leaf.name if number == 1 else f"{member.leaf.name} {number}"
            yield name, _placed(str(store.path(image_id)), folder), share


def _placed(name: str, folder: Path) -> str:
    """Return a path as it stands in the table: relative where it is below the working folder, as the table is."""
    if is_address(name):
        return name
    here, path = Path.cwd().resolve(), Path(name).resolve()
    if path.is_relative_to(here) and folder.resolve().is_relative_to(here):
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    return path.as_posix()


def _known(photo: Any, column: str) -> str | None:
    value = getattr(photo, column, None)
    return value if isinstance(value, str) else None
