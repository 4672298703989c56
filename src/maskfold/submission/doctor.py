"""The check of a submission before its upload: what would be refused, what would score badly, and where it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Cells
from maskfold.parallel import map_unordered
from maskfold.submission.findings import Findings, Report
from maskfold.submission.mask_doctor import MaskFindings, SubmissionRow, check_masks
from maskfold.submission.orientation import Chosen
from maskfold.submission.sample import Sample
from maskfold.submission.shape import Shape
from maskfold.submission.writer import read_lines

_PART = 2**22  # characters of masks that are looked at together: a tenth of a second's work
_MOST_ROWS = 4096  # likewise, where they are short

Part = TypeVar("Part")
Result = TypeVar("Result")

Sizes = tuple[int, int] | Mapping[str, tuple[int, int]]


def examine(
    submission: Path,
    sample: Path | None,
    *,
    sizes: Sizes,
    shape: Shape | None = None,
    watch: Chosen | None = None,
    jobs: int = 1,
) -> Report:
    """Check a submission row by row; only the names of its images are kept in memory.

    This process reads it and looks at the names, others look at the masks.

    Args:
        submission: `.csv` or `.csv.gz`.
        sample: The competition's sample submission, whose images are wanted in its order; None to skip that check.
        sizes: `(height, width)` of every image in pixels, or that of each by `image_id`.
        shape: How it has to be written; None for the Carvana challenge's.
        watch: Is given the masks without faults that it may keep.
        jobs: Processes, see `maskfold.parallel.map_unordered`; what is found does not depend on it.

    Raises:
        MaskfoldError: One of the files cannot be read at all, or the sample is no submission.
    """
    shape = shape or Shape()
    rows = _Rows(submission, Sample(sample, shape) if sample else None, sizes, shape, watch)
    masks = MaskFindings()
    for part in _in_order(partial(check_masks, shape=shape), rows.parts(), jobs=jobs):
        masks.take(part)
        if watch is not None:
            for image_id, label, runs in part.watched:
                watch(image_id, label, runs)
    rows.finish()
    masks.finish(shape)
    errors = rows.errors
    errors.take(masks.errors)
    return Report(rows.images, masks.empty, errors.messages(), masks.warnings.messages())


def _in_order(function: Callable[[Part], Result], parts: Iterator[Part], *, jobs: int) -> Iterator[Result]:
    """Yield `function(part)` for every part in their order, whichever is done first; these are few at any time."""
    done, number = {}, 0
    for place, result in map_unordered(
        partial(_numbered, function), enumerate(parts), "masks", unit="parts", jobs=jobs
    ):
        done[place] = result
        while number in done:
            yield done.pop(number)
            number += 1


def _numbered(function: Callable[[Part], Result], item: tuple[int, Part]) -> tuple[int, Result]:
    number, part = item
    return number, function(part)


class _Rows:
    """Reads a submission: what is wrong with its rows and names, and the masks in parts for whoever looks at these.

    Attributes:
        errors: What is wrong.
    """

    def __init__(
        self, path: Path, sample: Sample | None, sizes: Sizes, shape: Shape, watch: Chosen | None = None
    ) -> None:
        self.path, self.sizes, self.shape, self.watch = path, sizes, shape, watch
        self.errors = Findings()
        self.names = _Names(sample, shape, self.errors)
        self.last_line = 1
        self.failure: MaskfoldError | None = None

    def parts(self) -> Iterator[list[SubmissionRow]]:
        """Yield the rows whose masks are to be looked at, some at a time.

        What ends the reading is raised by `finish`: this may be asked by a thread that nobody listens to.
        """
        part, length = [], 0
        try:
            for row in self._rows():
                part.append(row)
                length += len(row.cells.runs)
                if length >= _PART or len(part) == _MOST_ROWS:
                    yield part
                    part, length = [], 0
        except MaskfoldError as error:
            self.failure = error
        if part:
            yield part

    def _rows(self) -> Iterator[SubmissionRow]:
        rules = self.shape.rules
        lines = read_lines(self.path)
        first = next(lines, [])
        if tuple(first) != rules.header:
            said = f"line 1 is {','.join(first)[:60]!r}, not {','.join(rules.header)!r}"
            self.errors.add("header", said, 1)
        for number, fields in enumerate(lines, start=2):
            self.last_line = number
            if len(fields) != len(rules.header):
                said = f"line {number} has {len(fields)} columns, not {len(rules.header)}"
                self.errors.add("columns", said, number)
                continue
            cells = _cells(number, fields, self.shape, self.errors)
            if cells is not None:
                self.names.check(number, cells)
                image_id = rules.image_id_of(cells.photo)
                size = self.sizes.get(image_id) if isinstance(self.sizes, Mapping) else self.sizes
                watched = self.watch is not None and self.watch.may_keep(image_id, cells.label)
                yield SubmissionRow(number, cells, image_id, size, watched)

    def finish(self) -> None:
        """Say which rows there should be.

        Raises:
            MaskfoldError: If the submission could not be read to its end.
        """
        if self.failure is not None:
            raise self.failure
        if self.last_line == 1:
            self.errors.add("rows", "there is none below the header")
        self.names.finish()

    @property
    def images(self) -> int:
        """How many photos have rows."""
        return len({photo for photo, _ in self.names.seen}) if self.shape.classes else self.last_line - 1


def _cells(line: int, fields: Sequence[str], shape: Shape, errors: Findings) -> Cells | None:
    """Read a row, or say what it has instead of a photo or a class."""
    try:
        return shape.rules.read(fields, shape.classes)
    except MaskfoldError as error:
        kind, said = "malformed rows", str(error)
    try:
        label = shape.rules.read(fields).label
        kind, said = "unknown classes", f"{said}; {label!r} is none of them"
    except MaskfoldError:
        pass
    errors.add(kind, f"line {line}, {said}", line)
    return None


def _called(photo: str, label: str) -> str:
    return f"{photo!r} of class {label!r}" if label else f"{photo!r}"


class _Names:
    """Photos and classes against the sample submission: unknown, double, missing and misplaced rows."""

    def __init__(self, sample: Sample | None, shape: Shape, errors: Findings) -> None:
        self.sample, self.shape, self.errors = sample, shape, errors
        self.column = shape.rules.column_of("file") or shape.rules.column_of("image_id")
        self.seen: dict[tuple[str, str], int] = {}
        self.last = (-1, -1)

    def check(self, line: int, cells: Cells) -> None:
        """Look at one row's photo and class."""
        row = cells.photo, cells.label
        where = f"line {line}, column {self.column}: {_called(*row)}"
        if row in self.seen:
            self.errors.add("double images", f"{where} is already in line {self.seen[row]}", line)
            return
        self.seen[row] = line
        if self.sample is None:
            return
        wanted = self.sample.lines.get(row)
        if wanted is None:
            self.errors.add("unknown images", f"{where} is not in the sample submission{self._suffix(*row)}", line)
            return
        place = self.sample.place(*row)
        if place < self.last:
            said = f"{where} is in line {wanted} of the sample, before the image in front of it here"
            self.errors.add("order", said, line)
        self.last = place

    def _suffix(self, photo: str, label: str) -> str:
        """Say whether the name is known with or without a suffix."""
        lines = self.sample.lines if self.sample else {}
        stem = Path(photo).stem
        if stem != photo and (stem, label) in lines:
            return f", which has {stem!r}: leave out the suffix"
        longer = next((known for known, of in lines if of == label and Path(known).stem == photo), None)
        return f", which has {longer!r}: write the suffix" if longer else ""

    def finish(self) -> None:
        """Say which rows there should be."""
        for row, line in (self.sample.lines if self.sample else {}).items():
            if row not in self.seen:
                self.errors.add(
                    "missing images", f"column {self.column}: {_called(*row)}, line {line} of the sample, has no row"
                )
        if self.sample is None and self.shape.classes:
            for photo in dict.fromkeys(photo for photo, _ in self.seen):
                for label in self.shape.classes:
                    if (photo, label) not in self.seen:
                        self.errors.add("missing classes", f"column {self.column}: {_called(photo, label)} has no row")
