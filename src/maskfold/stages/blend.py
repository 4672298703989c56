"""Fit an ensemble's weights, and find where its steps gain, out of fold: `maskfold blend ensemble=carvana`."""

import logging
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import yaml
from omegaconf import DictConfig

from maskfold import files
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, resolved
from maskfold.data.table import CLUSTER
from maskfold.data.windows import refuse_large
from maskfold.ensembling.average import integer_weights
from maskfold.ensembling.blend import Blend, fit_blend, other_mean
from maskfold.ensembling.by_class import threshold_of
from maskfold.ensembling.contested import by_counts, contested_pixels, groups_of_masks
from maskfold.ensembling.guard import Guarded
from maskfold.ensembling.manifest import data_of, ingredients
from maskfold.ensembling.means import RANK
from maskfold.ensembling.proposal import guard_recipe, measured_steps, proposed_nodes
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.steps import check_clusters
from maskfold.ensembling.tree import leaf_nodes, leaves, open_members
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import Metric, named
from maskfold.prediction.splits import photos_of
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.terminal import counted

log = logging.getLogger(__name__)


def blend(config: DictConfig) -> Blend:
    """Write an ensemble's `blend.json`; print weights and steps of post-processing that gain more than the noise."""
    recipe: Recipe = build(config.ensemble)
    if recipe.mean == RANK:
        raise MaskfoldError(
            "ensemble.mean=rank: a rank is a place among all pixels of a map, and weights are fitted on the few that "
            "members contest. Fit them with ensemble.mean=probability or logit, and compare out of fold: make ensemble "
            "ARGS=split=oof."
        )
    members = leaves(recipe.members, split="oof", experiments=EXPERIMENTS, mean=recipe.mean)
    source = build(config.data or data_of(members))
    photos = photos_of(source.load(), "oof")
    refuse_large(photos, "and fitting weights would read their maps whole. Fit them on smaller photos, with data=...")
    check_clusters(recipe, photos, data=source.name)
    sources = open_members(members, photos, split="oof", classes=source.classes)
    wanted = named(source.metric)
    metric = by_counts(wanted)
    if metric is not wanted:
        log.info("%s does not follow from counts of pixels: the weights are fitted and judged by Dice.", wanted.title)
    if source.exclusive:
        log.info("The weights are judged class by class, as if classes could overlap, which these never do.")
    threshold = threshold_of(recipe.threshold, source.classes)
    contested = contested_pixels(sources, photos, threshold=threshold, metric=metric, jobs=config.jobs)
    groups = groups_of_masks(contested, photos["group"])
    present = np.array([float(leaf.weight) for leaf in members])
    result = fit_blend(contested, groups, present=present, method=config.method, k=config.k, seed=config.seed)
    nodes = _weighted(leaf_nodes(recipe.members), result.weights)
    table = _table([leaf.name for leaf in members], present, result, metric.name)
    path = EnsembleFolder(SUBMISSIONS / recipe.name).blend
    about = {"method": config.method, "k": config.k, "seed": config.seed, "threshold": recipe.threshold}
    outcome = {"accepted": result.accepted, metric.name: result.fitted, "members": nodes}
    about |= outcome | {"table": table.to_dict("records"), "fitted_on": ingredients(members)}
    other, ends = other_mean(contested, groups, weights=present, seed=config.seed)
    about |= {"mean": recipe.mean, "other_mean": {"mean": other, "gain": ends}}
    log.info("%s", _of_mean(recipe, other, ends))
    log.info("%s\n%s\n%s", path, table.to_string(index=False), _verdict(result, nodes, recipe))
    if measured_steps(recipe):
        whole = {"source": source, "metric": wanted, "experiments": EXPERIMENTS, "seed": config.seed}
        guarded = guard_recipe(recipe, sources, photos, **whole, jobs=config.jobs)
        steps = proposed_nodes(recipe, resolved(config.ensemble)["postprocess"], guarded)
        about |= {"steps": _steps(guarded, steps, wanted)}
        if CLUSTER in photos and (unknown := int(photos[CLUSTER].isna().sum())):
            log.info("%s of no known cluster: steps that go by clusters are off there.", counted(unknown, "photo"))
        log.info("%s\n%s", guarded.table.round(6).to_string(index=False), _advice(guarded, steps, recipe, wanted))
    files.write_json(path, about)
    return result


def _weighted(nodes: list[dict], weights: np.ndarray) -> list[dict]:
    """Return the members that count for at least half a per cent, with the smallest whole weights."""
    whole = integer_weights([Fraction(round(100 * weight)) for weight in weights])
    return [node | {"weight": weight} for node, weight in zip(nodes, whole, strict=True) if weight]


def _table(names: list[str], present: np.ndarray, result: Blend, score: str) -> pd.DataFrame:
    """Return a row for each member and one for the ensemble as it is; the gain is the blend's over that row."""
    return pd.DataFrame(
        {
            "member": [*names, "ensemble as it is"],
            score: result.scores.round(6),
            "weight": [*present.round(4), 1.0],
            "fitted": [*result.weights.round(4), 1.0],
            "gain": result.gain.round(6),
            "low": result.low.round(6),
            "high": result.high.round(6),
        }
    )


def _verdict(result: Blend, nodes: list[dict], recipe: Recipe) -> str:
    gain = f"{result.gain[-1]:+.6f} ({result.low[-1]:+.6f} to {result.high[-1]:+.6f}, 95 %)"
    if not result.accepted:
        return f"The fitted weights gain {gain} on groups they were not fitted on: within the noise. Keep the ensemble."
    members = yaml.safe_dump({"members": nodes}, sort_keys=False)
    return f"The fitted weights gain {gain}.{_of_steps(nodes, recipe)} In conf/ensemble/{recipe.name}.yaml:\n{members}"


def _of_mean(recipe: Recipe, other: str, ends: tuple[float, float, float]) -> str:
    """Return what the other mean would come to with the weights as they are."""
    gain, low, high = ends
    words = f"The mean of {other}s would gain {gain:+.6f} ({low:+.6f} to {high:+.6f}, 95 %)"
    if low <= 0:
        return f"{words} over that of {recipe.mean}s: within the noise, or a loss. Keep mean: {recipe.mean}."
    return f"{words}. Set mean: {other} in conf/ensemble/{recipe.name}.yaml."


def _of_steps(nodes: list[dict], recipe: Recipe) -> str:
    """Return what else is to be changed where a step looks at members that the fit leaves out; often nothing."""
    kept = leaf_nodes(nodes)
    gone = [node for step in recipe.steps_by_members for node in leaf_nodes(step.members) if node not in kept]
    if not gone:
        return ""
    names = ", ".join(dict.fromkeys(str(node.get("experiment", node.get("maps"))) for node in gone))
    return f" They leave out {names}, which a step of post-processing names: take them out of ByMembers there as well."


def _steps(guarded: Guarded, steps: list[dict], metric: Metric) -> dict[str, Any]:
    """Return what the file keeps of the post-processing."""
    totals = {key: getattr(guarded, key) for key in ("without", "present", "proposed", "gain", "comparisons")}
    table = guarded.table.to_dict("records")
    return {"metric": metric.name, **totals, "table": table, "ensemble": {"postprocess": steps}}


def _advice(guarded: Guarded, steps: list[dict], recipe: Recipe, metric: Metric) -> str:
    gain, low, high = guarded.gain
    return (
        f"A step is on where its gain's lower end is above 0. The intervals hold together, in 95 % of cases all "
        f"{guarded.comparisons} of them. {metric.title}: {guarded.without:.6f} without steps, {guarded.present:.6f} as "
        f"it is, {guarded.proposed:.6f} so, {gain:+.6f} ({low:+.6f} to {high:+.6f}, 95 %). In "
        f"conf/ensemble/{recipe.name}.yaml:\n{yaml.safe_dump({'postprocess': steps}, sort_keys=False)}"
    )


main = entry_point(blend)

if __name__ == "__main__":
    main()
