"""The judge set: labelled photos, the same ones for every network that is judged, which none of them has seen."""

import hashlib
import json
import logging
from pathlib import Path

import pandas as pd

from maskfold import files
from maskfold.data.source import Source
from maskfold.data.table import CLUSTER
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.contents import hashes_of
from maskfold.runs.lineage import read_lineage, shows_any_of
from maskfold.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

RECORD = "judge.json"  # in the data's own folder
_PARTS = ("photo", "mask", "group", CLUSTER)  # of a photo, as the record has them


def judge_photos(source: Source) -> pd.DataFrame:
    """Return the labelled photos of a data set: rows of the image table.

    Raises:
        MaskfoldError: If there are none, or all are of one group, whose scores say nothing of another.
    """
    table = source.load()
    photos = table[table["mask"].notna()].reset_index(drop=True)
    if photos["group"].nunique() < 2:
        raise MaskfoldError(
            f"data {source.name}: a judge set needs labelled photos of at least two groups, and this has "
            f"{photos['group'].nunique()}. Name another with data=..., or tell its groups apart with data.group=..."
        )
    return photos


def freeze(photos: pd.DataFrame, folder: Path, *, anew: bool) -> str:
    """Write down which photos are judged by, once; or find that they are still the same.

    Args:
        photos: As `judge_photos` returns them.
        folder: The data's own, where the record is.
        anew: Judge by them from now on, whatever was written down.

    Returns:
        12 hexadecimal digits that stand for the bytes of all photos and masks, their groups and their clusters.

    Raises:
        MaskfoldError: If the set is another than that written down; the message names what has changed.
    """
    path = folder / RECORD
    now = _described(photos)
    before = None if anew or not path.exists() else _read(path)
    if before is None:
        files.write_json(path, {"judge": _fingerprint(now), "parts": _PARTS, "photos": now})
        log.info("%s: %d photos of %d groups, frozen", path, len(photos), photos["group"].nunique())
    elif changed := _differences(before, now):
        raise MaskfoldError(
            f"{path}: the judge set is not what it was, and networks would not be compared by the same photos:\n"
            f"{listing(changed)}\n"
            "Put back what it was, or judge all networks by this one from now on with judge_anew=true."
        )
    return _fingerprint(now)


def refuse_seen(run: RunFolder, name: str, photos: pd.DataFrame) -> tuple[str, ...]:
    """Refuse a network that has seen photos of the judge set, in training or for the choice of its best epoch.

    Args:
        run: Its run folder.
        name: What messages call it.
        photos: The judge set's.

    Returns:
        All that it has seen, as `maskfold.runs.lineage.sights`.

    Raises:
        MaskfoldError: If it has, by itself or through teachers; or nobody knows.
    """
    lineage = read_lineage(run.path)
    sights = (*lineage.seen, *lineage.held_out)
    seen = photos[shows_any_of(photos, sights)]
    if len(seen):
        rows = (seen["image_id"] + " (group " + seen["group"] + ")").tolist()
        raise MaskfoldError(
            f"{name} has learned from {len(rows)} of the {len(photos)} photos of the judge set, from others of their "
            f"groups, or from teachers that have, or its best epoch was chosen by them:\n{listing(rows)}\n"
            "A judge set is of photos that no network has seen: take these out of it (judge_anew=true), or train "
            "without them. Photos that are others and only have the same ids or groups count as the same: rename them."
        )
    return sights


def _described(photos: pd.DataFrame) -> dict[str, list[str]]:
    """Return by `image_id` the hashes of photo and mask, the group and the cluster; "" where one is not known."""
    ids = photos["image_id"]
    clusters = photos[CLUSTER].fillna("") if CLUSTER in photos else pd.Series("", index=photos.index)
    columns = [ids.map(hashes_of(photos, column)) for column in ("image", "mask")] + [photos["group"], clusters]
    rows = zip(*(column.fillna("").astype("str") for column in columns), strict=True)
    return dict(sorted(zip(ids, map(list, rows), strict=True)))


def _fingerprint(described: dict[str, list[str]]) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:12]


def _read(path: Path) -> dict[str, list[str]]:
    try:
        photos = files.read_json(path)["photos"]
        if not isinstance(photos, dict) or not all(len(parts) == len(_PARTS) for parts in photos.values()):
            raise ValueError("photos are not what is expected")
    except (KeyError, TypeError, ValueError, MaskfoldError) as error:
        raise MaskfoldError(
            f"{path}: damaged, so nobody knows what was judged by ({error}). Put a copy back, or judge all networks "
            "by the photos of now with judge_anew=true."
        ) from error
    return photos


def _differences(before: dict[str, list[str]], now: dict[str, list[str]]) -> list[str]:
    """Return what has changed of which photo, a line each."""
    changed = [f"{image_id}: not there any more" for image_id in sorted(before.keys() - now.keys())]
    changed += [f"{image_id}: new" for image_id in sorted(now.keys() - before.keys())]
    for image_id in sorted(before.keys() & now.keys()):
        parts = zip(_PARTS, before[image_id], now[image_id], strict=True)
        others = [part for part, old, new in parts if old != new]
        if others:
            changed.append(f"{image_id}: another {' and another '.join(others)}")
    return changed
