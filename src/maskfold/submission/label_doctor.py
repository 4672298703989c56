"""The check of a submission of labels before its upload: what would be refused, and where it is."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maskfold.data.class_table import ClassTable
from maskfold.submission.findings import Findings, Report
from maskfold.submission.labels import LabelShape
from maskfold.submission.writer import read_lines

_TOLERANCE = 1e-3  # by which a photo's probabilities may miss one, rounded as they are


def examine_labels(
    submission: Path, shape: LabelShape, classes: ClassTable, *, wanted: Sequence[str], ordered: bool
) -> Report:
    """Check a submission row by row.

    Args:
        submission: `.csv` or `.csv.gz`.
        shape: How it has to be written.
        classes: The data's.
        wanted: What the photos are called that need a row each.
        ordered: Whether in this order, which is the sample's.

    Raises:
        MaskfoldError: If the file cannot be read at all.
    """
    errors, warnings = Findings(), Findings()
    names, cells = _Names(wanted, shape, errors, ordered=ordered), _Cells(shape, classes, errors, warnings)
    lines = read_lines(submission)
    first = tuple(next(lines, []))
    if first != shape.header:
        errors.add("header", _headers(first, shape.header))
    number = 1
    for number, fields in enumerate(lines, start=2):
        if len(fields) != len(shape.header):
            errors.add("columns", f"line {number} has {len(fields)} columns, not {len(shape.header)}")
            continue
        names.check(number, fields[0])
        cells.check(number, fields)
    if number == 1:
        errors.add("rows", "there is none below the header")
    names.finish()
    cells.finish()
    return Report(len(names.seen), None, errors.messages(), warnings.messages())


def _headers(first: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    if {*first} == {*wanted}:
        place = next(place for place, pair in enumerate(zip(first, wanted, strict=False)) if pair[0] != pair[1])
        return f"line 1 has the columns in another order: column {place + 1} is {first[place]!r}, not {wanted[place]!r}"
    return f"line 1 is {','.join(first)[:60]!r}, not {','.join(wanted)[:60]!r}"


class _Names:
    """Photos against those that are wanted: unknown, double, missing and misplaced rows."""

    def __init__(self, wanted: Sequence[str], shape: LabelShape, errors: Findings, *, ordered: bool) -> None:
        self.places = {name: place for place, name in enumerate(wanted)}
        self.column, self.errors, self.ordered = shape.id_column, errors, ordered
        self.seen: dict[str, int] = {}
        self.last = -1

    def check(self, line: int, name: str) -> None:
        """Look at one row's photo."""
        where = f"line {line}, column {self.column}: {name!r}"
        if name in self.seen:
            self.errors.add("double images", f"{where} is already in line {self.seen[name]}")
            return
        self.seen[name] = line
        place = self.places.get(name)
        if place is None:
            known = "in the sample submission" if self.ordered else "a test photo of the data"
            self.errors.add("unknown images", f"{where} is not {known}")
            return
        if self.ordered and place < self.last:
            self.errors.add("order", f"{where} is before the image in front of it, in the sample")
        self.last = place

    def finish(self) -> None:
        """Say which rows there should be."""
        for name in self.places:
            if name not in self.seen:
                self.errors.add("missing images", f"column {self.column}: {name!r} has no row")


class _Cells:
    """The labels, or the probabilities of all."""

    def __init__(self, shape: LabelShape, classes: ClassTable, errors: Findings, warnings: Findings) -> None:
        self.shape, self.errors, self.warnings = shape, errors, warnings
        self.active = dict(zip(classes.labels, classes.active(), strict=True))
        self.answered: set[str] = set()
        self.rows = 0

    def check(self, line: int, fields: Sequence[str]) -> None:
        """Look at what one row answers."""
        self.rows += 1
        if self.shape.labels:
            self._check_probabilities(f"line {line}, {fields[0]}", fields[1:])
        else:
            self._check_labels(f"line {line}, {fields[0]}, column {self.shape.column}", fields[1])

    def _check_labels(self, where: str, cell: str) -> None:
        if not cell.strip():
            self.errors.add("empty labels", f"{where}: there is none")
            return
        labels = cell.split(" ") if self.shape.best > 1 else [cell]
        if len(labels) > self.shape.best:
            self.errors.add("too many labels", f"{where}: {len(labels)}, and {self.shape.best} count")
        if len({*labels}) < len(labels):
            self.errors.add("double labels", f"{where}: {cell[:60]!r} has one twice")
        for label in labels:
            if label not in self.active:
                self.errors.add("unknown labels", f"{where}: {label[:60]!r} is no label of the data{self._near(label)}")
            elif not self.active[label]:
                self.warnings.add("retired labels", f"{where}: {label!r} is retired")
        self.answered.add(cell)

    def _near(self, label: str) -> str:
        tidy = {known.strip().casefold(): known for known in self.active}
        near = tidy.get(label.strip().casefold())
        return f", which has {near!r}" if near else ""

    def _check_probabilities(self, where: str, cells: Sequence[str]) -> None:
        try:
            values = np.array(cells, np.float64)
        except ValueError:
            place = next(place for place, cell in enumerate(cells) if not _is_number(cell))
            what = repr(cells[place][:60]) if cells[place].strip() else "an empty cell"
            self.errors.add("not a number", f"{where}, column {self.shape.labels[place]}: {what}")
            return
        wrong = ~np.isfinite(values)
        if wrong.any():
            place = int(wrong.argmax())
            self.errors.add("not a number", f"{where}, column {self.shape.labels[place]}: {cells[place]!r}")
            return
        outside = (values < 0) | (values > 1)
        if outside.any():
            place = int(outside.argmax())
            self.errors.add("range", f"{where}, column {self.shape.labels[place]}: {cells[place]} is not from 0 to 1")
        elif abs(values.sum() - 1) > _TOLERANCE:
            self.errors.add("sums", f"{where}: its probabilities add up to {values.sum():.6g}, not to 1")
        self.answered.add(self.shape.labels[int(values.argmax())])

    def finish(self) -> None:
        """Say whether every photo has one answer."""
        if self.rows > 1 and len(self.answered) == 1:
            (only,) = self.answered
            self.warnings.add("one answer", f"all {self.rows} photos are answered with {only[:60]!r}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
