"""Run an ensemble over its images: parallel, resumable chunk by chunk, in memory that does not grow."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.ensembling.average import average_probabilities, integer_weights
from maskfold.ensembling.recipe import ByMembers, Step, to_mask
from maskfold.ensembling.tree import MemberMaps, leaves, open_members
from maskfold.errors import MaskfoldError
from maskfold.files import atomic_path, read_table
from maskfold.masks.rle import encode
from maskfold.masks.scores import METRICS, mask_scores
from maskfold.masks.unconfidence import unconfidence
from maskfold.memory import keep_freed_memory
from maskfold.parallel import map_unordered
from maskfold.prediction.store import ProbabilityStore

CHUNK = 16  # images a task: long enough to hide the cost of starting it, short enough to lose little to a kill

SCORES = ["image_id", "unconfidence", "area", *METRICS]


@dataclass(frozen=True)
class OpenStep:
    """A `maskfold.ensembling.recipe.ByMembers` whose maps are at hand."""

    sources: tuple[MemberMaps, ...]
    step: Step

    def at(self, image_id: str) -> Step:
        """Return the step for one image."""
        return lambda _, mask: self.step(merged_probability(self.sources, image_id), mask)


def open_steps(
    steps: Sequence[Step | ByMembers], photos: pd.DataFrame, *, split: str, experiments: Path
) -> tuple[Step | OpenStep, ...]:
    """Open the maps that steps look at, see `maskfold.ensembling.tree.open_members`.

    Raises:
        MaskfoldError: If maps are missing, or may not be used.
    """
    return tuple(
        OpenStep(
            tuple(open_members(leaves(step.members, split=split, experiments=experiments), photos, split=split)),
            step.step,
        )
        if isinstance(step, ByMembers)
        else step
        for step in steps
    )


def steps_for(steps: Sequence[Step | OpenStep], image_id: str) -> tuple[Step, ...]:
    """Return the steps for one image."""
    return tuple(step.at(image_id) if isinstance(step, OpenStep) else step for step in steps)


@dataclass(frozen=True)
class MergeJob:
    """One pass over some images.

    Attributes:
        sources: The members that are averaged.
        threshold: Of 255.
        steps: Post-processing.
        parts: Where finished chunks are kept until all are done.
    """

    sources: tuple[MemberMaps, ...]
    threshold: int
    steps: tuple[Step | OpenStep, ...]
    parts: Path


def sizes_of(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the `(height, width)` of every photo."""
    return list(zip(rows["height"], rows["width"], strict=True))


def merged_probability(
    sources: Sequence[MemberMaps], image_id: str, *, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Return the weighted mean `(H, W) uint8` of an image's maps.

    Args:
        sources: Whose maps.
        image_id: Whose mean.
        size: The photo's `(height, width)`; None does not look at it.

    Raises:
        MaskfoldError: If a map cannot be read, or is of another size than the others or than the photo.
    """
    maps = [pair for source in sources for pair in source.maps(image_id)]
    # Equal weights together, which is what the average is quick at.
    maps.sort(key=lambda pair: pair[1])
    weights = integer_weights([share for _, share in maps])
    probability = average_probabilities(_read_alike([store for store, _ in maps], image_id), weights)
    if size is not None and probability.shape != size:
        raise MaskfoldError(
            f"{maps[0][0].folder}: its map of {image_id} has {probability.shape[1]}x{probability.shape[0]} pixels, the "
            f"photo has {size[1]}x{size[0]}. Predict all members on the photos as they are."
        )
    return probability


def _read_alike(stores: Sequence[ProbabilityStore], image_id: str) -> Iterator[np.ndarray]:
    """Yield an image's map from each store, one by one; name the stores whose maps differ in size."""
    shape = None
    for store in stores:
        probability = store.read(image_id)
        shape = shape or probability.shape
        if probability.shape != shape:
            raise MaskfoldError(
                f"{store.folder}: its map of {image_id} has {probability.shape[1]}x{probability.shape[0]} pixels, that "
                f"in {stores[0].folder} has {shape[1]}x{shape[0]}. Predict all members on the same photos."
            )
        yield probability


def merge(job: MergeJob, table: pd.DataFrame, *, description: str, jobs: int = -1) -> pd.DataFrame:
    """Merge every image of `table`.

    Args:
        job: What to do.
        table: Rows of the image table. Where there is a mask, the result is scored against it.
        description: The progress bar's label.
        jobs: Processes; -1 is one per core.

    Returns:
        One row an image in the table's order: `SCORES`; `area` is the mask's share of the pixels, `METRICS` are NaN
        where there is no mask to score against. The masks themselves stay on disk, see `read_masks`.

    Raises:
        MaskfoldError: If a map or a mask cannot be read, a map has not its photo's size, or the disk is full.
    """
    todo = [chunk for chunk in _chunks(table) if not _part(job, chunk).exists()]
    label = f"{description} ({CHUNK} images each)"
    for _ in map_unordered(_ChunkMerger(job), todo, label, unit="chunks", jobs=jobs):
        pass
    return pd.concat([_read_part(job, chunk, SCORES) for chunk in _chunks(table)], ignore_index=True)


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
    ranked = rows.sort_values(["unconfidence", "image_id"], ascending=[False, True], kind="stable")
    chosen = rows["image_id"].isin(ranked["image_id"].head(worst)).to_numpy()
    again = merge(repair, table[chosen], description="repair", jobs=jobs)
    for column in ("area", *METRICS):
        rows.loc[chosen, column] = again[column].to_numpy()
    return rows.assign(repaired=chosen)


def read_masks(usual: MergeJob, repair: MergeJob, table: pd.DataFrame, repaired: pd.Series) -> Iterator[str]:
    """Yield the run-length string of every image of `table` in its order, a chunk of them in memory at a time.

    Args:
        usual: A job that has merged the whole table.
        repair: A job that has merged the images that were repaired.
        table: Rows of the image table.
        repaired: Which of the rows were repaired.
    """
    mended = _read_masks(repair, table[repaired.to_numpy()])
    for rle, is_repaired in zip(_read_masks(usual, table), repaired, strict=True):
        yield next(mended) if is_repaired else rle


def _read_masks(job: MergeJob, table: pd.DataFrame) -> Iterator[str]:
    for chunk in _chunks(table):
        yield from _read_part(job, chunk, ["rle"])["rle"]


def _chunks(table: pd.DataFrame) -> list[pd.DataFrame]:
    return [table.iloc[start : start + CHUNK] for start in range(0, len(table), CHUNK)]


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
        probability = merged_probability(job.sources, row.image_id, size=(row.height, row.width))
        mask = to_mask(probability, job.threshold, steps_for(job.steps, row.image_id))
        unscored = pd.isna(row.mask)
        scores = dict.fromkeys(METRICS, np.nan) if unscored else mask_scores(mask, read_mask(row.mask, size=mask.shape))
        yield {
            "image_id": row.image_id,
            "unconfidence": unconfidence(probability),
            "area": np.count_nonzero(mask) / mask.size,
            "rle": encode(mask),
        } | scores


def _read_part(job: MergeJob, chunk: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    again = "Delete it, and run the same command again."
    return read_table(_part(job, chunk), again=again, columns=columns)


def _part(job: MergeJob, chunk: pd.DataFrame) -> Path:
    """A chunk's file is named after its images: other images, other file."""
    ids = hashlib.sha256(json.dumps(chunk["image_id"].tolist()).encode()).hexdigest()
    return job.parts / f"{ids[:16]}.parquet"
