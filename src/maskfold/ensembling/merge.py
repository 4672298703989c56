"""Run an ensemble over its images: parallel, resumable chunk by chunk, in memory that does not grow."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.data.windows import are_large, is_large
from maskfold.ensembling.large import Counted, merge_bands, open_truth, refuse_steps
from maskfold.ensembling.mean_map import merged_probability, open_mean
from maskfold.ensembling.recipe import to_mask
from maskfold.ensembling.steps import Opened, steps_for, steps_on
from maskfold.ensembling.tree import MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, read_table
from maskfold.masks.metrics import METRICS_BY_NAME, Metric
from maskfold.masks.planes import planes
from maskfold.masks.rules import Rules
from maskfold.masks.scoring import columns_of, of_class, scores_of, scores_of_counts
from maskfold.masks.unconfidence import unconfidence
from maskfold.memory import keep_freed_memory
from maskfold.parallel import map_unordered

CHUNK = 16  # images a task: long enough to hide the cost of starting it, short enough to lose little to a kill
RUNS = "rle"  # the column of a part file, or those of it by class, that the masks are in


@dataclass(frozen=True)
class MergeJob:
    """One pass over some images.

    Attributes:
        sources: The members that are averaged.
        threshold: Of 255; of several classes one for each.
        steps: Post-processing.
        parts: Where finished chunks are kept until all are done.
        classes: The names of several classes, none for one.
        exclusive: Whether these never overlap.
        metric: What masks are scored by.
        rules: How masks are written.
    """

    sources: tuple[MemberMaps, ...]
    threshold: int | tuple[int, ...]
    steps: tuple[Opened, ...]
    parts: Path
    classes: tuple[str, ...] = ()
    exclusive: bool = False
    metric: Metric = METRICS_BY_NAME["dice"]
    rules: Rules = field(default_factory=Rules)

    @property
    def scores(self) -> list[str]:
        """The columns of the scores of masks; NaN where there is no mask to score against."""
        return columns_of(self.metric, self.classes)

    @property
    def columns(self) -> list[str]:
        """The columns of what `merge` returns."""
        return ["image_id", *self.with_classes("unconfidence"), *self.with_classes("area"), *self.scores]

    def with_classes(self, column: str) -> list[str]:
        """Return a column and, of several classes, that of each."""
        return [column, *(of_class(column, name) for name in self.classes)]


def sizes_of(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the `(height, width)` of every photo."""
    return list(zip(rows["height"], rows["width"], strict=True))


def merge(job: MergeJob, table: pd.DataFrame, *, description: str, jobs: int = -1) -> pd.DataFrame:
    """Merge every image of `table`.

    Args:
        job: What to do.
        table: Rows of the image table. Where there is a mask, the result is scored against it.
        description: The progress bar's label.
        jobs: Processes; -1 is one per core.

    Returns:
        One row an image in the table's order: `image_id`; `unconfidence`; `area`, the mask's share of the pixels; and
        the scores, which are NaN where there is no mask to score against. Of several classes `unconfidence` is of all
        planes together, `area` the mean of them, and both stand for each class as well: `area.<class>`. The masks
        themselves stay on disk, see `read_masks`.

    Raises:
        MaskfoldError: If a map or a mask cannot be read, a map has not its photo's size, or the disk is full.
    """
    todo = [chunk for chunk in _chunks(table) if not _part(job, chunk).exists()]
    label = f"{description} ({CHUNK} images each)"
    for _ in map_unordered(_ChunkMerger(job), todo, label, unit="chunks", jobs=jobs):
        pass
    return pd.concat([_read_part(job, chunk, job.columns) for chunk in _chunks(table)], ignore_index=True)


def merge_with_repair(
    usual: MergeJob, repair: MergeJob, worst: int, table: pd.DataFrame, *, jobs: int = -1
) -> pd.DataFrame:
    """Merge every image, then do the `worst` most unconfident ones again as `repair` says.

    Returns:
        As `merge`, with `repaired`; the unconfidence of a repaired image is that of the whole ensemble.
    """
    rows = merge(usual, table, description="merge", jobs=jobs).assign(repaired=False)
    if worst == 0:
        return rows
    chosen = most_unsure(rows, worst)
    again = merge(repair, table[chosen], description="repair", jobs=jobs)
    for column in (*usual.with_classes("area"), *usual.scores):
        rows.loc[chosen, column] = again[column].to_numpy()
    return rows.assign(repaired=chosen)


def most_unsure(rows: pd.DataFrame, worst: int) -> np.ndarray:
    """Return which rows, `(N,) bool`, are the `worst` most unconfident ones; of equal ones the first by name."""
    ranked = rows.sort_values(["unconfidence", "image_id"], ascending=[False, True], kind="stable")
    return rows["image_id"].isin(ranked["image_id"].head(worst)).to_numpy()


def read_masks(
    usual: MergeJob, repair: MergeJob, table: pd.DataFrame, repaired: pd.Series
) -> Iterator[tuple[str, ...]]:
    """Yield what stands for the masks of every image of `table` in its order, a chunk of them in memory at a time.

    That is one text, as `Rules.text` writes it, or one for each of several classes.

    Args:
        usual: A job that has merged the whole table.
        repair: A job that has merged the images that were repaired.
        table: Rows of the image table.
        repaired: Which of the rows were repaired.
    """
    mended = _read_masks(repair, table[repaired.to_numpy()])
    for texts, is_repaired in zip(_read_masks(usual, table), repaired, strict=True):
        yield next(mended) if is_repaired else texts


def _read_masks(job: MergeJob, table: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    columns = [of_class(RUNS, name) for name in job.classes] or [RUNS]
    for chunk in _chunks(table):
        yield from _read_part(job, chunk, columns).itertuples(index=False, name=None)


def _chunks(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Cut a table into chunks of `CHUNK` images, and those with a very large one at it: its runs alone fill memory."""
    large = np.flatnonzero(are_large(table)).tolist()
    starts = sorted({*range(0, len(table), CHUNK), *large, *(row + 1 for row in large)} - {len(table)})
    return [table.iloc[start:stop] for start, stop in pairwise([*starts, len(table)])]


@dataclass(frozen=True)
class _ChunkMerger:
    """Merges one chunk into its part file."""

    job: MergeJob

    def __call__(self, chunk: pd.DataFrame) -> None:
        keep_freed_memory()
        rows = pd.DataFrame(_merge_rows(self.job, chunk))
        with atomic_path(_part(self.job, chunk)) as part:
            rows.to_parquet(part, index=False)


def _merge_rows(job: MergeJob, chunk: pd.DataFrame) -> Iterator[dict]:
    for row in chunk.itertuples():
        if is_large(row.height, row.width):
            yield _merge_by_bands(job, row)
            continue
        probability = merged_probability(job.sources, row.image_id, size=(row.height, row.width))
        steps = steps_for(job.steps, row.image_id)
        mask = to_mask(probability, job.threshold, steps, exclusive=job.exclusive)
        yield {"image_id": row.image_id, **_facts(job, probability, mask), **_scores(job, mask, row.mask)}


def _facts(job: MergeJob, probability: np.ndarray, mask: np.ndarray) -> dict[str, float | str]:
    """Return unconfidence and area, of the whole and of each of several classes, and the texts of the masks."""
    whole = [("unconfidence", unconfidence, probability), ("area", _area, mask), (RUNS, job.rules.text, mask)]
    if not job.classes:
        return {column: measure(array) for column, measure, array in whole}
    facts = {column: measure(array) for column, measure, array in whole[:2]}
    for column, measure, array in whole:
        facts |= {of_class(column, name): measure(plane) for name, plane in zip(job.classes, array, strict=True)}
    return facts


def _area(mask: np.ndarray) -> float:
    return np.count_nonzero(mask) / mask.size


def _scores(job: MergeJob, mask: np.ndarray, path: str | None) -> dict[str, float]:
    if pd.isna(path):
        return dict.fromkeys(job.scores, np.nan)
    truth = read_mask(path, size=mask.shape[-2:])
    if truth.shape != mask.shape:
        raise MaskfoldError(f"{path}: a mask of {len(planes(truth))} classes, and the data has {len(planes(mask))}.")
    return scores_of(mask, truth, metric=job.metric, classes=job.classes)


def _merge_by_bands(job: MergeJob, row: Any) -> dict:
    """Return the row of a very large picture."""
    refuse_steps(row.image_id, steps_on(job.steps, row.image_id))
    mean = open_mean(job.sources, row.image_id, size=(row.height, row.width))
    truth = None if pd.isna(row.mask) else open_truth(row.mask, mean)
    counted = merge_bands(mean, partial(to_mask, threshold=job.threshold, exclusive=job.exclusive), truth, job.rules)
    scores = dict.fromkeys(job.scores, np.nan)
    if truth is not None:
        scores = scores_of_counts(counted.overlap, counted.pixels, metric=job.metric, classes=job.classes)
    return {"image_id": row.image_id, **_counted_facts(job, counted), **scores}


def _counted_facts(job: MergeJob, counted: Counted) -> dict[str, float | str]:
    """Return what `_facts` does, of a very large picture."""
    together, *each = counted.unsureness
    facts: dict[str, float | str] = {"unconfidence": together, "area": float(counted.areas.mean())}
    if not job.classes:
        return facts | {RUNS: counted.runs[0]}
    for column, values in (("unconfidence", each), ("area", counted.areas.tolist()), (RUNS, counted.runs)):
        facts |= {of_class(column, name): value for name, value in zip(job.classes, values, strict=True)}
    return facts


def _read_part(job: MergeJob, chunk: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    again = "Delete it, and run the same command again."
    return read_table(_part(job, chunk), again=again, columns=columns)


def _part(job: MergeJob, chunk: pd.DataFrame) -> Path:
    """A chunk's file is named after its images: other images, other file."""
    ids = hashlib.sha256(json.dumps(chunk["image_id"].tolist()).encode()).hexdigest()
    return job.parts / f"{ids[:16]}.parquet"
