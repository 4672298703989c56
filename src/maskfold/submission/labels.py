"""How a submission of labels is shaped: by the competition's sample, or by what the data says of it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from maskfold.data.labelled import LabelledSource
from maskfold.errors import MaskfoldError, listing
from maskfold.submission.shape import sample_of
from maskfold.submission.writer import read_lines

PHOTO = ("image_id", "file", "stem", "path")  # what a submission may call a photo
_BEST = re.compile(r"\{labels:([1-9]\d*)\}")
_LOOKED_AT = 1000  # rows of a sample, for its shape
_WAYS = (
    "Say it with data.submission={columns: {id: '{image_id}', label: '{label}'}}: photos are called {image_id}, "
    "{file}, {stem} or {path}; {label} is the likeliest label, {labels:5} the five likeliest with spaces between, "
    "and '{label}': '{probability}' a column a label."
)


@dataclass(frozen=True)
class LabelShape:
    """The shape of a submission of labels.

    Attributes:
        photo: What photos are called, of `PHOTO`.
        id_column: The name of the first column.
        column: The name of the column of labels; "" where there is a column a label.
        best: How many labels a cell has.
        labels: The columns, where there is one a label, each with that label's probability.
    """

    photo: str = "image_id"
    id_column: str = "id"
    column: str = "label"
    best: int = 1
    labels: tuple[str, ...] = ()

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns."""
        return (self.id_column, *(self.labels or (self.column,)))

    @property
    def columns(self) -> dict[str, str]:
        """The same as `data.submission` says it."""
        if self.labels:
            return {self.id_column: f"{{{self.photo}}}", "{label}": "{probability}"}
        return {self.id_column: f"{{{self.photo}}}", self.column: f"{{labels:{self.best}}}"}


def names_of(photos: pd.DataFrame, photo: str, *, root: Path) -> list[str]:
    """Return what a submission calls some photos.

    Args:
        photos: Rows of the image table.
        photo: Of `PHOTO`: the `image_id`, the file's name with and without its suffix, or its path below the root.
        root: The data's folder.
    """
    if photo == "image_id":
        return photos["image_id"].tolist()
    paths = [Path(image) for image in photos["image"]]
    if photo == "file":
        return [path.name for path in paths]
    if photo == "stem":
        return [path.stem for path in paths]
    return [path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix() for path in paths]


def label_shape(source: LabelledSource, photos: pd.DataFrame, sample: Path | None = None) -> LabelShape:
    """Return the shape that a data set's submission has: as the data says, else as its sample is, else the usual.

    Args:
        source: The data.
        photos: Its test photos.
        sample: Another sample than the data's own.

    Raises:
        MaskfoldError: If the sample cannot be read, is of other photos or labels, or its columns say nothing.
    """
    labels = source.class_table().labels
    if source.submission is not None:
        return shape_said(source.submission, labels)
    sample = sample or sample_of(source)
    return LabelShape() if sample is None else _shape_of_sample(sample, photos, labels, source.root)


def shape_said(submission: Mapping[str, Any], labels: Sequence[str]) -> LabelShape:
    """Return the shape that `data.submission` gives.

    Raises:
        MaskfoldError: If it makes no sense.
    """
    columns = submission.get("columns")
    if not isinstance(columns, Mapping) or submission.keys() - {"columns"} or len(columns) != 2:
        raise MaskfoldError(f"data.submission={dict(submission)}: give columns, two of them. {_WAYS}")
    (id_column, photo), (column, content) = columns.items()
    name, best = str(photo).strip("{}"), _BEST.fullmatch(str(content))
    if name in PHOTO and column == "{label}" and content == "{probability}":
        return LabelShape(name, id_column, "", labels=tuple(labels))
    if name not in PHOTO or not (best or content == "{label}"):
        raise MaskfoldError(f"data.submission.columns={dict(columns)}: cannot be written. {_WAYS}")
    return LabelShape(name, id_column, column, best=int(best[1]) if best else 1)


def _shape_of_sample(sample: Path, photos: pd.DataFrame, labels: Sequence[str], root: Path) -> LabelShape:
    lines = read_lines(sample)
    header = next(lines, [])
    rows = [fields for _, fields in zip(range(_LOOKED_AT), lines, strict=False)]
    if len(header) < 2 or not rows or any(len(fields) != len(header) for fields in rows):
        raise MaskfoldError(f"{sample}: no sample submission, whose rows have an id and a label. {_WAYS}")
    photo = _photo([fields[0] for fields in rows], photos, root, sample)
    if len(header) == 2:
        return LabelShape(photo, *header, best=_best([fields[1] for fields in rows], labels, sample))
    columns = tuple(header[1:])
    if {*columns} != {*labels} or len({*columns}) < len(columns):
        absent, other = sorted({*labels} - {*columns}), sorted({*columns} - {*labels})
        lists = [(absent, "labels of the data have no column"), (other, "columns are no label of the data")]
        said = "\n".join(f"{len(names)} {what}:\n{listing(names, 5)}" for names, what in lists if names)
        raise MaskfoldError(f"{sample}: its columns are not one for each label.\n{said}\n{_WAYS}")
    return LabelShape(photo, header[0], "", labels=columns)


def _photo(ids: Sequence[str], photos: pd.DataFrame, root: Path, sample: Path) -> str:
    """Return which of `PHOTO` the ids of a sample are."""
    counts = {photo: len({*ids} & {*names_of(photos, photo, root=root)}) for photo in PHOTO}
    best = max(counts, key=lambda photo: counts[photo])
    if counts[best] == 0:
        raise MaskfoldError(
            f"{sample}: none of its ids is a test photo, by id, file name or path; its first is {ids[0]!r}, the first "
            f"photo {photos['image_id'].iloc[0]!r} ({photos['image'].iloc[0]}). Put its photos into the data as test "
            "photos (split=test, without label), or name another sample with data.sample."
        )
    return best


def _best(cells: Sequence[str], labels: Sequence[str], sample: Path) -> int:
    """Return how many labels the cells of a sample's column have, by the labels in it."""
    known = {*labels}
    if all(cell in known or not cell for cell in cells):
        return 1
    counts = {len(cell.split()) for cell in cells}
    if all(token in known for cell in cells for token in cell.split()):
        return max(counts)
    strange = next(cell for cell in cells if cell and cell not in known)
    raise MaskfoldError(
        f"{sample}: has {strange[:60]!r} in its second column, which is no label of the data (the first is "
        f"{labels[0]!r}), and no several with spaces between them. {_WAYS}"
    )


def sample_ids(sample: Path) -> list[str]:
    """Return the ids of a sample's rows, in their order.

    Raises:
        MaskfoldError: If it cannot be read.
    """
    lines = read_lines(sample)
    next(lines, [])
    return [fields[0] for fields in lines if fields]


class WantedRows(NamedTuple):
    """The rows of a submission: its shape, and what each photo is called in it and in the image table."""

    shape: LabelShape
    names: Sequence[str]
    image_ids: Sequence[str]

    @classmethod
    def of_photos(cls, photos: pd.DataFrame) -> "WantedRows":
        """Return a row for each photo, in the usual shape."""
        ids = photos["image_id"].tolist()
        return cls(LabelShape(), ids, ids)


def rows_wanted(source: LabelledSource, photos: pd.DataFrame) -> WantedRows:
    """Return the rows that a competition wants: those of its sample in its order, or without one all test photos.

    Args:
        source: The data.
        photos: Its test photos, of which those with labels need not be in the sample.

    Raises:
        MaskfoldError: As `label_shape`; or if the sample names a photo that there is not, or two photos have one name.
    """
    shape, sample = label_shape(source, photos), sample_of(source)
    names = names_of(photos, shape.photo, root=source.root)
    twice = sorted(pd.Series(names)[pd.Series(names).duplicated()])
    if twice:
        raise MaskfoldError(
            f"data {source.name}: {len(twice)} test photos are called as another one is:\n{listing(twice, 5)}\n"
            "A submission names each photo once: name them by data.submission with {image_id} or {path}."
        )
    ids = dict(zip(names, photos["image_id"], strict=True))
    wanted = names if sample is None else sample_ids(sample)
    missing = [name for name in wanted if name not in ids]
    if missing:
        raise MaskfoldError(
            f"{sample}: {len(missing)} of its {len(wanted)} ids are no test photos of the data:\n"
            f"{listing(missing, 5)}\nPut these photos into the data as test photos (split=test, without label)."
        )
    return WantedRows(shape, wanted, [ids[name] for name in wanted])


def label_rows(rows: WantedRows, portions: Iterable[np.ndarray], labels: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of every row.

    Args:
        rows: How they are written, and of what.
        portions: `(n, C)` probabilities of every label, some photos at a time.
        labels: C, in the order of the probabilities.
    """
    places = {label: place for place, label in enumerate(labels)}
    order = [places[label] for label in rows.shape.labels]
    names = iter(rows.names)
    for probabilities in portions:
        if order:
            yield from ((next(names), *(f"{value:.8g}" for value in row)) for row in probabilities[:, order])
            continue
        best = np.argsort(-probabilities, axis=1, kind="stable")[:, : rows.shape.best]
        yield from ((next(names), " ".join(labels[place] for place in row)) for row in best)
