"""What all of a competition's files say together: a finding for every key of its data, and what has to be asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.joining.evidence import empty_token
from maskfold.joining.grouping import group_of
from maskfold.joining.guesses import ASSUMED, GIVEN, LIKELY, Guess, Question, Unclear
from maskfold.joining.looks import Header, channels_of, list_photos, look_at, most_pixels, sizes_in_words
from maskfold.joining.mask_forms import Masks, masks_in
from maskfold.joining.naming import Photos
from maskfold.joining.order import Judgement, TrainRow, drawn_masks, judge, overlaps, rows_with_runs
from maskfold.joining.shapes import TableShape, read_text, shape_by_columns, shape_of_sample, shape_of_train
from maskfold.masks.rle import check_order
from maskfold.parallel import progress

_USUAL_PIXELS = 100_000_000  # `data.max_pixels` unless photos are larger
_ENOUGH = 5  # photos with several classes, before it is said that these never overlap
_ORDERS = "order=columns (numbered from top to bottom, then left to right) or order=rows (left to right, then down)"
_NO_RUNS = "there are no run lengths of train photos to tell it by"


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where a competition's files lie; None for what there is not.

    Attributes:
        sample: Its sample submission.
        train: A table about its train photos, perhaps with their masks as run lengths.
        images: The folder of train photos.
        masks: The folder of their masks, or a JSON file of polygons.
        test: The folder of test photos.
    """

    sample: Path
    train: Path | None = None
    images: Path | None = None
    masks: Path | None = None
    test: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the user says; None leaves it to the files.

    Attributes:
        order: Of runs, `rows` or `columns`.
        start: The number of the first pixel.
        empty: What stands for an empty mask.
        classes: Names of several classes.
        exclusive: Whether they never overlap.
        channels: Of a photo.
        columns: Those of the sample, as `maskfold.masks.rules.Rules` takes them.

    Raises:
        MaskfoldError: If order or start is nothing that there is.
    """

    order: str | None = None
    start: int | None = None
    empty: str | None = None
    classes: Sequence[str] | None = None
    exclusive: bool | None = None
    channels: int | None = None
    columns: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        """Refuse values that nothing can be."""
        if self.order is not None:
            check_order(self.order)
        if self.start not in (None, 0, 1):
            raise MaskfoldError(f"start={self.start}: the number of the first pixel is 1 or 0.")


@dataclass
class Understanding:
    """What is known of a competition, and what is not.

    Attributes:
        guesses: By the key of `maskfold.data.competition.Competition`.
        columns: What stands in each column of a submission, by its name.
        rules: How runs are written: `order`, `start` and `empty`.
        questions: What the files leave open, and scores depend on.
        notes: What is worth knowing besides.
    """

    guesses: dict[str, Guess] = field(default_factory=dict)
    columns: dict[str, Guess] = field(default_factory=dict)
    rules: dict[str, Guess] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def settle(self, key: str, given: Any, guess: Guess | None, subject: str, flags: str) -> None:
        """Keep what the user says, else what the files say, else ask."""
        if given is not None:
            if guess is not None and guess.value != given:
                self.notes.append(f"{key}={given} is taken, though the files say {guess.value}: {guess.source}.")
            guess = Guess(given, "the command", GIVEN)
        if guess is None:
            self.questions.append(Question(subject, flags))
        else:
            self.rules[key] = guess


class _Photos(NamedTuple):
    """A folder's photos by their names without suffix, and what their headers say."""

    paths: dict[str, Path]
    looks: dict[str, Header]

    @classmethod
    def of(cls, folder: Path | None, channels: int | None) -> "_Photos":
        paths = {} if folder is None else {path.stem: path for path in list_photos(folder)}
        shown = progress(paths.items(), "headers", total=len(paths))
        return cls(paths, {stem: look_at(path, channels=channels) for stem, path in shown})

    @property
    def names(self) -> Photos:
        return Photos([path.name for path in self.paths.values()])


def infer(files: Files, given: Given) -> Understanding:
    """Return what the files say.

    Args:
        files: Where they lie.
        given: What need not be inferred.

    Raises:
        MaskfoldError: If a file is missing or damaged, or files contradict one another.
        Unclear: If nothing further can be looked at before something is known.
    """
    if files.images is None and files.test is None:
        raise MaskfoldError("images= and test= are both missing: name the folder of photos of at least one.")
    train, test = (_Photos.of(folder, given.channels) for folder in (files.images, files.test))
    table = None if files.train is None else read_text(files.train)
    sample, trained = _shapes(files, given, table, train, test)
    classes = tuple(given.classes or sample.classes)
    masks = None if files.masks is None else masks_in(files.masks, train.names, classes, ordered=bool(given.classes))
    drawn = {} if trained is None or masks is None else drawn_masks(trained.rows, masks.files)
    empty = _empty(given, sample, trained, drawn)
    rows, judged = [], Judgement(None, None, _NO_RUNS)
    if trained is not None:
        token = None if empty is None else empty.value
        rows = rows_with_runs(trained.rows, train.looks, empty=token, file=files.train)
        judged = judge(rows, train.paths, train.looks, drawn, file=files.train) if rows else judged
    findings = Understanding()
    _run_lengths(findings, given, judged, empty)
    if masks is None and trained is not None:
        masks = _masks_of_table(files, trained, findings)
    _photos(findings, given, files, train, test)
    findings.guesses["masks"] = Guess(None, "none are named", ASSUMED)
    if masks is not None:
        findings.guesses["masks"] = Guess(masks.node, masks.source, masks.sure)
    _classes(findings, given, sample, masks, rows)
    findings.guesses["group"] = group_of(train.names, table, file=files.train)
    findings.columns |= {name: Guess(text, sample.reasons[name]) for name, text in sample.columns.items()}
    return findings


def _shapes(
    files: Files, given: Given, table: pd.DataFrame | None, train: _Photos, test: _Photos
) -> tuple[TableShape, TableShape | None]:
    """Return the shapes of the sample and of the training table; None if that holds no run lengths.

    A sample may be of photos that nobody has, and is then read as the training table is; and a training table has its
    classes from the sample.
    """
    text = read_text(files.sample)
    if given.columns is not None:
        sample = shape_by_columns(text, given.columns, given.classes or (), file=files.sample)
    else:
        like = None
        if not test.paths and table is not None:
            like = shape_of_train(table, train.names, file=files.train, classes=())
        known = test.names if test.paths else train.names
        try:
            sample = shape_of_sample(text, known if test.paths else Photos([]), file=files.sample, like=like)
        except Unclear:
            if test.paths or not train.paths:
                raise
            sample = shape_of_sample(text, known, file=files.sample)
    if table is None or not train.paths:
        return sample, None
    return sample, shape_of_train(table, train.names, file=files.train, classes=sample.classes)


def _empty(
    given: Given, sample: TableShape, trained: TableShape | None, drawn: Mapping[str, np.ndarray]
) -> Guess | None:
    """Return what stands for an empty mask, None if nothing tells."""
    if given.empty is not None:
        return Guess(given.empty, "the command", GIVEN)
    if trained is None:
        return empty_token([*sample.rows["runs"]], [])
    bare = [photo for photo, mask in drawn.items() if not mask.any()]
    of_bare = trained.rows.loc[trained.rows["photo"].isin(bare), "runs"]
    return empty_token([*sample.rows["runs"]], [*trained.rows["runs"]], [*of_bare])


def _run_lengths(findings: Understanding, given: Given, judged: Judgement, empty: Guess | None) -> None:
    """Settle how runs are written."""
    findings.settle("order", given.order, judged.order, f"The order of the pixels: {judged.reason}.", _ORDERS)
    findings.settle(
        "start",
        given.start,
        judged.start,
        "The number of the first pixel: no mask tells 1 from 0."
        if judged.reason != _NO_RUNS
        else f"The number of the first pixel: {judged.reason}.",
        "start=1 (usual) or start=0",
    )
    findings.settle(
        "empty",
        None,
        empty,
        "What stands for a mask without a pixel: every row of the sample has runs, and no row of a training table is "
        "without.",
        "empty='' (an empty cell, usual), empty=- or what the competition's page says",
    )


def _masks_of_table(files: Files, trained: TableShape, findings: Understanding) -> Masks:
    """Return the masks that the training table holds; what cannot be told is asked already."""
    order, start, empty = (findings.rules.get(key) for key in ("order", "start", "empty"))
    own = empty_token([], [*trained.rows["runs"]]) or empty
    node = {
        "kind": "runs",
        "file": files.train,
        "columns": trained.columns,
        "order": order.value if order else None,
        "start": start.value if start else None,
        "empty": own.value if own else "",
    }
    photos = trained.rows["photo"].dropna().nunique()
    source = f"the run lengths of {files.train.name}, of {photos} photos; any other has an empty mask"
    unknown = int(trained.rows["photo"].isna().sum())
    if unknown:
        findings.notes.append(f"{files.train}: {unknown} rows are of photos that are not in {files.images}.")
    return Masks(node, source, LIKELY if unknown else "certain")


def _photos(findings: Understanding, given: Given, files: Files, train: _Photos, test: _Photos) -> None:
    """Settle where photos are and how they are read."""
    for key, folder, photos in (("images", files.images, train), ("test", files.test, test)):
        source = (
            f"{len(photos.paths)} photos, {sizes_in_words([*photos.looks.values()])}" if photos.paths else "not given"
        )
        findings.guesses[key] = Guess(folder, source)
    both = [*train.looks.values(), *test.looks.values()]
    paths = [*train.paths.values(), *test.paths.values()]
    findings.guesses["channels"] = channels_of(both, given.channels, paths)
    limit = most_pixels(both, _USUAL_PIXELS)
    if limit is not None:
        findings.guesses["max_pixels"] = limit
    if len({(look.height, look.width) for look in both}) > 1:
        findings.notes.append("Photos differ in size: train with geometry=resize or geometry=tile.")


def _classes(
    findings: Understanding, given: Given, sample: TableShape, masks: Masks | None, rows: Sequence[TrainRow]
) -> None:
    """Settle which classes there are, and whether they may overlap.

    Raises:
        Unclear: If sample and masks disagree.
    """
    from_masks = masks.classes if masks is not None else ()
    classes = tuple(given.classes or sample.classes or from_masks)
    for names, where in ((sample.classes, "the sample"), (from_masks, "the masks")):
        if names and {*names} != {*classes}:
            subject = f"The classes {', '.join(classes)} are not those of {where}, {', '.join(names)}."
            raise Unclear(Question(subject, "classes=[...] in the words of the sample, or masks= of these classes"))
    if classes and not sample.classes:
        raise Unclear(
            Question(
                f"The masks have the classes {', '.join(classes)}, and the sample has one row a photo.",
                "masks= of the one class that is asked for",
            )
        )
    source = "the command" if given.classes else "the sample's rows" if sample.classes else "one row a photo"
    findings.guesses["classes"] = Guess([*classes] or None, source, GIVEN if given.classes else "certain")
    findings.guesses["exclusive"] = _exclusive(given, classes, masks, rows)


def _exclusive(given: Given, classes: Sequence[str], masks: Masks | None, rows: Sequence[TrainRow]) -> Guess:
    if given.exclusive is not None:
        return Guess(given.exclusive, "the command", GIVEN)
    if not classes:
        return Guess(False, "one class")
    if masks is not None and masks.exclusive is not None:
        return masks.exclusive
    several, overlapping = overlaps(rows)
    if overlapping:
        return Guess(False, f"masks of two classes overlap in {overlapping} of {several} photos with several")
    if several >= _ENOUGH:
        return Guess(True, f"no two classes overlap in {several} photos with several", LIKELY)
    return Guess(False, f"{several} photos with several classes are looked at: too few to rule overlaps out", ASSUMED)
