"""The check of a submission's masks, some rows at a time: whoever has read them may do it in another process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.masks.orientation import TORN, torn_ratio
from maskfold.masks.rle import ORDERS, faults
from maskfold.masks.rules import Cells
from maskfold.submission.findings import Findings
from maskfold.submission.shape import Shape

# What tables write for a mask without a pixel, in any case of letters.
_EMPTY = {"", "-", "-1", "nan", "none", "null"}


class SubmissionRow(NamedTuple):
    """A row of a submission.

    Attributes:
        line: Its number.
        cells: What it says.
        image_id: Of its photo.
        size: `(height, width)` of its photo in pixels; None if that is not known.
        watched: Whether the mask is wanted for more than its check.
    """

    line: int
    cells: Cells
    image_id: str
    size: tuple[int, int] | None
    watched: bool


@dataclass
class MaskFindings:
    """What the masks of some rows come to, or of all, if those of further rows are taken in.

    Attributes:
        errors: For each of them a row would be refused or scored as nonsense.
        warnings: Odd, but it would be accepted.
        empty: Rows without a pixel.
        judged: Masks whose order could be told by their shape.
        before: Masks whose first pixel has the number before the first.
        behind: Masks whose last pixel has the number behind the last.
        transposed: Where the masks are that seem transposed.
        watched: image_id, class and `(N, 2)` int64 runs, counted from 1, of watched masks without faults.
    """

    errors: Findings = field(default_factory=Findings)
    warnings: Findings = field(default_factory=Findings)
    empty: int = 0
    judged: int = 0
    before: int = 0
    behind: int = 0
    transposed: list[str] = field(default_factory=list)
    watched: list[tuple[str, str, np.ndarray]] = field(default_factory=list)

    def take(self, other: "MaskFindings") -> None:
        """Take in those of the rows that follow, but not the masks that are watched."""
        self.errors.take(other.errors)
        self.warnings.take(other.warnings)
        for count in ("empty", "judged", "before", "behind"):
            setattr(self, count, getattr(self, count) + getattr(other, count))
        self.transposed += other.transposed

    def finish(self, shape: Shape) -> None:
        """Say whether pixels seem counted from another number, and whether most masks, or a few, are transposed."""
        start = shape.rules.start
        for count, other in ((self.before, start - 1), (self.behind, start + 1)):
            if count > 1 and other in (0, 1):
                self.errors.add(
                    "base",
                    f"{count} masks fit their images if the first pixel is number {other}, and here it is {start}",
                )
        order = shape.rules.order
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


def check_masks(rows: Sequence[SubmissionRow], shape: Shape) -> MaskFindings:
    """Look at the masks of some rows: numbers, bounds, what stands for an empty mask, and whether they are torn.

    Args:
        rows: In their order.
        shape: How they have to be written.
    """
    findings = MaskFindings()
    for row in rows:
        _check(row, shape, findings)
    return findings


def _check(row: SubmissionRow, shape: Shape, findings: MaskFindings) -> None:
    cells, rules, errors = row.cells, shape.rules, findings.errors
    column = rules.column_of("runs")
    where = f"line {row.line}, {cells.photo}{f' of class {cells.label}' if cells.label else ''}, column {column}"
    runs = cells.runs.strip()
    if runs != rules.empty and runs.lower() in _EMPTY:
        findings.empty += 1
        wanted = repr(rules.empty) if rules.empty else "as an empty cell"
        errors.add("empty masks", f"{where}: {runs!r}, and a mask without a pixel is written {wanted}", row.line)
        return
    try:
        pairs = rules.pairs(runs)
    except MaskfoldError as error:
        errors.add("malformed masks", f"{where}: {error}", row.line)
        return
    if not len(pairs):
        findings.empty += 1
        return
    if row.size is None:
        findings.warnings.add("masks not checked", f"{where}: the size of this image is not known", row.line)
        return
    height, width = row.size
    impossible = faults(pairs, height, width, start=rules.start)
    for fault in impossible:
        errors.add(fault.kind, f"{where}: {fault.text}", row.line)
    findings.before += bool(pairs[:, 0].min() == 0)
    findings.behind += bool(pairs.sum(axis=1).max() == height * width + 2)
    if not impossible:
        _check_shape(row, where, pairs, shape, findings)
        if row.watched:
            findings.watched.append((row.image_id, cells.label, pairs))


def _check_shape(row: SubmissionRow, where: str, pairs: np.ndarray, shape: Shape, findings: MaskFindings) -> None:
    touching = np.flatnonzero(pairs[1:, 0] == pairs[:-1].sum(axis=1))
    if touching.size:
        first = touching[0] + 2
        said = f"{where}: pair {first} goes on where the pair in front of it ends"
        findings.warnings.add("touching runs", said, row.line)
    height, width = row.size or (0, 0)
    if height != width:
        findings.judged += 1
        ratio = torn_ratio(pairs, height, width)
        if (ratio if shape.rules.order == "rows" else 1 / ratio) > TORN:
            findings.transposed.append(where)
