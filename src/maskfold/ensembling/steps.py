"""Post-processing steps at hand: with the maps that they look at, and on the photos of the clusters they are for."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from maskfold.data.balance import clusters_fingerprint, refuse_without_clusters
from maskfold.data.table import CLUSTER
from maskfold.ensembling.by_class import Step, on_planes
from maskfold.ensembling.fused_stores import FusedStores
from maskfold.ensembling.mean_map import merged_probability
from maskfold.ensembling.means import PROBABILITY
from maskfold.ensembling.recipe import AnyStep, ByCluster, ByMembers, Recipe
from maskfold.ensembling.tree import MemberMaps, leaves, open_members

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenStep:
    """A `maskfold.ensembling.recipe.ByMembers` whose maps are at hand."""

    sources: tuple[MemberMaps, ...]
    step: Step

    def at(self, image_id: str) -> Step:
        """Return the step for one image."""
        return lambda _, mask: self.step(merged_probability(self.sources, image_id), mask)


@dataclass(frozen=True)
class OfPhotos:
    """A step that is on for some photos: a `maskfold.ensembling.recipe.ByCluster` whose clusters' photos are known."""

    step: Step | OpenStep
    image_ids: frozenset[str]


Opened = Step | OpenStep | OfPhotos


def open_steps(
    steps: Sequence[AnyStep],
    photos: pd.DataFrame,
    *,
    split: str,
    experiments: Path,
    classes: Sequence[str] = (),
    mean: str = PROBABILITY,
    fused: FusedStores | None = None,
) -> tuple[Opened, ...]:
    """Open the maps that steps look at, see `maskfold.ensembling.tree.open_members`; run them on each of the classes.

    Args:
        steps: Of a recipe; where one goes by clusters, `check_clusters` has let the recipe pass.
        photos: Rows of the image table.
        split: `oof` or `test`.
        experiments: The folder of run folders.
        classes: The names of several classes, none for one.
        mean: How maps are averaged.
        fused: Where the maps of some members lie that were predicted in one pass; None takes the members' own.

    Raises:
        MaskfoldError: If maps are missing, or may not be used, or a step is for a class that there is not.
    """

    def opened(step: AnyStep) -> Opened:
        if isinstance(step, ByCluster):
            chosen = photos[CLUSTER].isin(step.clusters)  # which a photo of unknown cluster is not
            return OfPhotos(opened(step.step), frozenset(photos.loc[chosen, "image_id"]))
        if not isinstance(step, ByMembers):
            return on_planes(step, classes)
        members = (
            leaves(step.members, split=split, experiments=experiments, mean=mean)
            if fused is None
            else fused.leaves(step.members)
        )
        sources = tuple(open_members(members, photos, split=split, classes=classes))
        return OpenStep(sources, on_planes(step.step, classes))

    return tuple(map(opened, steps))


def steps_on(steps: Sequence[Opened], image_id: str) -> tuple[Step | OpenStep, ...]:
    """Return the steps that are on for one image."""
    on = [step for step in steps if not isinstance(step, OfPhotos) or image_id in step.image_ids]
    return tuple(step.step if isinstance(step, OfPhotos) else step for step in on)


def steps_for(steps: Sequence[Opened], image_id: str) -> tuple[Step, ...]:
    """Return the steps for one image as functions of its map and its mask."""
    return tuple(step.at(image_id) if isinstance(step, OpenStep) else step for step in steps_on(steps, image_id))


def check_clusters(recipe: Recipe, photos: pd.DataFrame, *, data: str) -> None:
    """Refuse a recipe whose steps go by clusters where none is known; warn of clusters that no photo is of.

    Args:
        recipe: The ensemble.
        photos: The rows of the image table that it is for.
        data: The name of the data.

    Raises:
        MaskfoldError: If no photo has a cluster; the message says what makes them.
    """
    named = recipe.clusters
    if not named:
        return
    key = "ensemble.postprocess: a step of ByCluster"
    refuse_without_clusters(photos, key=key, data=data)
    known = {*photos[CLUSTER].dropna()}
    if lost := [name for name in named if name not in known]:
        # No error: the photos of one day may be without a kind that there was in training.
        log.warning("%s is for %s, of which there is no photo; there are %s.", key, _spoken(lost), _spoken(known))


def cluster_facts(recipe: Recipe, photos: pd.DataFrame) -> dict[str, str | None]:
    """Return what a manifest keeps of the photos' clusters: nothing unless a step of the recipe goes by them."""
    if not recipe.clusters:
        return {}
    return {"clusters": clusters_fingerprint(photos) if CLUSTER in photos else None}


def _spoken(names: Sequence[str] | set[str]) -> str:
    return ", ".join(sorted(names))
