"""Where each photo's mask goes: shipped, reviewed or rejected. `routes.parquet`, a row a photo, and the maps behind it.

Whoever reviews, stores or watches reads this file and nothing else, so it is checked whole when it is read: it may come
from another machine, and names files.
"""

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from maskfold.data.headers import image_size
from maskfold.data.windows import is_large
from maskfold.ensembling.average import average_probabilities, integer_weights, spoken
from maskfold.errors import MaskfoldError, listing
from maskfold.files import atomic_path, check_inside, locked, read_table
from maskfold.prediction.store import read_map
from maskfold.quality.names import REJECT as REJECT
from maskfold.quality.names import REVIEW as REVIEW
from maskfold.quality.names import ROUTE_NAMES as ROUTE_NAMES
from maskfold.quality.names import SHIP as SHIP
from maskfold.storage import is_address

ROUTES = "routes.parquet"
MEASURE = "measure."  # what the names of the measures' columns begin with
_TEXT = ("image_id", "photo", "maps", "route", "reason", "model", "made")
_MAYBE_TEXT = ("photo_hash", "cluster", "group")  # missing where nobody knows it
_NUMBERS = ("score", "iou")  # NaN where there is none
COLUMNS = ("image_id", "photo", "photo_hash", "maps", *_NUMBERS, "cluster", "group", "route", "reason", "model", "made")
_MAP_KEYS = {"name", "path", "weight"}
_MOST_WEIGHT = 10**6
_LOCK_WAIT = 60.0  # seconds for another process that adds rows


class NamedMap(NamedTuple):
    """One proposal of a photo's mask.

    Attributes:
        name: What a screen calls it: the member's name.
        path: Its file, relative to the routes' folder or absolute.
        weight: Its share of the mean, in proportion; 0 for one that is shown and does not count.
    """

    name: str
    path: str
    weight: Fraction


def maps_text(maps: Iterable[tuple[str, str, Fraction | int]]) -> str:
    """Return the cell of the column `maps` of `(name, path, share)`: JSON, with whole numbers for the shares."""
    names, paths, shares = zip(*maps, strict=True)
    weights = integer_weights([Fraction(share) for share in shares])
    rows = zip(names, paths, weights, strict=True)
    return json.dumps([dict(zip(("name", "path", "weight"), row, strict=True)) for row in rows])


def parse_maps(text: object) -> list[NamedMap]:
    """Return what `maps_text` was made of.

    Raises:
        ValueError: If it is not: no JSON, no list, a key too few or too many, a name twice, a negative weight.
    """
    try:
        rows = json.loads(text) if isinstance(text, str) else None
    except RecursionError as error:
        raise ValueError("JSON that is nested beyond reason") from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and {*row} == _MAP_KEYS for row in rows):
        raise ValueError("no JSON list of {name, path, weight}")
    maps = [_named_map(row) for row in rows]
    if len({one.name for one in maps}) < len(maps):
        raise ValueError("two maps of one name")
    if not any(one.weight for one in maps):
        raise ValueError("all weights are 0")
    return maps


def _named_map(row: dict[str, Any]) -> NamedMap:
    name, path, weight = row["name"], row["path"], row["weight"]
    if not all(isinstance(text, str) and text and text.isprintable() for text in (name, path)):
        raise ValueError("a name or path that is no text of one line")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= _MOST_WEIGHT:
        raise ValueError(f"weight {weight!r}, which is no number from 0 to {_MOST_WEIGHT:,}")
    return NamedMap(name, path, Fraction(str(weight)))


def read_routes(path: Path, *, look_for_files: bool = True) -> pd.DataFrame:
    """Read a table of routes.

    Args:
        path: The file.
        look_for_files: Whether the photos and maps have to be there; addresses are not looked for.

    Returns:
        The `COLUMNS`, then the measures, `measure.<name>`.

    Raises:
        MaskfoldError: If it is missing, damaged, lacks a column, or a row is wrong or leads to no file; the message
            names the rows.
    """
    table = read_table(path, again="Run make quality, or the cut-outs, again.")
    _check(table, path)
    if look_for_files:
        _refuse_missing(table, path)
    measures = [column for column in table.columns if column.startswith(MEASURE)]
    return table[[*COLUMNS, *measures]]


def write_routes(path: Path, table: pd.DataFrame) -> None:
    """Write a table of routes, whole or not at all.

    Raises:
        MaskfoldError: If a column is missing or a row is wrong, as in `read_routes`, or it cannot be written.
    """
    _check(table, path)
    with atomic_path(path) as part:
        _typed(table).to_parquet(part, index=False)


def append_routes(path: Path, rows: pd.DataFrame) -> None:
    """Add rows to a table of routes, or begin one; a photo that is there already gets its new row.

    One process at a time does so; another waits.

    Raises:
        MaskfoldError: As `read_routes` and `write_routes`.
    """
    with locked(path.parent, wait=_LOCK_WAIT):
        if path.exists():
            before = read_routes(path, look_for_files=False)
            kept = before[~before["image_id"].isin(rows["image_id"])]
            rows = pd.concat([kept, rows], ignore_index=True) if len(kept) else rows
        write_routes(path, rows)


def proposals(row: Any, folder: Path) -> dict[str, np.ndarray]:
    """Return the maps of a photo by name, `(H, W) uint8` each, all of one size.

    Args:
        row: A row of `read_routes`, as `itertuples` or `iterrows` yields it.
        folder: The folder of the routes.

    Raises:
        MaskfoldError: If a map is missing, damaged, of several classes, very large, or of another size than the others.
    """
    maps = {one.name: _read(folder / one.path, row.image_id) for one in _maps_of(row)}
    sizes = {one.shape for one in maps.values()}
    if len(sizes) > 1:
        listed = " and ".join(sorted(map(spoken, sizes)))
        raise MaskfoldError(f"{row.image_id}: its maps have different sizes, {listed}. Predict its members again.")
    return maps


def mean_map(row: Any, folder: Path) -> np.ndarray:
    """Return the weighted mean of a photo's maps, `(H, W) uint8`; arguments and errors as `proposals`."""
    weights = integer_weights([one.weight for one in _maps_of(row)])
    return average_probabilities(proposals(row, folder).values(), weights)


def _maps_of(row: Any) -> list[NamedMap]:
    try:
        return parse_maps(row.maps)
    except ValueError as error:
        raise MaskfoldError(f"{row.image_id}: the column maps holds {error}. Make the routes again.") from error


def _read(path: Path, image_id: str) -> np.ndarray:
    if path.is_file() and is_large(*image_size(path)):
        raise MaskfoldError(f"{path}: very large, and so not shown whole. Correct {image_id} in a program of its own.")
    probability = read_map(path)
    if probability.ndim != 2:
        raise MaskfoldError(f"{path}: a map of {len(probability)} classes; routes are of masks of one object.")
    return probability


def _check(table: pd.DataFrame, path: Path) -> None:
    """Refuse a table whose columns or rows are not those of routes."""
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise MaskfoldError(f"{path}: no table of routes: it lacks {', '.join(missing)}. Make it with make quality.")
    numbers = [*_NUMBERS, *(column for column in table if str(column).startswith(MEASURE))]
    odd = [column for column in numbers if not pd.api.types.is_numeric_dtype(table[column]) and len(table)]
    if odd:
        raise MaskfoldError(f"{path}: {', '.join(odd)}: no numbers. Make the table again.")
    faults = [f"row {number}: {fault}" for number, fault in enumerate(map(_fault, table.itertuples())) if fault]
    twice = table["image_id"][table["image_id"].duplicated()]
    faults += [f"{image_id}: in two rows" for image_id in twice]
    if faults:
        raise MaskfoldError(f"{path}: {len(faults)} faults:\n{listing(faults)}\nMake the table again.")


def _fault(row: Any) -> str:
    """Return what is wrong with a row, or nothing."""
    for column in _TEXT:
        if not isinstance(getattr(row, column), str):
            return f"{column} is no text"
    for column in _MAYBE_TEXT:
        value = getattr(row, column)
        if not isinstance(value, str) and not pd.isna(value):
            return f"{column} is no text"
    if row.route not in ROUTE_NAMES:
        return f"route {row.route!r}, which is none of {', '.join(ROUTE_NAMES)}"
    try:  # reviews are files of this name
        check_inside(row.image_id, what="image_id")
        parse_maps(row.maps)
    except (MaskfoldError, ValueError) as error:
        return f"{row.image_id!r}: {error}"
    return ""


def _refuse_missing(table: pd.DataFrame, path: Path) -> None:
    missing = [
        f"{row.image_id}: {name}"
        for row in table.itertuples()
        for name in _files_of(row)
        if not is_address(name) and not (path.parent / name).is_file()
    ]
    if missing:
        raise MaskfoldError(
            f"{path}: {len(missing)} files that it names are not there:\n{listing(missing)}\n"
            "Put them back, move the table back to its folder, or make it again."
        )


def _files_of(row: Any) -> Sequence[str]:
    return [row.photo, *(one.path for one in parse_maps(row.maps))]


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose columns have the same types whatever is missing in them."""
    texts = dict.fromkeys((*_TEXT, *_MAYBE_TEXT), "str")
    numbers = [*_NUMBERS, *(column for column in table if str(column).startswith(MEASURE))]
    return table.astype(texts | dict.fromkeys(numbers, "float64"))
