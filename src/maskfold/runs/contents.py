"""Which files photos and masks were when something was made of them: by the hashes of the image table, never by name.

A file may be replaced by another of its name and size. Whatever was made of it before is then of another photo, or
was learned from another mask.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.errors import MaskfoldError

_DIGITS = 16  # of a hash: no two of some millions of files share them
_COLUMNS = {"image": "image_hash", "mask": "mask_hash"}


def hashes_of(rows: pd.DataFrame, column: str) -> dict[str, str]:
    """Return `image_id -> hash` of the files in a column of the image table, but for those that have none.

    Args:
        rows: Rows of the image table, with their hashes or without.
        column: `image` or `mask`.
    """
    hashes = rows.get(_COLUMNS[column])
    if hashes is None:
        return {}
    known = hashes.notna()
    return dict(zip(rows.loc[known, "image_id"], hashes[known].str[:_DIGITS], strict=True))


def replaced(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the ids, sorted, of files that are not those of before; what one of both does not know is not.

    Args:
        before: As `hashes_of` has returned it.
        now: As it returns it.
    """
    return sorted(image_id for image_id in before.keys() & now.keys() if before[image_id] != now[image_id])


def refuse_other_contents(manifest: dict[str, Any], photos: pd.DataFrame, *, where: Path, again: str) -> None:
    """Refuse what a manifest tells of, if photos or masks have been replaced since; an older one does not say.

    Args:
        manifest: Of an ensemble's result, or of something else made of photos; `contents` is their fingerprint.
        photos: The rows of the image table that it is about, as they are now.
        where: The manifest's file, for the message.
        again: The command that makes it anew, for the message.

    Raises:
        MaskfoldError: If they have.
    """
    if manifest.get("contents") not in (None, contents_fingerprint(photos)):
        raise MaskfoldError(
            f"{where}: photos or masks have been replaced by other files of their names since. Put the old files back, "
            f"or make it anew: {again} names those whose maps have to be predicted again."
        )


def contents_fingerprint(rows: pd.DataFrame) -> str:
    """Return 12 hexadecimal digits that stand for the bytes of every photo and mask, in whatever order the rows are."""
    hashes = [sorted(hashes_of(rows, column).items()) for column in _COLUMNS]
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:12]
