"""The post-processing of a recipe, measured on its out-of-fold maps, and as its file would have it where it gains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.data.source import Source
from maskfold.ensembling.by_class import step_name, threshold_of
from maskfold.ensembling.empty import empty_steps
from maskfold.ensembling.guard import EVERYWHERE, Chain, ChainScorer, Guarded, guard_steps, repaired_of, trials_of
from maskfold.ensembling.recipe import AnyStep, ByCluster, Recipe
from maskfold.ensembling.steps import open_steps
from maskfold.ensembling.tree import MemberMaps, leaves, open_members
from maskfold.masks.metrics import Metric

BY_CLUSTER = f"{ByCluster.__module__}.{ByCluster.__qualname__}"


def measured_steps(recipe: Recipe) -> tuple[AnyStep, ...]:
    """Return the steps of `postprocess`, without those that `empty` stands for, which `make tune` chooses."""
    return recipe.postprocess[len(empty_steps(recipe.empty)) :]


def guard_recipe(
    recipe: Recipe,
    sources: Sequence[MemberMaps],
    photos: pd.DataFrame,
    *,
    source: Source,
    metric: Metric,
    experiments: Path,
    seed: int,
    jobs: int = -1,
) -> Guarded:
    """Measure every step of a recipe's post-processing, on the photos that it repairs as on the others.

    Args:
        recipe: The ensemble.
        sources: Its members' out-of-fold maps.
        photos: Rows of the image table that have masks.
        source: The data.
        metric: What masks are scored by.
        experiments: The folder of run folders.
        seed: Of the bootstrap.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If maps or masks cannot be read, or may not be used.
    """
    classes, worst = source.classes, recipe.repair.count(len(photos))
    whole = {"split": "oof", "experiments": experiments, "classes": classes, "mean": recipe.mean}
    always = open_steps(empty_steps(recipe.empty), photos, **whole)
    usual = repair = Chain(sources, threshold_of(recipe.threshold, classes), always)
    if worst:
        own = recipe.passes.repair
        members = leaves(own.members, split="oof", experiments=experiments, mean=recipe.mean)
        maps = open_members(members, photos, split="oof", classes=classes)
        before = open_steps(recipe.repair.steps, photos, **whole)
        repair = Chain(maps, threshold_of(own.threshold, classes), (*before, *always))
    repaired = repaired_of(usual, photos, worst, jobs=jobs)
    tried = [
        (step_name(step), *open_steps([_bare(step)], photos, **whole), step.clusters if _limited(step) else None)
        for step in measured_steps(recipe)
    ]
    scorer = ChainScorer(usual, repair, repaired, metric, source.exclusive)
    return guard_steps(trials_of(tried, photos), scorer, photos, seed=seed, jobs=jobs)


def proposed_nodes(recipe: Recipe, nodes: Sequence[dict[str, Any]], guarded: Guarded) -> list[dict[str, Any]]:
    """Return the steps as the ensemble's file would list them: each where it gains, and not where it gains nowhere.

    Args:
        recipe: The ensemble.
        nodes: Its `postprocess` as its file has it.
        guarded: What came of measuring.
    """
    proposed = []
    for step, node, clusters in zip(measured_steps(recipe), nodes, guarded.clusters, strict=True):
        bare = node["step"] if _limited(step) else node
        if clusters == [EVERYWHERE]:
            proposed.append(bare)
        elif clusters:
            proposed.append({"_target_": BY_CLUSTER, "clusters": clusters, "step": bare})
    return proposed


def _limited(step: AnyStep) -> bool:
    return isinstance(step, ByCluster)


def _bare(step: AnyStep) -> AnyStep:
    return step.step if isinstance(step, ByCluster) else step
