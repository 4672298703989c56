"""The check of a submission before its upload: what would be refused, what would score badly, and where it is."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np

from maskfold.errors import MaskfoldError, listing
from maskfold.masks.rle import faults, parse
from maskfold.submission.writer import HEADER, read_lines, read_submission

_SHOWN = 20  # messages of one kind; the others are counted
# A mask read the wrong way round is torn into stripes. Over 536 real masks the ratio that `looks_transposed` forms was
# at most 0.6 read rightly and at least 5 (but for 3 tiny or striped ones) read wrongly.
_TORN = 3

Sizes = tuple[int, int] | Mapping[str, tuple[int, int]]


@dataclass
class _Findings:
    """Messages by kind, of which only the first few are kept and the others counted."""

    shown: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, kind: str, message: str) -> None:
        """Keep `message`, or only count it when there are many of its kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= _SHOWN:
            self.shown[kind].append(message)

    def messages(self) -> list[str]:
        """Return what was kept, each message with its kind in front, and a line for each kind that was cut."""
        lines = []
        for kind, messages in self.shown.items():
            lines += [f"{kind}: {message}" for message in messages]
            if self.counts[kind] > _SHOWN:
                lines.append(f"{kind}: and {self.counts[kind] - _SHOWN} more")
        return lines


@dataclass(frozen=True)
class Report:
    """What the examination of a submission found.

    Attributes:
        images: Rows below the header.
        empty_masks: Rows whose mask has no pixel.
        errors: For each of them a row would be refused or scored as nonsense; names line, image and column.
        warnings: Odd, but it would be accepted.
    """

    images: int
    empty_masks: int
    errors: list[str]
    warnings: list[str]

    @property
    def ok(self) -> bool:
        """Whether the submission may be uploaded."""
        return not self.errors

    def __str__(self) -> str:
        parts = [f"{self.images} images, {self.empty_masks} empty masks"]
        for title, messages in (("errors", self.errors), ("warnings", self.warnings)):
            parts.append(f"{title}:\n{listing(messages, limit=len(messages))}" if messages else f"no {title}")
        return "\n".join(parts)


def examine(submission: Path, sample: Path | None, *, sizes: Sizes) -> Report:
    """Check a submission row by row; only the names of its images are kept in memory.

    Args:
        submission: `.csv` or `.csv.gz` with the columns `img,rle_mask`.
        sample: The competition's sample submission, whose images are wanted in its order; None to skip that check.
        sizes: `(height, width)` of every image in pixels, or that of each by `image_id`, which is `img` without its
            suffix.

    Raises:
        MaskfoldError: One of the files cannot be read at all, or the sample is no submission.
    """
    errors, warnings = _Findings(), _Findings()
    names = _Names(sample, errors)
    masks = _Masks(sizes, errors, warnings)
    lines = read_lines(submission)
    header = next(lines, [])
    if tuple(header) != HEADER:
        errors.add("header", f"line 1 is {','.join(header)[:60]!r}, not {','.join(HEADER)!r}")
    number = 1
    for number, fields in enumerate(lines, start=2):
        if len(fields) != len(HEADER):
            errors.add("columns", f"line {number} has {len(fields)} columns, not {len(HEADER)}")
            continue
        image, rle = fields
        names.check(number, image)
        masks.check(number, image, rle)
    if number == 1:
        errors.add("rows", "there is none below the header")
    names.finish()
    masks.finish()
    return Report(number - 1, masks.empty, errors.messages(), warnings.messages())


def looks_transposed(pairs: np.ndarray, height: int, width: int) -> bool:
    """Tell whether a mask was numbered column by column, by how torn it is in either reading.

    Row by row, the pixel below is `width` numbers further on; column by column, the one to the right is `height`
    further on. In the right reading nearly every foreground pixel has such a neighbour in the foreground too.

    Args:
        pairs: `(N, 2)` int64 run-length pairs without faults.
        height: Pixels; of a square image the two readings look alike.
        width: Pixels.
    """
    starts = pairs[:, 0] - 1
    stops = starts + pairs[:, 1]
    area = np.cumsum(pairs[:, 1])
    bounds, area_at_bounds = np.stack((starts, stops), 1).ravel(), np.stack((area - pairs[:, 1], area), 1).ravel()

    def torn(lag: int) -> float:
        """Count, per row or column, the foreground pixels whose neighbour `lag` further on is background."""
        until, stop, start = (
            np.interp(at, bounds, area_at_bounds, left=0) for at in (height * width - lag, stops + lag, starts + lag)
        )
        return (until - (stop - start).sum()) / lag

    return torn(width) > _TORN * torn(height)


class _Names:
    """The column `img` against the sample submission: unknown, double, missing and misplaced images."""

    def __init__(self, sample: Path | None, errors: _Findings) -> None:
        self.errors = errors
        rows = read_submission(sample) if sample else ()
        self.expected = {image: line for line, (image, _) in enumerate(rows, start=2)} if sample else None
        self.seen: dict[str, int] = {}
        self.previous = 0

    def check(self, line: int, image: str) -> None:
        """Look at one row's name."""
        where = f"line {line}, column img: {image!r}"
        if image in self.seen:
            self.errors.add("double images", f"{where} is already in line {self.seen[image]}")
            return
        self.seen[image] = line
        if self.expected is None:
            return
        position = self.expected.get(image)
        if position is None:
            self.errors.add("unknown images", f"{where} is not in the sample submission")
            return
        if position < self.previous:
            self.errors.add(
                "order", f"{where} is in line {position} of the sample, before the image in front of it here"
            )
        self.previous = position

    def finish(self) -> None:
        """Say which images of the sample have no row."""
        for image, line in (self.expected or {}).items():
            if image not in self.seen:
                self.errors.add("missing images", f"column img: {image!r}, line {line} of the sample, has no row")


class _Masks:
    """The column `rle_mask`: numbers, runs, bounds, orientation."""

    def __init__(self, sizes: Sizes, errors: _Findings, warnings: _Findings) -> None:
        self.sizes = sizes
        self.errors, self.warnings = errors, warnings
        self.empty = self.judged = 0
        self.transposed: list[str] = []

    def check(self, line: int, image: str, rle: str) -> None:
        """Look at one row's mask."""
        where = f"line {line}, {image}, column rle_mask"
        try:
            pairs = parse(rle)
        except MaskfoldError as error:
            self.errors.add("malformed masks", f"{where}: {error}")
            return
        if not len(pairs):
            self.empty += 1
            return
        size = self.sizes.get(PurePath(image).stem) if isinstance(self.sizes, Mapping) else self.sizes
        if size is None:
            self.warnings.add("masks not checked", f"{where}: the size of this image is not known")
            return
        impossible = faults(pairs, *size)
        for fault in impossible:
            self.errors.add(fault.kind, f"{where}: {fault.text}")
        if not impossible:
            self._check_shape(where, pairs, *size)

    def _check_shape(self, where: str, pairs: np.ndarray, height: int, width: int) -> None:
        touching = np.flatnonzero(pairs[1:, 0] == pairs[:-1].sum(axis=1))
        if touching.size:
            first = touching[0] + 2
            self.warnings.add("touching runs", f"{where}: pair {first} goes on where the pair in front of it ends")
        if height != width:
            self.judged += 1
            if looks_transposed(pairs, height, width):
                self.transposed.append(where)

    def finish(self) -> None:
        """Say whether most masks are transposed, or name the few that seem to be."""
        if len(self.transposed) > self.judged / 2:
            self.errors.add(
                "orientation",
                f"{len(self.transposed)} of {self.judged} masks seem transposed, the first in {self.transposed[0]}; "
                "number the pixels row by row from the top left, and see that height and width are not exchanged",
            )
            return
        for where in self.transposed:
            self.warnings.add("orientation", f"{where}: the pixels seem numbered column by column")
