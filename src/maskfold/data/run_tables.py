"""Masks as run lengths in a CSV: where each photo's rows stand, and what they draw."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from maskfold.data.folders import Stray
from maskfold.data.mask_kinds import Index, Item, OneFile, PhotoNames
from maskfold.data.tables import Record, cells_at, columns_of, records
from maskfold.errors import MaskfoldError
from maskfold.masks import rle
from maskfold.masks.rules import Cells, Rules

_KEY = "data.masks.columns"
_LONG = 30  # letters of a cell that a message shows


class Row(NamedTuple):
    """Where a row with runs stands: its number in the file, its bytes there, and the plane of its class."""

    number: int
    offset: int
    length: int
    plane: int


class Rows(NamedTuple):
    """A photo's rows, what tells whether they have changed, and where in them the rules' columns stand."""

    hash: str
    places: tuple[int, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class RunTable(OneFile):
    """Run lengths in a CSV, which may have more columns; rows of one photo and class are united.

    Attributes:
        columns: As order, start and empty, see `maskfold.masks.rules.Rules`.
        order: `rows` or `columns`.
        start: The number of the first pixel, 1 or 0.
        empty: What stands for an empty mask beside an empty cell.
    """

    columns: Mapping[str, str] = field(default_factory=lambda: dict(Rules().columns))
    order: str = "rows"
    start: int = 1
    empty: Any = ""

    def __post_init__(self) -> None:
        """Refuse rules that are none, or of another number of classes."""
        if self.rules.by_class != bool(self.classes):
            raise MaskfoldError(
                f"{_KEY}: "
                + ("{class} needs data.classes" if self.rules.by_class else "no {class} in it")
                + f", and data.classes is {list(self.classes) or 'null'}."
            )

    @cached_property
    def rules(self) -> Rules:
        """How the table is written."""
        try:
            return Rules(columns=dict(self.columns), order=self.order, start=self.start, empty=self.empty)
        except (TypeError, AttributeError, ValueError, MaskfoldError) as error:
            raise MaskfoldError(f"data.masks: {error}") from error

    def index(self, photos: pd.DataFrame) -> Index:
        """Find each photo's rows; a photo without any has an empty mask.

        Raises:
            MaskfoldError: If the file cannot be read, lacks a column, or no row is of one of the photos.
        """
        lines = records(self.path, key="data.masks.file")
        header = next(lines, Record(1, 0, 0, []))
        places = columns_of(self.path, header.cells, self.rules.header, key=_KEY)
        reading = _Reading(self, PhotoNames(photos), tuple(places))
        for record in lines:
            reading.take(record)
        return reading.index(photos["image_id"].tolist())

    def content(self, item: Item) -> Sequence[Any]:
        """Return the rows' digest, how they are read, and the photo's size."""
        return [item.parts.hash, self.order, self.start, self.rules.empty, *self.size_of(item.photo)]

    def draw(self, item: Item) -> np.ndarray:
        """Draw a photo's rows, united by class."""
        height, width = self.size_of(item.photo)
        pixels = np.zeros((len(self.planes), height * width), np.uint8)
        seen = hashlib.sha256()
        with self.path.open("rb") as file:
            for row in item.parts.rows:
                runs = self._runs_at(file, row, item.parts.places)
                _add(seen, row.plane, runs)
                for first, length in self._pairs(row, runs, height, width).tolist():
                    pixels[row.plane, first - 1 : first - 1 + length] = 1
        if seen.hexdigest() != item.parts.hash:
            raise self._changed()
        if self.order == "rows":
            return pixels.reshape(-1, height, width)
        return np.ascontiguousarray(pixels.reshape(-1, width, height).swapaxes(1, 2))

    def _runs_at(self, file: BinaryIO, row: Row, places: Sequence[int]) -> str:
        try:
            cells = cells_at(file, row.offset, row.length)
            return self.rules.read([cells[place] for place in places], self.classes).runs
        except (ValueError, IndexError, MaskfoldError) as error:
            raise self._changed() from error

    def _changed(self) -> MaskfoldError:
        return MaskfoldError(f"{self.path}: changed while it was read. Run the same command again.")

    def _pairs(self, row: Row, runs: str, height: int, width: int) -> np.ndarray:
        """Return a row's runs, counted from 1, which lie in the photo."""
        where = f"{self.path}: row {row.number}"
        try:
            pairs = self.rules.pairs(runs)
        except MaskfoldError as error:
            token = runs.strip()
            hint = f" If {token!r} stands for an empty mask: data.masks.empty={token!r}." if len(token) < _LONG else ""
            raise MaskfoldError(f"{where}: {error}.{hint}") from error
        for fault in rle.faults(pairs, height, width, start=self.start):
            raise MaskfoldError(f"{where}: {fault.text}.{self._way_out(pairs, height * width)}")
        return pairs

    def _way_out(self, pairs: np.ndarray, pixels: int) -> str:
        """Say which rules would fit runs that leave the photo."""
        first, last = int(pairs[:, 0].min()), int((pairs[:, 0] + pairs[:, 1]).max()) - 1
        other = 1 - self.start
        shift = self.start - other  # 1 if numbers are taken for one less than they are
        if first >= 1 and last <= pixels:
            return " A mask's runs ascend and do not overlap; instances of one photo have rows of their own."
        if first + shift >= 1 and last + shift <= pixels:
            return f" With data.masks.start={other} all of its runs would fit."
        return " No order of pixels would fit, by rows or by columns: the mask is of a photo of another size."


class _Reading:
    """What was read of a table so far."""

    def __init__(self, table: RunTable, names: PhotoNames, places: tuple[int, ...]):
        self._table, self._names, self._places = table, names, places
        self._by_file = table.rules.name_of("a.png") == "a.png"
        self._plane = {name: plane for plane, name in enumerate(table.planes)}
        self._rows: dict[str, list[Row]] = {}
        self._hashes: dict[str, Any] = {}
        self._index = Index()
        self._example = ""

    def take(self, record: Record) -> None:
        """Take a row."""
        where = f"{self._table.path}: row {record.number}"
        if len(record.cells) <= max(self._places):
            self._index.strays.append(Stray(where, f"has {len(record.cells)} cells, fewer than the header"))
            return
        try:
            cells, fault = self._read([record.cells[place] for place in self._places])
        except MaskfoldError as error:
            self._index.strays.append(Stray(where, str(error)))
            return
        image_id = self._names.find(cells.photo, by_file=self._by_file)
        if image_id is None:
            self._example = cells.photo
            self._index.orphans.append(f"{where}: {ascii(cells.photo)[:100]}")
        elif fault:
            self._index.faults.setdefault(image_id, f"{where}: {fault}")
        else:
            plane = self._plane[cells.label]
            self._rows.setdefault(image_id, []).append(Row(record.number, record.offset, record.length, plane))
            _add(self._hashes.setdefault(image_id, hashlib.sha256()), plane, cells.runs)

    def index(self, image_ids: list[str]) -> Index:
        """Return what was read, with no rows for photos that have none.

        Raises:
            MaskfoldError: If no row was of a photo, though there are rows.
        """
        if image_ids and self._index.orphans and not self._rows and not self._index.faults:
            raise MaskfoldError(
                f"{self._table.path}: no row is of one of the photos: {self._example!r} is the last one's, and "
                f"{self._names.example!r} is a photo. Name the right file, or mend {_KEY} ({{file}} is a photo's name "
                "with suffix, {image_id} without)."
            )
        nothing = hashlib.sha256().hexdigest()
        for image_id in image_ids:
            hash_ = self._hashes[image_id].hexdigest() if image_id in self._hashes else nothing
            self._index.parts[image_id] = Rows(hash_, self._places, tuple(self._rows.get(image_id, ())))
        return self._index

    def _read(self, cells: list[str]) -> tuple[Cells, str]:
        """Return what a row says, and what is wrong with it though its photo is clear."""
        rules, classes = self._table.rules, self._table.classes
        try:
            return rules.read(cells, classes), ""
        except MaskfoldError:
            if not classes:
                raise
            read = rules.read(cells)  # of whatever class
            return read, f"the class {read.label[:_LONG]!r} is none of data.classes ({', '.join(classes)})."


def _add(hash_: Any, plane: int, runs: str) -> None:
    """Add a row to a photo's digest."""
    hash_.update(f"{plane} {len(runs)} ".encode())
    hash_.update(runs.encode())
