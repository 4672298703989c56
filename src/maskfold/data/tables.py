"""Tables of others, row by row: CSV files whose cells may be longer than memory should hold all of."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from maskfold.errors import MaskfoldError

csv.field_size_limit(sys.maxsize)  # the run lengths of a large photo are longer than Python's limit of 131,072


class Record(NamedTuple):
    """A row of a table.

    Attributes:
        number: As a spreadsheet counts: the header is row 1.
        offset: Where it begins in the file, bytes.
        length: Of its text, bytes.
        cells: What stands in it.
    """

    number: int
    offset: int
    length: int
    cells: list[str]


def records(path: Path, *, key: str) -> Iterator[Record]:
    """Yield the rows of a CSV file, the header first; those without a cell are passed over.

    Args:
        path: The file, UTF-8 with or without a byte-order mark.
        key: What names it, for messages.

    Raises:
        MaskfoldError: If the file is not there, is not UTF-8 or is no CSV.
    """
    number = offset = 0
    try:
        with path.open("rb") as file:
            lines = _Lines(file)
            for number, cells in enumerate(csv.reader(lines, strict=True), 1):
                if cells:
                    yield Record(number, offset, lines.end - offset, cells)
                offset = lines.end
    except OSError as error:
        raise MaskfoldError(f"{path}: cannot be read: {error.strerror}. Name the right file: {key}=.") from error
    except UnicodeDecodeError as error:
        raise MaskfoldError(f"{path}: row {number + 1} is not UTF-8. Save the file as UTF-8.") from error
    except csv.Error as error:
        raise MaskfoldError(f"{path}: row {number + 1} is no row of a CSV file: {error}. Mend the file.") from error


def cells_at(file: BinaryIO, offset: int, length: int) -> list[str]:
    """Return the cells of the row that stands at an offset, see `Record`.

    Raises:
        ValueError: If there is no such row any more.
    """
    file.seek(offset)
    text = file.read(length).decode()
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (csv.Error, StopIteration) as error:
        raise ValueError(str(error)) from error


def columns_of(path: Path, header: list[str], names: tuple[str, ...], *, key: str) -> list[int]:
    """Return where columns stand in a table.

    Raises:
        MaskfoldError: If one is missing, or is there twice.
    """
    for name in names:
        if header.count(name) != 1:
            wrong = "no column" if name not in header else "several columns"
            raise MaskfoldError(
                f"{path}: {wrong} {name!r}, which {key} names; there are {', '.join(map(repr, header[:20]))}."
            )
    return [header.index(name) for name in names]


class _Lines:
    """The lines of a file as text; `end` is where the last one ends, in bytes."""

    def __init__(self, file: BinaryIO):
        self.end = 0
        self._file = file

    def __iter__(self) -> Iterator[str]:
        for line in self._file:
            text = line.decode("utf-8-sig" if self.end == 0 else "utf-8")
            self.end += len(line)
            yield text
