"""Which photos the maps of a store were made of, by their content: a small record beside the maps."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from maskfold import files
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.store import Predictions
from maskfold.runs.contents import hashes_of, replaced

PHOTOS = "photos.json"  # `image_id -> hash`, written before the maps


def claim_photos(store: Predictions, photos: pd.DataFrame) -> None:
    """Record the photos of the maps that are about to be written, or refuse where those of written ones are others.

    Args:
        store: Where the maps go, or are.
        photos: Rows of the image table.

    Raises:
        MaskfoldError: If a photo is not the file any more that a map was made of; the message names it.
    """
    hashes = hashes_of(photos, "image")
    refuse_replaced_photos(store, hashes)
    missing = {*store.missing(photos["image_id"])}
    before = _read(store.folder)
    now = before | {image_id: hashes[image_id] for image_id in hashes if image_id in missing}
    if now != before or not now:
        files.write_json(store.folder / PHOTOS, now)


def refuse_replaced_photos(store: Predictions, hashes: Mapping[str, str]) -> None:
    """Refuse maps whose photos are not the files any more that they were made of.

    Maps from other code, or of an older version, have no record and are taken as they are.

    Args:
        store: One whose folder need not be there.
        hashes: `image_id -> hash` of the photos of now, as `maskfold.runs.contents.hashes_of` returns it.

    Raises:
        MaskfoldError: If there are any; the message names the photos.
    """
    changed = replaced(_read(store.folder), hashes)
    if changed:  # where no map is yet, another photo is none of its business
        there = store.image_ids()
        changed = [image_id for image_id in changed if image_id in there]
    if changed:
        raise MaskfoldError(
            f"{store.folder}: {len(changed)} photos are not the files any more that its maps were made of:\n"
            f"{listing(changed)}\n"
            "Put the old files back; or delete their maps, or the folder, and predict the photos of now."
        )


def _read(folder: Path) -> dict[str, str]:
    path = folder / PHOTOS
    if not path.exists():
        return {}
    try:
        return files.read_json(path)
    except MaskfoldError as error:  # whose own advice would leave maps of unknown photos
        raise MaskfoldError(f"{path}: damaged. Delete the whole folder and predict again.") from error
