"""What is on disk about an ensemble: its scores, its members', and any image's maps, averaged when asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.data.classes import classes_of
from maskfold.data.loading import read_image, read_mask
from maskfold.data.table import CLUSTER, fingerprint, metadata_columns
from maskfold.ensembling.by_class import threshold_of
from maskfold.ensembling.fused_stores import FusedStores, leaves_of_passes
from maskfold.ensembling.mean_map import merged_probability
from maskfold.ensembling.recipe import Recipe, to_mask
from maskfold.ensembling.steps import Opened, cluster_facts, open_steps, steps_for
from maskfold.ensembling.tree import Leaf, MemberMaps, open_members
from maskfold.errors import MaskfoldError
from maskfold.masks.pictures import as_rgb
from maskfold.masks.planes import planes
from maskfold.masks.scoring import DICE, Judged
from maskfold.runs.contents import refuse_other_contents
from maskfold.runs.ensemble_folder import EnsembleFolder, ResultFolder
from maskfold.runs.layout import MemberFolder
from maskfold.runs.run_folder import run_of

Found = TypeVar("Found")


@dataclass(frozen=True)
class Case:
    """One image to look at.

    Attributes:
        photo: `(H, W, 3) uint8`, RGB.
        probability: The whole ensemble's, `(H, W) uint8`, 0..255; of several classes `(C, H, W)`, as the next two.
        prediction: The submitted mask, `(H, W) uint8`, 0 or 1.
        truth: The mask it was labelled with, `(H, W) uint8`, 0 or 1; None for a test image.
    """

    photo: np.ndarray
    probability: np.ndarray
    prediction: np.ndarray
    truth: np.ndarray | None

    def of_class(self, number: int) -> "Case":
        """Return the same with the arrays `(H, W)` of one class."""
        truth = None if self.truth is None else planes(self.truth)[number]
        return Case(self.photo, planes(self.probability)[number], planes(self.prediction)[number], truth)


@dataclass(frozen=True)
class OpenPass:
    """How maps become a mask: a `maskfold.ensembling.recipe.Pass` whose maps are at hand."""

    sources: Sequence[MemberMaps]
    threshold: int | tuple[int, ...]
    steps: Sequence[Opened]
    exclusive: bool = False

    def probability(self, image_id: str) -> np.ndarray:
        """Average an image's maps: `(H, W) uint8`, of several classes `(C, H, W)`."""
        return merged_probability(self.sources, image_id)

    def mask(self, image_id: str, probability: np.ndarray) -> np.ndarray:
        """Cut and post-process an image's averaged map; return a mask of its shape, `uint8`, 0 or 1."""
        steps = steps_for(self.steps, image_id)
        return to_mask(probability, self.threshold, steps, exclusive=self.exclusive)


def outcome(usual: OpenPass, repair: OpenPass, image_id: str, *, repaired: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return an image's probability by the whole ensemble and its final mask.

    Both are `(H, W) uint8`, of several classes `(C, H, W)`.
    """
    probability = usual.probability(image_id)
    if repaired:
        return probability, repair.mask(image_id, repair.probability(image_id))
    return probability, usual.mask(image_id, probability)


@dataclass(frozen=True)
class Split:
    """An ensemble's result on the test photos, or out of fold on the train photos.

    Attributes:
        scores: A row an image: the ensemble's `scores.parquet`, and of the image table the `mask_area`, the `cluster`
            where clusters are known, and the metadata columns.
        photos: The rows of the image table.
        metadata: The names of the metadata columns.
        usual: How most images were masked.
        repair: How those were masked that are `repaired`.
        channels: Of the photos, see `read_image`.
    """

    scores: pd.DataFrame
    photos: pd.DataFrame
    metadata: Sequence[str]
    usual: OpenPass
    repair: OpenPass
    channels: int | None = None

    def case(self, image_id: str) -> Case:
        """Read an image and average its maps."""
        row = self.photos.set_index("image_id").loc[image_id]
        photo = as_rgb(read_image(row["image"], channels=self.channels))
        repaired = self.scores.set_index("image_id").loc[image_id, "repaired"]
        probability, prediction = outcome(self.usual, self.repair, image_id, repaired=repaired)
        truth = None if pd.isna(row["mask"]) else read_mask(row["mask"], size=photo.shape[:2])
        return Case(photo, probability, prediction, truth)


@dataclass(frozen=True)
class Evidence:
    """All that a report may speak of; what is None is not there.

    Attributes:
        name: The ensemble's.
        data: The data set's.
        test: The ensemble on the test photos.
        oof: The ensemble out of fold.
        members: `scores.parquet` of each experiment in the ensemble that was evaluated.
        results: `results.csv` of each.
        planted: `planted.csv` of a generated set.
        truth: The submission's scores against a hidden truth: `image_id`, `dice`, `iou`, and what is judged.
        missing: What could not be had, and the command that would add it.
        judged: What the data is scored by.
        classes: The names of several classes.
    """

    name: str
    data: str
    test: Split | None
    oof: Split | None
    members: dict[str, pd.DataFrame]
    results: dict[str, pd.DataFrame]
    planted: pd.DataFrame | None
    truth: pd.DataFrame | None
    missing: list[str]
    judged: Judged = DICE
    classes: Sequence[str] = ()


def attempt(missing: list[str], find: Callable[..., Found], *arguments: Any, **named: Any) -> Found | None:
    """Return what `find` returns, or None with the reason added to `missing`."""
    try:
        return find(*arguments, **named)
    except MaskfoldError as error:
        missing.append(str(error))
        return None


def read_manifest(result: ResultFolder, *, ensemble: dict[str, Any], command: str) -> dict[str, Any]:
    """Read the manifest of an ensemble's result.

    Args:
        result: The result's folder.
        ensemble: The ensemble's configuration as it is now.
        command: What makes the result.

    Raises:
        MaskfoldError: If there is no result, or it was made with another configuration.
    """
    path = result.manifest
    if not path.exists():
        raise MaskfoldError(f"{path} is missing; `{command}` makes it.")
    manifest = files.read_json(path)
    unsaid = {"empty": None}  # by an older version
    if unsaid | manifest["ensemble"] != unsaid | ensemble:
        raise MaskfoldError(f"{path}: the ensemble's configuration has changed since; `{command}` makes it anew.")
    return manifest


def open_split(
    folder: EnsembleFolder,
    recipe: Recipe,
    manifest: dict[str, Any],
    table: pd.DataFrame,
    *,
    experiments: Path,
    command: str,
    channels: int | None = None,
) -> Split:
    """Open an ensemble's result with the photos and the maps behind it.

    Args:
        folder: The ensemble's.
        recipe: The ensemble.
        manifest: As `read_manifest` returns it.
        table: The checked image table of the data it was made of.
        experiments: The folder of run folders.
        command: What makes the result.
        channels: Of the photos.

    Raises:
        MaskfoldError: If the photos are others by now, their clusters where a step goes by them, or maps are missing.
    """
    split = manifest["split"]
    result = folder.result(split)
    photos = table[table["split"] == ("train" if split == "oof" else "test")]
    if fingerprint(photos) != manifest["data"]:
        raise MaskfoldError(f"{result.manifest}: the photos have changed since; `{command}` makes it anew.")
    refuse_other_contents(manifest, photos, where=result.manifest, again=f"`{command}`")
    if manifest.get("clusters") != cluster_facts(recipe, photos).get("clusters"):
        raise MaskfoldError(f"{result.manifest}: the photos' clusters have changed since; `{command}` makes it anew.")
    scores = files.read_table(result.scores, again=f"`{command}` makes it anew.")
    metadata = metadata_columns(table)
    fused = FusedStores(recipe, folder) if manifest.get("fused") else None
    networks = leaves_of_passes(recipe, split=split, experiments=experiments, fused=fused)
    source = manifest["source"]
    classes = classes_of(source)
    usual, repair = (
        OpenPass(
            open_members(averaged, photos, split=split, classes=classes),
            threshold_of(one.threshold, classes),
            open_steps(
                one.steps, photos, split=split, experiments=experiments, classes=classes, mean=recipe.mean, fused=fused
            ),
            bool(classes and source.get("exclusive")),
        )
        for averaged, one in zip(networks, recipe.passes, strict=True)
    )
    about = photos.filter(["image_id", "mask_area", CLUSTER, *metadata])
    scores = scores.drop(columns=CLUSTER, errors="ignore")  # as they are now, corrected by hand since
    return Split(scores.merge(about, on="image_id"), photos, metadata, usual, repair, channels)


def read_member(
    leaf: Leaf, image_ids: Sequence[str], *, experiments: Path, judged: Judged = DICE
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the out-of-fold `scores.parquet` and `results.csv` of a member.

    Raises:
        MaskfoldError: If it was not evaluated on these images or by this metric, or is not an experiment.
    """
    member = MemberFolder(experiments / leaf.name)
    if not member.holds(run_of(leaf.stores[0])):
        raise MaskfoldError(f"{leaf.name}: a folder of maps from elsewhere, which has no scores of its own.")
    command = f"`make evaluate EXP={leaf.name}`"
    if not member.scores.exists() or not member.results.exists():
        raise MaskfoldError(f"{member.scores} is missing; {command} makes it.")
    again = f"{command} makes it anew."
    scores = files.read_table(member.scores, again=again)
    if set(scores["image_id"]) != set(image_ids):
        raise MaskfoldError(f"{member.scores} is of other images than the ensemble; {again}")
    if judged.column not in scores:
        raise MaskfoldError(
            f"{member.scores} has no scores by {judged.metric}; `make evaluate EXP={leaf.name} "
            f"ARGS=metric={judged.metric}` adds them."
        )
    return scores, files.read_table(member.results, again=again, dtype={"fold": str})
