"""How a table writes masks as run lengths: a competition's submission, or the CSV that its training masks come in."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.masks import rle

_FIELD = re.compile(r"\{(\w*)\}")
_PHOTO = ("file", "image_id")


class Cells(NamedTuple):
    """What a row says: the photo as the table names it, the class ("" where there is only one), and the runs."""

    photo: str
    label: str
    runs: str


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A table with a mask in every row; the defaults are those of the Carvana Image Masking Challenge.

    Attributes:
        columns: The header, each name with what stands below it: text in which `{file}` is the photo's file name,
            `{image_id}` that without its suffix, `{class}` the name of the class and `{runs}` the mask.
        order: Whether pixels are numbered by `rows` or by `columns`, from the top left.
        start: The number of the first pixel, 1 or 0.
        empty: What stands for a mask without a pixel.

    Raises:
        MaskfoldError: If a row would not say which photo and mask it is of, or another value is none of those.
    """

    columns: Mapping[str, str] = field(default_factory=lambda: {"img": "{file}", "rle_mask": "{runs}"})
    order: str = "rows"
    start: int = 1
    empty: str = ""

    def __post_init__(self) -> None:
        """Refuse rules by which nothing could be read back; take a token that YAML reads as a number for text."""
        object.__setattr__(self, "empty", "" if self.empty is None else str(self.empty))
        rle.check_order(self.order)
        if self.start not in (0, 1):
            raise MaskfoldError(f"start={self.start} of run lengths: the first pixel's number is 1 or 0.")
        names = sorted(name for template in self.columns.values() for name in _FIELD.findall(template))
        if names not in [sorted([photo, "runs", *label]) for photo in _PHOTO for label in ([], ["class"])]:
            raise MaskfoldError(
                f"columns={dict(self.columns)} of run lengths: a row has {{runs}} once, {{file}} or {{image_id}} once, "
                "and {class} once where there are several classes."
            )

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.columns)

    @property
    def by_class(self) -> bool:
        """Whether there is a row for each photo and class."""
        return bool(self.column_of("class"))

    def name_of(self, file: str) -> str:
        """Return what the table calls a photo of a file name."""
        return file if self.column_of("file") else PurePath(file).stem

    def image_id_of(self, photo: str) -> str:
        """Return the image_id of what the table calls a photo: the way back from `name_of`."""
        return PurePath(photo).stem if self.column_of("file") else photo

    def column_of(self, content: str) -> str:
        """Return the name of the column with a field, such as `runs`; "" if there is none."""
        return next((name for name, template in self.columns.items() if f"{{{content}}}" in template), "")

    def row(self, file: str, runs: str, label: str = "") -> tuple[str, ...]:
        """Return a row's cells.

        Args:
            file: The photo's file name.
            runs: The mask, as `text` writes it.
            label: The name of the class, where there are several.
        """
        values = {"file": file, "image_id": PurePath(file).stem, "class": label, "runs": runs}
        return tuple(_FIELD.sub(lambda name: values[name[1]], template) for template in self.columns.values())

    def read(self, cells: Sequence[str], classes: Sequence[str] = ()) -> Cells:
        """Return what a row says: the way back from `row`.

        Args:
            cells: As many as there are columns.
            classes: The names of the classes, where there are several: what tells `a_b_c` of `a_b` and `c`.

        Raises:
            MaskfoldError: If a cell is not of its column's form.
        """
        values = {}
        for (name, template), cell in zip(self.columns.items(), cells, strict=True):
            match = _pattern(template, tuple(classes)).fullmatch(cell)
            if match is None:
                known = f", the classes being {', '.join(classes)}" if "{class}" in template else ""
                raise MaskfoldError(f"column {name}: {cell[:60]!r} is not of the form {template}{known}")
            values |= match.groupdict()
        return Cells(values.get("file") or values["image_id"], values.get("class", ""), values["runs"])

    def text(self, mask: np.ndarray) -> str:
        """Write a mask `(H, W)`, bool or uint8, as it stands in the table."""
        return rle.encode(mask, order=self.order, start=self.start) or self.empty

    def pairs(self, runs: str) -> np.ndarray:
        """Read what stands for a mask: `(N, 2)` int64 runs, their starts counted from 1; none for an empty mask.

        Raises:
            MaskfoldError: As `maskfold.masks.rle.parse`.
        """
        pairs = rle.parse("" if runs.strip() == self.empty else runs)
        pairs[:, 0] += 1 - self.start
        return pairs

    def mask(self, runs: str, height: int, width: int) -> np.ndarray:
        """Draw the mask `(height, width)` uint8, 0 or 1: the way back from `text`.

        Raises:
            MaskfoldError: As `maskfold.masks.rle.decode`.
        """
        runs = "" if runs.strip() == self.empty else runs
        return rle.decode(runs, height, width, order=self.order, start=self.start)


class TextByBands:
    """What stands in a table for a mask that comes by bands: as `Rules.text` writes the whole of it.

    No more is in memory than a band and the text.
    """

    def __init__(self, rules: Rules):
        self._rules = rules
        self._joiner = rle.RunJoiner()
        self._texts: list[str] = []

    def add(self, band: np.ndarray) -> None:
        """Take the next band, bool or uint8: `(h, W)` from the top, or where columns are numbered `(H, w)`."""
        pairs = rle.runs(band if self._rules.order == "rows" else band.T)
        self._write(self._joiner.add(pairs, band.size))

    def finish(self) -> str:
        """Return the text; there must be no other band."""
        self._write(self._joiner.last)
        return " ".join(self._texts) or self._rules.empty

    def _write(self, pairs: np.ndarray) -> None:
        if len(pairs):
            self._texts.append(rle.to_text(pairs + np.array([self._rules.start - 1, 0])))


@cache
def _pattern(template: str, classes: tuple[str, ...]) -> re.Pattern[str]:
    """Return what cells of a column look like, with a group for each field."""
    photo = ".+?" if classes else ".+"  # of several classes that fit, the longest
    forms = {"file": photo, "image_id": photo, "runs": r"(?s:.*)"}
    forms["class"] = "|".join(map(re.escape, sorted(classes, key=len, reverse=True))) or r".+"
    parts = _FIELD.split(template)  # text, field, text, field, ..., text
    return re.compile(
        "".join(f"(?P<{part}>{forms[part]})" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    )
