"""Which submission is expected: the ids and sizes of its own data, unless they are said; and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.config import build
from maskfold.data.labelled import LabelledSource
from maskfold.data.loading import read_image
from maskfold.data.source import Source
from maskfold.data.task import RECOGNITION
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import named
from maskfold.prediction.splits import photos_of
from maskfold.runs.contents import refuse_other_contents
from maskfold.runs.ensemble_folder import ensemble_of, result_of
from maskfold.runs.layout import is_full
from maskfold.runs.run_folder import run_of
from maskfold.submission.doctor import examine
from maskfold.submission.findings import Report
from maskfold.submission.label_doctor import examine_labels
from maskfold.submission.labels import LabelShape, label_shape, names_of, sample_ids, shape_said
from maskfold.submission.orientation import (
    PHOTOS,
    Chosen,
    judge_submission,
    look_at_truth,
    order_by_place,
    other_order,
    with_order,
)
from maskfold.submission.sample import masks_of_sample
from maskfold.submission.shape import Shape, sample_of, shape_from, shape_of, shape_written
from maskfold.submission.writer import read_submission
from maskfold.trust import vetted


def check_up(
    submission: Path,
    *,
    data: dict[str, Any] | None = None,
    sample: str | Path | None = None,
    height: int | None = None,
    width: int | None = None,
    rules: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    jobs: int = 1,
) -> Report:
    """Return what is wrong with a submission.

    Args:
        submission: The file.
        data: The source of the photos that it is of; None for what the manifest beside it names.
        sample: A submission with the names that are expected; None for that of the data, if there is one.
        height: Of all photos, pixels; with `width` the data is not looked at.
        width: Likewise.
        rules: Those arguments of `maskfold.masks.rules.Rules` that are others than the data says, or without data the
            manifest.
        classes: The names of several classes, likewise.
        jobs: Processes, see `maskfold.parallel.map_unordered`.

    Raises:
        MaskfoldError: If nobody says what it is of, only one of `height` and `width` is given, or photos have been
            replaced since it was made.
    """
    if bool(height) != bool(width):
        raise MaskfoldError("Give both height= and width=, or neither to look the sizes up in the data.")
    report = _check_up(submission, data, sample, (height, width), rules, classes, jobs)
    return replace(report, warnings=[*report.warnings, *_unknown_scores(submission)])


def _unknown_scores(submission: Path) -> list[str]:
    """Return a sentence about the networks in a submission that were trained on all photos, if its manifest has any."""
    path = result_of(submission).manifest
    members = files.read_json(path).get("members", []) if path.exists() else []
    runs = [run_of(Path(maps["folder"])) for member in members for maps in member.get("maps", [])]
    full = sorted({str(run.path) for run in runs if is_full(run)})
    if not full:
        return []
    return [f"score: unknown of {', '.join(full)}, trained on all photos: no score out of fold is this submission's"]


def _check_up(
    submission: Path,
    data: dict[str, Any] | None,
    sample: str | Path | None,
    size: tuple[int | None, int | None],
    rules: Mapping[str, Any] | None,
    classes: Sequence[str] | None,
    jobs: int,
) -> Report:
    height, width = size
    own_sample = None if sample is None else Path(sample)
    if height and width:
        shape = _changed(shape_written(submission), rules, classes)
        report = examine(submission, own_sample, sizes=(height, width), shape=shape, jobs=jobs)
        return _with_sample(report, own_sample)
    source: Source = build(data_of_submission(submission) if data is None else data)
    table = source.load()
    if data is None:
        _refuse_replaced(submission, table)
    if source.task == RECOGNITION:
        return _check_labels(submission, source, table, own_sample, (rules or {}).get("columns"))
    sizes = {row.image_id: (row.height, row.width) for row in table.itertuples()}
    shape, chosen = _changed(shape_of(source), rules, classes), Chosen(sizes=sizes)
    sample_file = own_sample or sample_of(source)
    report = examine(submission, sample_file, sizes=sizes, shape=shape, watch=chosen, jobs=jobs)
    report = _with_order_asked_for(report, sample_file, source, table, shape)
    return _with_sample(_with_order(report, submission, chosen, source, table, shape, sizes), sample_file)


def _check_labels(
    submission: Path,
    source: LabelledSource,
    table: pd.DataFrame,
    sample: Path | None,
    columns: Mapping[str, str] | None,
) -> Report:
    """Return what is wrong with a submission of labels; out of fold there is no sample."""
    path = result_of(submission).manifest
    split = files.read_json(path).get("split", "test") if path.exists() else "test"
    photos, classes = photos_of(table, split), source.class_table()
    sample = None if split == "oof" else sample or sample_of(source)
    if columns is not None:
        shape = shape_said({"columns": columns}, classes.labels)
    else:
        shape = LabelShape() if split == "oof" else label_shape(source, photos, sample)
    names = names_of(photos, shape.photo, root=source.root) if sample is None else sample_ids(sample)
    report = examine_labels(submission, shape, classes, wanted=names, ordered=sample is not None)
    return _with_sample(report, sample)


def _with_sample(report: Report, sample: Path | None) -> Report:
    """Return the report with a note where there was no sample to compare the rows with."""
    if sample is not None:
        return report
    note = "sample: there is none, so names and order of the rows are not checked; sample= or data.sample= names one"
    return replace(report, notes=[*report.notes, note])


def _changed(shape: Shape, rules: Mapping[str, Any] | None, classes: Sequence[str] | None) -> Shape:
    """Return a shape with the rules and classes that are given."""
    origin = "rules= and classes="
    return shape_from(asdict(shape.rules) | dict(rules or {}), classes or shape.classes, origin=origin)


def _with_order_asked_for(
    report: Report, sample: Path | None, source: Source, table: pd.DataFrame, shape: Shape
) -> Report:
    """Return the report with what speaks against the order that the data asks for: labels, masks of the sample."""
    wanted, warnings = shape.rules.order, [*report.warnings]
    if source.order_of_labels == other_order(wanted):
        warnings.append(
            f"orientation: the table of training masks numbers pixels by {source.order_of_labels}, a submission by "
            f"{wanted}; most competitions do both alike"
        )
    masks = [*masks_of_sample(sample, shape, {*table["image_id"]})] if sample else []
    verdict = judge_submission(masks, table, partial(read_image, channels=source.channels))
    if verdict.order == other_order(wanted):
        warnings.append(
            f"orientation: the masks of {sample} are numbered by {verdict.order} ({verdict.evidence[0].lower()}"
            f"{verdict.evidence[1:]}), and data.submission asks for {wanted}"
        )
    return replace(report, warnings=warnings)


def _with_order(
    report: Report,
    submission: Path,
    chosen: Chosen,
    source: Source,
    table: pd.DataFrame,
    shape: Shape,
    sizes: Mapping[str, tuple[int, int]],
) -> Report:
    """Return the report with what photos and training masks say of the order."""
    metric, wanted = named(source.metric), shape.rules.order
    predicted = _out_of_fold(submission, table)
    truth = look_at_truth(table, classes=shape.classes, metric=metric, order=wanted, predicted=predicted)
    edges = judge_submission(chosen, table, partial(read_image, channels=source.channels))
    place = order_by_place([(label, runs, sizes[image_id]) for image_id, label, runs in chosen], truth.cells)
    return with_order(report, wanted, edges=edges, place=place, truth=truth, metric=metric)


def _out_of_fold(submission: Path, table: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Return the runs of some masks that the same ensemble predicted out of fold; none if it did not."""
    path = ensemble_of(submission).oof.submission
    if not path.exists():
        return {}
    known = {*table.loc[table["split"] == "train", "image_id"]}
    try:
        shape = shape_written(path)
        sizes = {row.image_id: (row.height, row.width) for row in table.itertuples()}
        chosen = Chosen(most=PHOTOS * max(len(shape.classes), 1), sizes=sizes)
        for photo, label, text in read_submission(path, shape):
            image_id = shape.rules.image_id_of(photo)
            if image_id in known:
                chosen(image_id, label, shape.rules.pairs(text))
    except MaskfoldError:  # it is not what is examined
        return {}
    return {(image_id, label): runs for image_id, label, runs in chosen}


def _refuse_replaced(submission: Path, table: pd.DataFrame) -> None:
    """Refuse a submission whose masks are of other files than the photos are now."""
    path = result_of(submission).manifest
    manifest = files.read_json(path)
    if "contents" in manifest:
        again = f"`make ensemble ENS={manifest['ensemble']['name']}`"
        refuse_other_contents(manifest, photos_of(table, manifest["split"]), where=path, again=again)


def data_of_submission(submission: Path) -> dict[str, Any]:
    """Return the data that the manifest beside a submission names.

    Raises:
        MaskfoldError: If there is no manifest, or it names none.
    """
    manifest = result_of(submission).manifest
    if not manifest.exists():
        raise MaskfoldError(
            f"{manifest}: missing, so say what {submission} is of: data=carvana, or height= and width="
            " (with rules= and classes= where they are not the Carvana challenge's)."
        )
    source = files.read_json(manifest).get("source")
    if source is None:
        raise MaskfoldError(f"{manifest}: does not name its data, so say what {submission} is of: data=carvana.")
    return vetted(source, "data", manifest)
