"""What a submission is worth where the truth is known after all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold import arrays
from maskfold.data.loading import SUFFIXES, read_mask
from maskfold.errors import MaskfoldError, listing
from maskfold.masks.metrics import METRICS_BY_NAME, Metric, total
from maskfold.masks.planes import planes
from maskfold.masks.scoring import weight_column
from maskfold.parallel import map_unordered
from maskfold.submission.shape import Shape
from maskfold.submission.writer import read_submission

DICE, IOU = METRICS_BY_NAME["dice"], METRICS_BY_NAME["iou"]


def score_submission(
    submission: Path, truth: Path, *, shape: Shape | None = None, metric: Metric = DICE, jobs: int = 1
) -> pd.DataFrame:
    """Score a submission against masks.

    Args:
        submission: Plain or gzip-compressed.
        truth: A folder with a mask for every image of the submission and no other, named as the image is, with or
            without `_mask` at its end; of several classes a `.b2nd` file.
        shape: How the submission is written; None for the Carvana challenge's.
        metric: What counts, beside Dice and IoU.
        jobs: Processes; -1 is one per core, which pays from thousands of images on.

    Returns:
        A row an image in the submission's order: `image_id`, `dice`, `iou` and the metric, of several classes the mean
        over them; and the metric's weight, where that may be other than 1.

    Raises:
        MaskfoldError: If a file cannot be read, a mask is there twice or an image in only one of the two, or a row
            does not fit its mask's size.
    """
    shape, masks = shape or Shape(), _masks(truth)
    seen: dict[str, list[str]] = defaultdict(list)
    for photo, label, _ in read_submission(submission, shape):
        seen[shape.rules.image_id_of(photo)].append(label)
    labels = sorted(shape.classes or ("",))
    for wrong, what in (
        ([image_id for image_id, of in seen.items() if len({*of}) < len(of)], "there twice"),
        (sorted(seen.keys() - masks.keys()), f"without a mask in {truth}"),
        (sorted(masks.keys() - seen.keys()), f"missing, but have a mask in {truth}"),
        ([image_id for image_id, of in seen.items() if sorted(of) != labels], "without a row for each class"),
    ):
        if wrong:
            raise MaskfoldError(f"{submission}: {len(wrong)} images are {what}:\n{listing(wrong)}")
    rows = (
        (image_id, texts, masks[image_id]) for image_id, texts in _by_image(read_submission(submission, shape), shape)
    )
    scores = dict(map_unordered(_Scorer(shape, metric), rows, "score", total=len(seen), jobs=jobs))
    return pd.DataFrame([{"image_id": image_id} | scores[image_id] for image_id in seen])


def _by_image(rows: Iterable[tuple[str, str, str]], shape: Shape) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each image with its texts by class, once they are all read."""
    waiting: dict[str, dict[str, str]] = defaultdict(dict)
    for photo, label, text in rows:
        image_id = shape.rules.image_id_of(photo)
        waiting[image_id][label] = text
        if len(waiting[image_id]) == max(len(shape.classes), 1):
            yield image_id, waiting.pop(image_id)


def _masks(folder: Path) -> dict[str, Path]:
    """Return `image_id -> file` of a folder's masks."""
    if not folder.is_dir():
        raise MaskfoldError(f"{folder}: no such folder of true masks. Name it with truth=<folder>.")
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in (*SUFFIXES, arrays.SUFFIX))
    return {path.stem.removesuffix("_mask"): path for path in files}


@dataclass(frozen=True)
class _Scorer:
    """Scores one image."""

    shape: Shape
    metric: Metric

    def __call__(self, row: tuple[str, dict[str, str], Path]) -> tuple[str, dict[str, float]]:
        image_id, texts, path = row
        truth = planes(read_mask(path))
        labels = self.shape.classes or ("",)
        if len(truth) != len(labels):
            raise MaskfoldError(f"{path}: a mask of {len(truth)} classes, and the submission has {len(labels)}.")
        try:
            pairs = [
                (self.shape.rules.mask(texts[label], *plane.shape), plane)
                for label, plane in zip(labels, truth, strict=True)
            ]
        except MaskfoldError as error:
            raise MaskfoldError(f"{image_id}: {error}") from error
        scores = {}
        for metric in {one.name: one for one in (DICE, IOU, self.metric)}.values():
            values, weights = np.array([metric.of_masks(*pair) for pair in pairs]).T
            scores[metric.name] = total(values, weights)
            if metric.weighted:
                scores[weight_column(metric.name)] = float(weights.sum())
        return image_id, scores
