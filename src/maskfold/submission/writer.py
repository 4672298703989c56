"""Submission files: a row for each mask as the rules have it, written reproducibly and read row by row."""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, is_file_name
from maskfold.masks.rules import Cells, Rules
from maskfold.submission.shape import Shape

LEVEL = 3  # of gzip: a third of the time that 6 takes, and a quarter more bytes
_QUOTED = ',"\n\r'  # whatever of a cell the csv module may put in quotes for

csv.field_size_limit(sys.maxsize)  # a mask's run lengths may be longer than the module expects of a field


def rows_of(
    photos: Iterable[str], masks: Iterable[Sequence[str]], classes: Sequence[str], *, order: Sequence[str] = ()
) -> Iterator[tuple[str, str, str]]:
    """Yield the rows `(file, label, text)` that `write_submission` takes.

    Args:
        photos: Their file names.
        masks: For each of them a text, or one for each of several classes.
        classes: The names of several classes, none for one.
        order: That in which a photo's classes are written; their own unless given.
    """
    labels = classes or ("",)
    for file, texts in zip(photos, masks, strict=True):
        by_label = dict(zip(labels, texts, strict=True))
        for label in order or labels:
            yield file, label, by_label[label]


def write_submission(path: Path, rows: Iterable[tuple[str, str, str]], rules: Rules | None = None) -> None:
    """Write a gzip-compressed submission; the same rows give the same bytes.

    Args:
        path: Where to, usually `submission.csv.gz`; the file is either whole or absent.
        rows: `(file, label, text)`: the photo's file name, the class ("" where there is only one) and its mask as
            `rules` write it; consumed lazily.
        rules: How rows are written; None for the Carvana challenge's.

    Raises:
        MaskfoldError: The file cannot be written, two photos have one name, or a name has a line break in it.
    """
    rules = rules or Rules()

    def checked() -> Iterator[Sequence[str]]:
        written: set[tuple[str, str]] = set()
        for image, label, runs in rows:
            name = rules.name_of(image)
            if (name, label) in written:
                raise MaskfoldError(
                    f"{path}: two photos are called {name}, and a submission names photos by their files. Rename one."
                )
            if not is_file_name(image):
                raise MaskfoldError(f"{path}: a photo is called {image!a}, which no table can hold. Rename it.")
            written.add((name, label))
            yield rules.row(image, runs, label)

    write_table(path, rules.header, checked())


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a gzip-compressed table; the same rows give the same bytes.

    Args:
        path: Where to; the file is either whole or absent.
        header: The names of the columns.
        rows: The cells; consumed lazily.

    Raises:
        MaskfoldError: If the file cannot be written.
    """
    # No name and no time in the gzip header: both would change bytes that say nothing of the rows.
    with (
        atomic_path(path) as part,
        part.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=LEVEL, mtime=0) as file,
        io.TextIOWrapper(file, encoding="utf-8", newline="") as text,
    ):
        table = csv.writer(text, lineterminator="\n")
        table.writerow(header)
        for row in rows:
            # The module looks at every character, which takes longer than to compress them.
            if len(row) > 1 and not any(mark in cell for cell in row for mark in _QUOTED):
                text.write(f"{','.join(row)}\n")
            else:
                table.writerow(row)


def read_lines(path: Path) -> Iterator[list[str]]:
    """Read the fields of every line of a `.csv` or `.csv.gz`, the header included, whatever they are.

    Raises:
        MaskfoldError: The file is missing, cut short, no gzip file, no text or no table.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise MaskfoldError(f"{path}: cannot be read ({error}). Is it a whole .csv or .csv.gz file?") from error


def read_submission(path: Path, shape: Shape | None = None) -> Iterator[Cells]:
    """Read photo, class and runs row by row from a `.csv` or `.csv.gz`.

    Args:
        path: The file.
        shape: How it is written; None for the Carvana challenge's.

    Raises:
        MaskfoldError: The file cannot be read, has another header, or a row is not of its form.
    """
    rules, classes = (shape.rules, shape.classes) if shape else (Rules(), ())
    lines = read_lines(path)
    header = next(lines, [])
    if tuple(header) != rules.header:
        raise MaskfoldError(f"{path}, line 1: the header is {','.join(header)[:60]!r}, not {','.join(rules.header)!r}")
    for number, fields in enumerate(lines, start=2):
        if len(fields) != len(rules.header):
            raise MaskfoldError(f"{path}, line {number}: {len(fields)} columns instead of {len(rules.header)}")
        try:
            yield rules.read(fields, classes)
        except MaskfoldError as error:
            raise MaskfoldError(f"{path}, line {number}: {error}") from error
