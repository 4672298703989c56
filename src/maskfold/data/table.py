"""The image table: one row per photo, checked once at the door and trusted everywhere behind it."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from maskfold.data.checks import positions, verdicts
from maskfold.data.headers import MOST_PIXELS
from maskfold.data.verdict_cache import KINDS
from maskfold.errors import MaskfoldError, listing
from maskfold.files import CONTROL

_ASPECT_TOLERANCE = 0.01
_ORPHAN = "masks without a photo"
_UNREADABLE = "photos that cannot be read"
_BARE = "train photos without a mask"
_UNUSABLE = "masks that cannot be used"
SCALED = "masks of another size than their photo, in its aspect ratio"
STRETCHED = "masks of another size than their photo, in another aspect ratio"
_STRAY = "links, folders, rows and names among them that no image can have"
_REASONS = ["", _ORPHAN, _UNREADABLE, _BARE, _UNUSABLE, SCALED, STRETCHED]
_FINGERPRINT_ROWS = 2**16  # written at a time, so that the text of millions is never whole in memory


def _is_text(cells: pd.Series) -> pd.Series:
    """Tell of each cell whether it is text; a column of text says so at once, without a look at millions of cells."""
    if isinstance(cells.dtype, pd.StringDtype):
        return cells.notna()
    return cells.map(lambda cell: isinstance(cell, str)).astype(bool)


def _fits_a_line(cells: pd.Series) -> pd.Series:
    """Tell of each cell whether it can stand in a line of a table or of a log."""
    return ~cells.astype("str").str.contains(CONTROL).fillna(value=False).astype(bool)


_text = pa.Check(_is_text, error="must be text")
_one_line = pa.Check(_fits_a_line, error="must be without line breaks and the like")
_named = pa.Check(lambda cells: _is_text(cells) & (cells != ""), error="must be text, not empty")
_maybe_named = pa.Column(checks=_named, nullable=True, required=False)

AUTOMATIC = "automatic"  # a split: photos whose masks no person has looked at; a fold learns from them, no more

SCHEMA = pa.DataFrameSchema(
    {
        "image_id": pa.Column(checks=[_named, _one_line], unique=True),
        "image": pa.Column(checks=_named),
        "mask": _maybe_named,
        "group": pa.Column(checks=[_named, _one_line]),
        "view": pa.Column(checks=[_text, _one_line]),
        "split": pa.Column(checks=pa.Check.isin(["train", "test", AUTOMATIC])),
        "height": pa.Column(np.int64, pa.Check.gt(0)),
        "width": pa.Column(np.int64, pa.Check.gt(0)),
        "image_hash": _maybe_named,
        "mask_hash": _maybe_named,
        "mask_area": pa.Column(np.float64, pa.Check.in_range(0, 1), nullable=True, required=False),
        "cluster": _maybe_named,
        "weight": pa.Column(np.float64, pa.Check.in_range(0, 1, include_min=False), required=False),
        "label": pa.Column(checks=[_named, _one_line], nullable=True, required=False),
        "class_index": pa.Column(np.int64, pa.Check.ge(-1), required=False),
        "coarse": pa.Column(checks=[_named, _one_line], nullable=True, required=False),
        "month": pa.Column(checks=[_named, _one_line], nullable=True, required=False),
    },
)
COLUMNS = list(SCHEMA.columns)
CLUSTER = "cluster"
WEIGHT = "weight"
LABEL = "label"
CLASS_INDEX = "class_index"
COARSE = "coarse"
MONTH = "month"
METADATA = "meta."  # what the names of metadata columns begin with, so that none is taken for one of a stage's own
STRAYS = "strays"  # in a source's table's attrs: what lies in its folders and cannot be an image of it
FAULTS = "faults"  # likewise: by the path that a mask would have, why there is none
_PATHS = ["image", "mask"]
_KIND_OF_PHOTO = {"train": "photo", AUTOMATIC: "photo", "test": "header"}  # how it is looked at
_OF_SOURCE = (CLUSTER, WEIGHT, LABEL, CLASS_INDEX, COARSE, MONTH)  # in a checked table where the source knows them

_log = logging.getLogger(__name__)


def validate(table: pd.DataFrame) -> pd.DataFrame:
    """Check the image table's columns, types and ranges; other columns are free metadata and are called `meta.<name>`.

    Columns: `image_id` (unique), `image` (path), `group` (all photos of one object), `view` ("" where there is none),
    `split` (`train`, `test`, or `automatic`: with a mask that no person has looked at, to learn from and for nothing
    else), `height` and `width` (pixels, upright). These may be absent, or missing in a row: `mask` (path), `mask_area`
    (the share of the mask's pixels that is object), `image_hash` and `mask_hash` (the files' `content_hash`), `cluster`
    (what kind of product, see `maskfold.data.annotations`). `check` gives all but the last, missing where there is no
    mask. `weight` may be absent: how much a photo counts in the loss, above 0 and at most 1. Of photos of products:
    `label` (which one), `class_index` (its number, -1 where there is no label), `coarse` (the kind of product) and
    `month` (of the photo, such as `2026-03`), each but the number missing where it is not known.

    Raises:
        MaskfoldError: If a column is missing, a value is wrong, or a column has another name; the message lists them.
    """
    _refuse_other_columns(table)
    try:
        return SCHEMA.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.sort_values(["column", "index"], kind="stable")
        wrong = [
            f"{case.column or case.failure_case}: {case.failure_case!r}: {case.check}" for case in cases.itertuples()
        ]
        raise MaskfoldError(f"The image table is wrong in {len(wrong)} places:\n{listing(wrong)}") from error


def _refuse_other_columns(table: pd.DataFrame) -> None:
    others = sorted(str(column) for column in {*table.columns} - {*COLUMNS, *metadata_columns(table)})
    if others:
        raise MaskfoldError(
            f"The image table has columns of its source's own: {', '.join(others)}. Metadata is called "
            f"{METADATA}<name>, such as {METADATA}{others[0]}, so that it is never taken for a weight or a label."
        )


def metadata_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the metadata columns."""
    return [column for column in table.columns if str(column).startswith(METADATA)]


def metadata_title(column: str) -> str:
    """Return what a metadata column is called for readers: its own name, unless the image table has one of that."""
    name = column.removeprefix(METADATA)
    return column if name in COLUMNS else name


def fingerprint(table: pd.DataFrame) -> str:
    """Return 12 hexadecimal digits that tell two data sets apart, whatever folder or machine they are on.

    They stand for every image's id, group, split, size and mask area, or label, whatever the order of the rows. The
    files' hashes are no part of them: run folders of older versions hold fingerprints without.
    """
    columns = ["image_id", "group", "split", "height", "width", "mask_area", *([LABEL] if LABEL in table else [])]
    rows = table.reindex(columns=columns).sort_values("image_id")
    digest = hashlib.sha256()
    for start in range(0, max(len(rows), 1), _FINGERPRINT_ROWS):
        some = rows.iloc[start : start + _FINGERPRINT_ROWS]
        text = some.to_csv(index=False, header=start == 0, float_format="%.9f", lineterminator="\n")
        digest.update(text.encode())
    return digest.hexdigest()[:12]


def check(
    table: pd.DataFrame,
    *,
    name: str = "data",
    on_error: str = "raise",
    resize_masks: bool = False,
    max_pixels: int = MOST_PIXELS,
    channels: int | None = None,
    needs_masks: bool = True,
    cache: Path | None = None,
    jobs: int = -1,
) -> pd.DataFrame:
    """Look at every photo and mask of a source's table, and add sizes, hashes and `mask_area`.

    Train photos and masks are decoded wholly; of test photos the header, the end and the hash are looked at.

    Args:
        table: The columns of `validate` but for those added here. `image` is missing for a mask without a photo; there
            may be no column `mask`. What `attrs[STRAYS]` lists is reported as well, and `attrs[FAULTS]` says why masks
            cannot be used that a source could not make.
        name: What messages call the data.
        on_error: `raise`, or `skip` to leave out the images with problems and log how many.
        resize_masks: Accept a mask of another size whose aspect ratio is the photo's (within 1 %).
        max_pixels: The most pixels of a photo or mask; a larger one is refused by its header, before it is decoded.
        channels: How many every photo has, see `maskfold.data.loading.read_image`.
        needs_masks: Whether a train photo without a mask is a problem, as it is for segmentation.
        cache: Where to remember what was seen, see `verdicts`.
        jobs: Processes; -1 is one per core.

    Returns:
        The good rows with all columns of `validate`, its own first.

    Raises:
        MaskfoldError: If images have problems and `on_error` is `raise`, if none is left, `on_error` is unknown, or the
            table has a column of another name.
    """
    if on_error not in ("raise", "skip"):
        raise MaskfoldError(f"data.on_error={on_error}: there are two ways, raise and skip.")
    options = {"max_pixels": max_pixels, "channels": channels, "needs_masks": needs_masks, "cache": cache, "jobs": jobs}
    checked = examine(table, resize_masks=resize_masks, **options)
    strays, checked.attrs = checked.attrs[STRAYS], {}
    problems = checked["problem"]
    if (problems != "").any() or strays:
        rescued = 0 if resize_masks else int((problems == SCALED).sum())
        _report(name, checked, problems, strays, on_error=on_error, rescued=rescued)
    known = [column for column in COLUMNS if column not in _OF_SOURCE or column in table]
    return validate(checked.loc[problems == "", known + metadata_columns(table)].reset_index(drop=True))


def examine(
    table: pd.DataFrame,
    *,
    resize_masks: bool = False,
    max_pixels: int = MOST_PIXELS,
    channels: int | None = None,
    needs_masks: bool = True,
    cache: Path | None = None,
    jobs: int = -1,
) -> pd.DataFrame:
    """Look at every photo and mask of a source's table, and say of each row whether it can be used.

    Args:
        table: As for `check`, as all that follow.
        resize_masks: Whether a mask of another size whose aspect ratio is the photo's is no problem.
        max_pixels: The most pixels of a photo or mask.
        channels: How many every photo has.
        needs_masks: Whether a train photo without a mask is a problem.
        cache: Where to remember what was seen.
        jobs: Processes; -1 is one per core.

    Returns:
        All rows, with what `check` adds and `mask_height` and `mask_width`, `image_error` and `mask_error` (messages,
        "" where all is well), and `problem`, categorical, "" where there is none. Sizes are 0 where a file cannot be
        read. `attrs[STRAYS]` is the source's.

    Raises:
        MaskfoldError: If the table has a column of another name.
    """
    _refuse_other_columns(table)
    strays, faults = table.attrs.get(STRAYS, []), table.attrs.get(FAULTS, {})
    table = table.copy(deep=False)
    table.attrs = {}  # pandas would copy them at every step
    table = table.assign(**{column: table.get(column, pd.Series(dtype="str")).astype("str") for column in _PATHS})
    seen = verdicts(_files(table), max_pixels=max_pixels, channels=channels, cache=cache, jobs=jobs)
    checked = _with_verdicts(table, seen)
    if faults:
        checked["mask_error"] = checked["mask"].map(faults).fillna(checked["mask_error"])
    problems = _problems(checked, needs_masks=needs_masks)
    checked["problem"] = problems.mask(problems == SCALED, "") if resize_masks else problems
    checked.attrs[STRAYS] = strays
    return checked


def problem_of(row: pd.Series) -> str:
    """Return what is wrong with a row of `examine`, as the list of `check` says it; "" where nothing is."""
    return f"{row['problem']}: {_listed(row.to_frame().T, row['problem']).strip()}" if row["problem"] else ""


def _files(table: pd.DataFrame) -> pd.DataFrame:
    """List every file of the table with how it is to be looked at: `path`, `kind`."""
    photos = pd.DataFrame({"path": table["image"], "kind": table["split"].map(_KIND_OF_PHOTO)})
    masks = pd.DataFrame({"path": table["mask"], "kind": "mask"})
    both = [files.astype({"kind": KINDS}).dropna(subset="path") for files in (photos, masks)]
    return pd.concat(both, ignore_index=True)


def _with_verdicts(table: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Add what was seen in each row's files: sizes, hashes, errors and the mask's area.

    Sizes are 0, errors "" and hashes missing where the row has no such file.
    """
    is_mask = seen["kind"] == "mask"
    photos = _answers(table["image"], seen[~is_mask], ["height", "width", "hash", "error"])
    masks = _answers(table["mask"], seen[is_mask], ["height", "width", "hash", "error", "area"])
    photos.columns = ["height", "width", "image_hash", "image_error"]
    masks.columns = ["mask_height", "mask_width", "mask_hash", "mask_error", "mask_area"]
    return pd.concat([table.reset_index(drop=True), photos, masks], axis=1)


def _answers(paths: pd.Series, seen: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return what was seen in each of `paths`, in their order."""
    answers = seen[columns].reset_index(drop=True).reindex(positions(paths, seen["path"])).reset_index(drop=True)
    answers = answers.fillna({"height": 0, "width": 0, "error": ""})
    return answers.astype({"height": np.int64, "width": np.int64})


def _problems(rows: pd.DataFrame, *, needs_masks: bool) -> pd.Series:
    """Return the first thing wrong with each row, "" where nothing is: categorical, of `_REASONS`."""
    bare = rows["mask"].isna()
    same_size = (rows["height"] == rows["mask_height"]) & (rows["width"] == rows["mask_width"])
    stretch = rows["width"] * rows["mask_height"] / (rows["height"] * rows["mask_width"])
    in_order = [
        (_ORPHAN, rows["image"].isna()),
        (_UNREADABLE, rows["image_error"] != ""),
        (_BARE, bare & (rows["split"] != "test") & needs_masks),
        ("", bare),
        (_UNUSABLE, rows["mask_error"] != ""),
        ("", same_size),
        (SCALED, (stretch - 1).abs() <= _ASPECT_TOLERANCE),
        (STRETCHED, ~same_size),
    ]
    codes = np.select([applies for _, applies in in_order], [_REASONS.index(reason) for reason, _ in in_order])
    return pd.Series(pd.Categorical.from_codes(codes, _REASONS))


def _listed(rows: pd.DataFrame, reason: str) -> str:
    """List the files of rows that are wrong for one reason, and what is wrong with each."""
    simple = {_ORPHAN: "mask", _UNREADABLE: "image_error", _BARE: "image", _UNUSABLE: "mask_error"}
    if reason in simple:
        return listing(rows[simple[reason]].array)
    mask_size, size = (
        rows[f"{prefix}width"].astype("str") + "x" + rows[f"{prefix}height"].astype("str") for prefix in ("mask_", "")
    )
    return listing((rows["mask"] + ": " + mask_size + ", its photo " + size).array)


def _report(
    name: str, rows: pd.DataFrame, problems: pd.Series, strays: Sequence[object], *, on_error: str, rescued: int
) -> None:
    """List what is wrong by reason and file: as an error that says both ways out, or in the log."""
    lists = [
        f"{reason} ({len(of_reason)}):\n{_listed(of_reason, reason)}"
        for reason in problems[problems != ""].unique()
        for of_reason in [rows[problems == reason]]
    ]
    if strays:
        lists.append(f"{_STRAY} ({len(strays)}):\n{listing(strays)}")
    wrong = int((problems != "").sum())
    left = len(problems) - wrong
    count = f"{wrong} of {len(problems)} images" + (f" and {len(strays)} other things" if strays else "")
    if on_error == "skip" and left:
        _log.warning("%s: left out %s (data.on_error=skip), %d remain.\n%s", name, count, left, "\n".join(lists))
        return
    ways = ["Mend or remove the files"]
    if left:
        ways.append(f"leave these out with data.on_error=skip ({left} remain)")
    if rescued:
        ways.append(f"accept {rescued} of these masks, resized by nearest neighbour, with data.resize_masks=true")
    raise MaskfoldError("\n".join([f"{name}: {count} cannot be used.", *lists, f"{', or '.join(ways)}."]))
