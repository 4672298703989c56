"""The check of a submission before its upload: what would be refused, what would score badly, and where it is."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.masks.orientation import TORN, torn_ratio
from maskfold.masks.rle import ORDERS, faults
from maskfold.masks.rules import Cells
from maskfold.submission.findings import Findings, Report
from maskfold.submission.sample import Sample
from maskfold.submission.shape import Shape
from maskfold.submission.writer import read_lines

# What tables write for a mask without a pixel, in any case of letters.
_EMPTY = {"", "-", "-1", "nan", "none", "null"}

Sizes = tuple[int, int] | Mapping[str, tuple[int, int]]
Watch = Callable[[str, str, np.ndarray], None]


def examine(
    submission: Path, sample: Path | None, *, sizes: Sizes, shape: Shape | None = None, watch: Watch | None = None
) -> Report:
    """Check a submission row by row; only the names of its images are kept in memory.

    Args:
        submission: `.csv` or `.csv.gz`.
        sample: The competition's sample submission, whose images are wanted in its order; None to skip that check.
        sizes: `(height, width)` of every image in pixels, or that of each by `image_id`.
        shape: How it has to be written; None for the Carvana challenge's.
        watch: Called with image_id, class and `(N, 2)` int64 runs, counted from 1, of every mask without faults.

    Raises:
        MaskfoldError: One of the files cannot be read at all, or the sample is no submission.
    """
    shape = shape or Shape()
    errors, warnings = Findings(), Findings()
    names = _Names(Sample(sample, shape) if sample else None, shape, errors)
    masks = _Masks(sizes, shape, errors, warnings, watch)
    header = shape.rules.header
    lines = read_lines(submission)
    first = next(lines, [])
    if tuple(first) != header:
        errors.add("header", f"line 1 is {','.join(first)[:60]!r}, not {','.join(header)!r}")
    number = 1
    for number, fields in enumerate(lines, start=2):
        if len(fields) != len(header):
            errors.add("columns", f"line {number} has {len(fields)} columns, not {len(header)}")
            continue
        cells = _cells(number, fields, shape, errors)
        if cells is not None:
            names.check(number, cells)
            masks.check(number, cells)
    if number == 1:
        errors.add("rows", "there is none below the header")
    names.finish()
    masks.finish()
    images = len({photo for photo, _ in names.seen}) if shape.classes else number - 1
    return Report(images, masks.empty, errors.messages(), warnings.messages())


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
    errors.add(kind, f"line {line}, {said}")
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
            self.errors.add("double images", f"{where} is already in line {self.seen[row]}")
            return
        self.seen[row] = line
        if self.sample is None:
            return
        wanted = self.sample.lines.get(row)
        if wanted is None:
            self.errors.add("unknown images", f"{where} is not in the sample submission{self._suffix(*row)}")
            return
        place = self.sample.place(*row)
        if place < self.last:
            self.errors.add("order", f"{where} is in line {wanted} of the sample, before the image in front of it here")
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


class _Masks:
    """The runs: numbers, bounds, what stands for an empty mask, and whether most of them are torn."""

    def __init__(
        self, sizes: Sizes, shape: Shape, errors: Findings, warnings: Findings, watch: Watch | None = None
    ) -> None:
        self.sizes, self.shape, self.watch = sizes, shape, watch
        self.errors, self.warnings = errors, warnings
        self.column = shape.rules.column_of("runs")
        self.empty = self.judged = self.before = self.behind = 0
        self.transposed: list[str] = []

    def check(self, line: int, cells: Cells) -> None:
        """Look at one row's mask."""
        where = f"line {line}, {cells.photo}{f' of class {cells.label}' if cells.label else ''}, column {self.column}"
        runs = cells.runs.strip()
        if runs != self.shape.rules.empty and runs.lower() in _EMPTY:
            self.empty += 1
            self.errors.add("empty masks", f"{where}: {runs!r}, and a mask without a pixel is written {self._empty}")
            return
        try:
            pairs = self.shape.rules.pairs(runs)
        except MaskfoldError as error:
            self.errors.add("malformed masks", f"{where}: {error}")
            return
        if not len(pairs):
            self.empty += 1
            return
        image_id = self.shape.rules.image_id_of(cells.photo)
        size = self.sizes.get(image_id) if isinstance(self.sizes, Mapping) else self.sizes
        if size is None:
            self.warnings.add("masks not checked", f"{where}: the size of this image is not known")
            return
        impossible = faults(pairs, *size, start=self.shape.rules.start)
        for fault in impossible:
            self.errors.add(fault.kind, f"{where}: {fault.text}")
        self.before += bool(pairs[:, 0].min() == 0)
        self.behind += bool(pairs.sum(axis=1).max() == size[0] * size[1] + 2)
        if not impossible:
            self._check_shape(where, pairs, *size)
            if self.watch is not None:
                self.watch(image_id, cells.label, pairs)

    @property
    def _empty(self) -> str:
        return repr(self.shape.rules.empty) if self.shape.rules.empty else "as an empty cell"

    def _check_shape(self, where: str, pairs: np.ndarray, height: int, width: int) -> None:
        touching = np.flatnonzero(pairs[1:, 0] == pairs[:-1].sum(axis=1))
        if touching.size:
            first = touching[0] + 2
            self.warnings.add("touching runs", f"{where}: pair {first} goes on where the pair in front of it ends")
        if height != width:
            self.judged += 1
            ratio = torn_ratio(pairs, height, width)
            if (ratio if self.shape.rules.order == "rows" else 1 / ratio) > TORN:
                self.transposed.append(where)

    def finish(self) -> None:
        """Say whether pixels seem counted from another number, and whether most masks, or a few, are transposed."""
        start = self.shape.rules.start
        for count, other in ((self.before, start - 1), (self.behind, start + 1)):
            if count > 1 and other in (0, 1):
                self.errors.add(
                    "base",
                    f"{count} masks fit their images if the first pixel is number {other}, and here it is {start}",
                )
        order = self.shape.rules.order
        if len(self.transposed) > self.judged / 2:
            self.errors.add(
                "orientation",
                f"{len(self.transposed)} of {self.judged} masks seem transposed, the first in {self.transposed[0]}; "
                f"number the pixels by {order} from the top left, and see that height and width are not exchanged",
            )
            return
        (other,) = {*ORDERS} - {order}
        for where in self.transposed:
            self.warnings.add("orientation", f"{where}: the pixels seem numbered by {other}")
