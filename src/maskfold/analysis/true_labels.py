"""What a submission of labels is worth where the truth is known after all."""

from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError, listing
from maskfold.masks.scoring import Judged
from maskfold.recognition.scoring import ACCURACY, LOG_LOSS, TOP5, with_macro_recall
from maskfold.submission.labels import LabelShape
from maskfold.submission.writer import read_lines

_SMALLEST = 1e-15  # probability that log loss counts
_TOP = 5


def score_labels(submission: Path, truth: Path, shape: LabelShape) -> pd.DataFrame:
    """Score a submission against a table of labels.

    Args:
        submission: Plain or gzip-compressed.
        truth: A CSV with a row for every photo of the submission and no other: its name as in the submission, and its
            label, in columns that are called as in the submission (the second `label` where there is a column a label),
            or in the first two.
        shape: How the submission is written.

    Returns:
        A row a photo in the submission's order: `image_id` (the submission's name of it), `label`, `predicted`,
        `accuracy` and its part in `macro_recall`; `top5` where the submission has five labels or all; and `log_loss`
        where it has probabilities.

    Raises:
        MaskfoldError: If a file cannot be read or is of another form, or a photo is twice in one or in only one.
    """
    lines = read_lines(submission)
    header = tuple(next(lines, []))
    if header != shape.header:
        raise MaskfoldError(
            f"{submission}, line 1: the header is {','.join(header)[:60]!r}, not {','.join(shape.header)[:60]!r}"
        )
    known = _truth(truth, shape)
    rows = [
        _score(fields, shape, known, f"{submission}, line {number}") for number, fields in enumerate(lines, start=2)
    ]
    scores = pd.DataFrame(rows)
    missing = sorted({*known} - {*scores.get("image_id", [])})
    twice = sorted(scores["image_id"][scores["image_id"].duplicated()]) if len(scores) else []
    for wrong, what in ((missing, f"of {truth} have no row"), (twice, "are there twice")):
        if wrong:
            raise MaskfoldError(f"{submission}: {len(wrong)} photos {what}:\n{listing(wrong, 5)}")
    return with_macro_recall(scores)


def described(scores: pd.DataFrame) -> str:
    """Return what scored photos come to, in words."""
    parts = [
        f"{Judged(name).title} {Judged(name).total(scores):.6f}"
        for name in (ACCURACY, TOP5, "macro_recall", LOG_LOSS)
        if name in scores
    ]
    return ", ".join(parts)


def _truth(path: Path, shape: LabelShape) -> dict[str, str]:
    lines = read_lines(path)
    header = next(lines, [])
    if len(header) < 2:
        raise MaskfoldError(
            f"{path}: no table of photos and labels. Give a CSV with a row a photo: its name, its label."
        )
    label = shape.column or "label"
    place = header.index(shape.id_column) if shape.id_column in header else 0
    column = header.index(label) if label in header else 1
    truth: dict[str, str] = {}
    for number, fields in enumerate(lines, start=2):
        if len(fields) != len(header) or fields[place] in truth:
            raise MaskfoldError(f"{path}, line {number}: not a row of its own of {len(header)} columns.")
        truth[fields[place]] = fields[column]
    return truth


def _score(fields: list[str], shape: LabelShape, known: dict[str, str], where: str) -> dict[str, object]:
    """Return a row's scores."""
    if len(fields) != len(shape.header):
        raise MaskfoldError(f"{where}: {len(fields)} columns instead of {len(shape.header)}")
    name = fields[0]
    if name not in known:
        raise MaskfoldError(f"{where}: {name!r} is not in the truth.")
    label, row = known[name], {}
    if shape.labels:
        try:
            values = np.array(fields[1:], np.float64)
        except ValueError as error:
            raise MaskfoldError(f"{where}: not all of it are probabilities ({error}).") from error
        ranked = [shape.labels[place] for place in np.argsort(-values, kind="stable")[:_TOP]]
        true = values[shape.labels.index(label)] if label in shape.labels else 0.0
        row = {TOP5: float(label in ranked), LOG_LOSS: -np.log(max(true, _SMALLEST))}
    elif shape.best > 1:
        ranked = fields[1].split(" ")
        row = {TOP5: float(label in ranked[:_TOP])} if shape.best >= _TOP else {}
    else:
        ranked = [fields[1]]
    return {"image_id": name, "label": label, "predicted": ranked[0], ACCURACY: float(ranked[0] == label)} | row
