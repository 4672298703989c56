"""The image table: one row per photo, checked once at the door and trusted everywhere behind it."""

import hashlib
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from maskfold.data.checks import verdicts
from maskfold.errors import MaskfoldError, listing

_ASPECT_TOLERANCE = 0.01
_SCALED = "masks of another size than their photo, in its aspect ratio"

_text = pa.Check(lambda cell: isinstance(cell, str), element_wise=True, error="must be text")
_named = pa.Check(lambda cell: isinstance(cell, str) and cell != "", element_wise=True, error="must be text, not empty")

SCHEMA = pa.DataFrameSchema(
    {
        "image_id": pa.Column(checks=_named, unique=True),
        "image": pa.Column(checks=_named),
        "mask": pa.Column(checks=_named, nullable=True),
        "group": pa.Column(checks=_named),
        "view": pa.Column(checks=_text),
        "split": pa.Column(checks=pa.Check.isin(["train", "test"])),
        "height": pa.Column(np.int64, pa.Check.gt(0)),
        "width": pa.Column(np.int64, pa.Check.gt(0)),
        "mask_area": pa.Column(np.float64, pa.Check.in_range(0, 1), nullable=True),
    },
)
COLUMNS = list(SCHEMA.columns)

_log = logging.getLogger(__name__)


def validate(table: pd.DataFrame) -> pd.DataFrame:
    """Check the image table's columns, types and ranges; other columns are free metadata.

    Columns: `image_id` (unique), `image` and `mask` (paths; a missing mask is None), `group` (all photos of one
    object), `view` ("" where there is none), `split` (`train` or `test`), `height` and `width` (pixels, upright),
    `mask_area` (the share of the mask's pixels that is object, NaN without a mask).

    Raises:
        MaskfoldError: If a column is missing or a value is wrong; the message lists them.
    """
    try:
        return SCHEMA.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.sort_values(["column", "index"], kind="stable")
        wrong = [
            f"{case.column or case.failure_case}: {case.failure_case!r}: {case.check}" for case in cases.itertuples()
        ]
        raise MaskfoldError(f"The image table is wrong in {len(wrong)} places:\n{listing(wrong)}") from error


def fingerprint(table: pd.DataFrame) -> str:
    """Return 12 hexadecimal digits that tell two data sets apart, whatever folder or machine they are on.

    They stand for every image's id, group, split, size and mask area, whatever the order of the rows.
    """
    columns = ["image_id", "group", "split", "height", "width", "mask_area"]
    text = table[columns].sort_values("image_id").to_csv(index=False, float_format="%.9f", lineterminator="\n")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check(
    table: pd.DataFrame,
    *,
    name: str = "data",
    on_error: str = "raise",
    resize_masks: bool = False,
    cache: Path | None = None,
    jobs: int = -1,
) -> pd.DataFrame:
    """Look at every photo and mask of a source's table, and add `height`, `width` and `mask_area`.

    Train photos and masks are decoded wholly; of test photos only the header and the end are read.

    Args:
        table: The columns of `validate` but for those added here. `image` is None for a mask without a photo.
        name: What messages call the data.
        on_error: `raise`, or `skip` to leave out the images with problems and log how many.
        resize_masks: Accept a mask of another size whose aspect ratio is the photo's (within 1 %).
        cache: Where to remember what was found, see `verdicts`.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If images have problems and `on_error` is `raise`, if none is left, or `on_error` is unknown.
    """
    if on_error not in ("raise", "skip"):
        raise MaskfoldError(f"data.on_error={on_error}: there are two ways, raise and skip.")
    looked_at = _with_verdicts(table, verdicts(_files(table), cache=cache, jobs=jobs))
    problems = [_problem(row) for row in looked_at.itertuples()]
    scaled = sum(problem is not None and problem[0] == _SCALED for problem in problems)
    if resize_masks:
        problems = [None if problem is not None and problem[0] == _SCALED else problem for problem in problems]
    good = looked_at[[problem is None for problem in problems]].reset_index(drop=True)
    if len(good) < len(table):
        _report(name, problems, on_error=on_error, rescued=0 if resize_masks else scaled)
    free = [column for column in table.columns if column not in COLUMNS]
    return validate(good[COLUMNS + free])


def _files(table: pd.DataFrame) -> pd.DataFrame:
    """List every file of the table once with how it is to be looked at: `path`, `kind`."""
    photos = pd.DataFrame({"path": table["image"], "kind": table["split"].map({"train": "photo", "test": "header"})})
    masks = pd.DataFrame({"path": table["mask"], "kind": "mask"})
    return pd.concat([photos, masks]).dropna(subset="path").reset_index(drop=True)


def _with_verdicts(table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Add what was found in each row's files: `height`, `width`, `mask_height`, `mask_width`, `mask_area`, errors.

    Sizes are 0 and errors "" where the row has no such file.
    """
    of_mask = found["kind"] == "mask"
    photos = found.loc[~of_mask, ["path", "height", "width", "error"]].drop_duplicates("path")
    masks = found.loc[of_mask, ["path", "height", "width", "area", "error"]]
    photos.columns = ["image", "height", "width", "image_error"]
    masks.columns = ["mask", "mask_height", "mask_width", "mask_area", "mask_error"]
    looked_at = table.merge(photos, on="image", how="left").merge(masks, on="mask", how="left")
    sizes = ["height", "width", "mask_height", "mask_width"]
    looked_at[sizes] = looked_at[sizes].fillna(0).astype(np.int64)
    looked_at[["image_error", "mask_error"]] = looked_at[["image_error", "mask_error"]].fillna("")
    for column in ("image", "mask"):
        looked_at[column] = looked_at[column].astype(object).where(looked_at[column].notna(), None)
    return looked_at


def _problem(row: tuple) -> tuple[str, str] | None:
    """Return the first thing wrong with a row as (reason, detail), or None."""
    if row.image is None:
        return "masks without a photo", row.mask
    if row.image_error:
        return "photos that cannot be read", row.image_error
    if row.mask is None:
        return ("train photos without a mask", row.image) if row.split == "train" else None
    if row.mask_error:
        return "masks that cannot be used", row.mask_error
    if (row.height, row.width) == (row.mask_height, row.mask_width):
        return None
    detail = f"{row.mask}: {row.mask_width}x{row.mask_height}, its photo {row.width}x{row.height}"
    stretch = row.width * row.mask_height / (row.height * row.mask_width)
    if abs(stretch - 1) <= _ASPECT_TOLERANCE:
        return _SCALED, detail
    return "masks of another size than their photo, in another aspect ratio", detail


def _report(name: str, problems: list[tuple[str, str] | None], *, on_error: str, rescued: int) -> None:
    """List what is wrong by reason and file: as an error that says both ways out, or in the log."""
    details: dict[str, list[str]] = {}
    for reason, detail in filter(None, problems):
        details.setdefault(reason, []).append(detail)
    wrong, left = sum(map(len, details.values())), problems.count(None)
    lists = "\n".join(f"{reason} ({len(found)}):\n{listing(found)}" for reason, found in details.items())
    if on_error == "skip" and left:
        _log.warning(
            "%s: left out %d of %d images (data.on_error=skip), %d remain.\n%s", name, wrong, len(problems), left, lists
        )
        return
    ways = ["Mend or remove the files"]
    if left:
        ways.append(f"leave these images out with data.on_error=skip ({left} remain)")
    if rescued:
        ways.append(f"accept {rescued} of these masks, resized by nearest neighbour, with data.resize_masks=true")
    raise MaskfoldError(f"{name}: {wrong} of {len(problems)} images cannot be used.\n{lists}\n{', or '.join(ways)}.")
