"""Submission files: `img,rle_mask`, one row for each image, written reproducibly and read row by row."""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, is_file_name
from maskfold.masks.rules import Rules

HEADER = ("img", "rle_mask")

csv.field_size_limit(sys.maxsize)  # a mask's run lengths may be longer than the module expects of a field


def write_submission(path: Path, rows: Iterable[tuple[str, ...]], rules: Rules | None = None) -> None:
    """Write a gzip-compressed submission; the same rows give the same bytes.

    Args:
        path: Where to, usually `submission.csv.gz`; the file is either whole or absent.
        rows: `(img, rle_mask)`, the image's file name and its mask as run-length pairs; with rules
            `(file, class, text)`, the class being empty where there is only one; consumed lazily.
        rules: How a row is written; None for the Carvana challenge's.

    Raises:
        MaskfoldError: The file cannot be written, two photos have one file name, or a name has a line break in it.
    """
    # No name and no time in the gzip header: both would change bytes that say nothing of the masks.
    with (
        atomic_path(path) as part,
        part.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as file,
        io.TextIOWrapper(file, encoding="utf-8", newline="") as text,
    ):
        table = csv.writer(text, lineterminator="\n")
        table.writerow(rules.header if rules else HEADER)
        written: set[tuple[str, str]] = set()
        for image, *label, rle in rows:
            if (image, *label) in written:
                raise MaskfoldError(
                    f"{path}: two photos are called {image}, and a submission names photos by their files. Rename one."
                )
            if not is_file_name(image):
                raise MaskfoldError(f"{path}: a photo is called {image!a}, which no table can hold. Rename it.")
            written.add((image, *label))
            table.writerow(rules.row(image, rle, *label) if rules else (image, rle))


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


def read_submission(path: Path) -> Iterator[tuple[str, str]]:
    """Read `(img, rle_mask)` row by row from a `.csv` or `.csv.gz`.

    Raises:
        MaskfoldError: The file cannot be read, has another header, or a row does not have two columns.
    """
    lines = read_lines(path)
    header = next(lines, [])
    if tuple(header) != HEADER:
        raise MaskfoldError(f"{path}, line 1: the header is {','.join(header)[:60]!r}, not {','.join(HEADER)!r}")
    for number, fields in enumerate(lines, start=2):
        if len(fields) != len(HEADER):
            raise MaskfoldError(f"{path}, line {number}: {len(fields)} columns instead of {len(HEADER)}")
        yield fields[0], fields[1]
