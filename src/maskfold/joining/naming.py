"""How the cells of a column name photos: with or without suffix, alone or joined with a class."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

_SEPARATORS = re.compile(r"[_\-.:/ |,]+")
_EXAMPLES = 20  # cells that forms are made of; all are then read by them


class Photos:
    """The names of photos: files by their names without suffix.

    Args:
        files: File names without folders, all different without their suffix.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self.stems = {PurePath(file).stem: file for file in files}
        self._of = {
            "{file}": {file: stem for stem, file in self.stems.items()},
            "{image_id}": {stem: stem for stem in self.stems},
        }

    def stem(self, field: str, name: str) -> str | None:
        """Return the photo's name without suffix, None if there is no such photo.

        Args:
            field: `{file}` or `{image_id}`: what the name is.
            name: A file name, or one without suffix.
        """
        return self._of[field].get(name)

    def fields(self, name: str) -> list[str]:
        """Return what a name could be: `{file}`, `{image_id}`, neither or both."""
        return [field for field, names in self._of.items() if name in names]


class Named(NamedTuple):
    """What a cell says: the photo without suffix (None: there is no such photo), and the class ("": it names none)."""

    photo: str | None
    label: str


@dataclass(frozen=True)
class Form:
    """One way to read cells: fixed text around a photo's name, and perhaps a class beside it.

    Attributes:
        before: Text in front of everything, such as a folder.
        field: `{file}` or `{image_id}`.
        after: Text behind everything; with a class, what stands between it and the name.
        label: Where the class stands: "last", "first", or "" where there is none.
    """

    before: str
    field: str
    after: str
    label: str = ""

    @property
    def template(self) -> str:
        """The form as `maskfold.masks.rules.Rules` takes it."""
        parts = {"": (self.field, self.after), "last": (self.field, self.after, "{class}")}
        parts["first"] = ("{class}", self.after, self.field)
        return self.before + "".join(parts[self.label])

    def read(self, cell: str, photos: Photos) -> Named:
        """Return what a cell says; of several photos that fit, the one with the longest name."""
        body = cell.removeprefix(self.before)
        if body + self.before == "" or not cell.startswith(self.before):
            return Named(None, "")
        if not self.label:
            name = body.removesuffix(self.after) if body.endswith(self.after) else ""
            return Named(photos.stem(self.field, name), "")
        for name, label in _cuts(body, self.after, self.label):
            stem = photos.stem(self.field, name)
            if stem is not None and label:
                return Named(stem, label)
        return Named(None, "")


def _cuts(body: str, separator: str, label: str) -> Iterator[tuple[str, str]]:
    """Yield (name, class) for every place where a cell could be cut, the longest name first."""
    places = [match.start() for match in re.finditer(f"(?={re.escape(separator)})", body)]
    for place in places if label == "first" else reversed(places):
        head, tail = body[:place], body[place + len(separator) :]
        yield (tail, head) if label == "first" else (head, tail)


class Naming(NamedTuple):
    """How a column names photos, and what each of its cells says."""

    form: Form
    cells: list[Named]

    @property
    def known(self) -> int:
        """How many cells name a photo that is there."""
        return sum(cell.photo is not None for cell in self.cells)


def naming_of(cells: Sequence[str], photos: Photos, accepted: Callable[[Naming], bool]) -> Naming | None:
    """Return how cells name photos; None if few of them do.

    Args:
        cells: Of one column.
        photos: Those that there are.
        accepted: Whether a naming makes sense of the whole table; it is asked of the simplest one first.
    """
    examples = dict.fromkeys(form for cell in cells[:_EXAMPLES] for form in _forms(cell, photos))
    ordered = sorted(examples, key=_complexity)
    readings = [Naming(form, [form.read(cell, photos) for cell in cells]) for form in ordered]
    readings = [reading for reading in readings if 2 * reading.known > len(cells) and accepted(reading)]
    return max(readings, key=lambda reading: reading.known, default=None)


def _complexity(form: Form) -> tuple[bool, ...]:
    """Return what puts the simplest form first, and of two that read the same that with the whole file name."""
    return form.label != "", form.field != "{file}", form.after != "", form.label == "first"


def _forms(cell: str, photos: Photos) -> Iterator[Form]:
    """Yield the forms of which a cell could be."""
    for before in dict.fromkeys(["", cell[: cell.rfind("/") + 1]]):
        body = cell[len(before) :]
        yield from (Form(before, field, "") for field in photos.fields(body))
        for match in _SEPARATORS.finditer(body):
            head, between, tail = body[: match.start()], match[0], body[match.end() :]
            for field in photos.fields(head):
                yield Form(before, field, between + tail)
                yield Form(before, field, between, "last")
            for field in photos.fields(tail) if not before else ():
                yield Form(before, field, between, "first")
