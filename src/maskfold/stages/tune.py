"""Choose thresholds, and when a photo has no object, on out-of-fold maps: `maskfold tune ensemble=carvana`."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
import yaml
from omegaconf import DictConfig

from maskfold import files
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build
from maskfold.data.source import Source
from maskfold.data.windows import refuse_large
from maskfold.ensembling.average import integer_weights
from maskfold.ensembling.by_class import threshold_of
from maskfold.ensembling.candidates import CutRule, candidates_of, grid_for
from maskfold.ensembling.contested import by_counts
from maskfold.ensembling.empty import KEYS, rules_of
from maskfold.ensembling.large import warn_of_unscored
from maskfold.ensembling.manifest import data_of, ingredients
from maskfold.ensembling.means import RANK
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.temperatures import fit_temperatures
from maskfold.ensembling.tree import MemberMaps, leaf_nodes, leaves, open_members
from maskfold.ensembling.tuning import Tuned, tune_rules
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import Metric, named
from maskfold.prediction.splits import photos_of
from maskfold.runs.ensemble_folder import EnsembleFolder

log = logging.getLogger(__name__)


def tune(config: DictConfig) -> Tuned:
    """Write an ensemble's `tune.json`; print the keys of its recipe if they gain more than the noise."""
    recipe: Recipe = build(config.ensemble)
    members = leaves(recipe.members, split="oof", experiments=EXPERIMENTS, mean=recipe.mean)
    source: Source = build(config.data or data_of(members))
    metric = named(source.metric)
    photos = photos_of(source.load(), "oof")
    if config.temperature:
        _refuse_temperatures(recipe, photos)
    sources = open_members(members, photos, split="oof", classes=source.classes)
    present = _present(recipe, source.classes)
    grid = grid_for(
        metric, thresholds=[rule.threshold for rule in present], areas=[rule.least_area for rule in present]
    )
    if source.exclusive:
        log.info("The classes never overlap: one threshold for all is chosen, and rules are taken for all or for none.")
    warn_of_unscored(photos, metric)
    whole = {"metric": metric, "grid": grid, "exclusive": present if source.exclusive else ()}
    candidates = candidates_of(sources, photos, **whole, jobs=config.jobs)
    groups = photos["group"].repeat(len(present)).reset_index(drop=True)
    result = tune_rules(candidates, groups, present=present, k=config.k, seed=config.seed)
    table = _table(source.classes or [""], present, result)
    keys = _keys(result.taken, source.classes)
    path = EnsembleFolder(SUBMISSIONS / recipe.name).tune
    about = {"metric": metric.name, "k": config.k, "seed": config.seed, "accepted": result.accepted}
    about |= {"present": result.present, "tuned": result.tuned, "gain": result.gain, "ensemble": keys}
    if config.temperature:
        about |= {"temperatures": _temperatures(config, recipe, sources, photos, metric)}
    files.write_json(path, about | {"table": table.to_dict("records"), "fitted_on": ingredients(members)})
    log.info("%s\n%s\n%s", path, table.to_string(index=False), _verdict(result, metric, keys, recipe))
    return result


def _present(recipe: Recipe, classes: Sequence[str]) -> list[CutRule]:
    """Return the rule of each class as the recipe has it."""
    thresholds = threshold_of(recipe.threshold, classes)
    by_class = (thresholds,) if isinstance(thresholds, int) else thresholds
    rules = rules_of(recipe.empty, classes)
    return [
        CutRule(threshold, rule.presence, float(rule.least_area))
        for threshold, rule in zip(by_class, rules, strict=True)
    ]


def _table(classes: Sequence[str], present: Sequence[CutRule], result: Tuned) -> pd.DataFrame:
    """Return a row a class: the rule chosen on all images, the present one, and what choosing it gains."""
    rows = [
        ({"class": label} if label else {})
        | asdict(rule)
        | {f"{key} now": value for key, value in asdict(now).items()}
        | dict(zip(("gain", "low", "high"), ends.round(6), strict=True))
        for label, rule, now, ends in zip(classes, result.rules, present, result.by_class, strict=True)
    ]
    return pd.DataFrame(rows)


def _keys(rules: Sequence[CutRule], classes: Sequence[str]) -> dict[str, Any]:
    """Return the rules as a recipe's keys; `empty` only where it asks for anything."""
    empties = [{key: value for key in KEYS if (value := getattr(rule, key))} for rule in rules]
    if not classes:
        return {"threshold": rules[0].threshold} | ({"empty": empties[0]} if empties[0] else {})
    of_classes = {label: empty for label, empty in zip(classes, empties, strict=True) if empty}
    thresholds = {label: rule.threshold for label, rule in zip(classes, rules, strict=True)}
    return {"threshold": thresholds} | ({"empty": of_classes} if of_classes else {})


def _refuse_temperatures(recipe: Recipe, photos: pd.DataFrame) -> None:
    if recipe.mean == RANK:
        raise MaskfoldError(
            "temperature=true: a mean of ranks asks for the order of a member's values alone, which no temperature "
            "changes. Leave temperature out, or take ensemble.mean=probability or logit."
        )
    refuse_large(photos, "and fitting temperatures would read their maps whole. Leave temperature out.")


def _temperatures(
    config: DictConfig, recipe: Recipe, sources: Sequence[MemberMaps], photos: pd.DataFrame, metric: Metric
) -> dict[str, Any]:
    """Fit the members' temperatures, say what they are worth, and return what `tune.json` keeps of them."""
    how = {"metric": by_counts(metric), "k": config.k, "seed": config.seed, "jobs": config.jobs}
    fitted = fit_temperatures(sources, photos, **how)
    leaves = [source.leaf for source in sources]
    weights = integer_weights([leaf.weight for leaf in leaves])
    nodes = [
        node | {"weight": weight, "temperature": temperature}
        for node, weight, temperature in zip(
            leaf_nodes(recipe.members), weights, fitted.temperatures.tolist(), strict=True
        )
    ]
    rows = {"temperature": fitted.temperatures, "now": [leaf.temperature for leaf in leaves]}
    rows |= {"log loss now": fitted.before.round(6), "log loss so": fitted.after.round(6)}
    table = pd.DataFrame({"member": [leaf.name for leaf in leaves]} | rows)
    gain, low, high = fitted.gain
    words = (
        f"Temperatures fitted on other groups gain {gain:+.6f} {how['metric'].title} ({low:+.6f} to {high:+.6f}, 95 %)"
    )
    verdict = f"{words}, the mean cut at one half: within the noise. Keep the members as they are."
    if fitted.accepted:
        members = yaml.safe_dump({"members": nodes}, sort_keys=False)
        verdict = f"{words}, the mean cut at one half. Put these members into its file and tune again:\n{members}"
    log.info("%s\n%s", table.to_string(index=False), verdict)
    return {
        "accepted": fitted.accepted,
        "metric": how["metric"].name,
        "gain": fitted.gain,
        "members": nodes,
        "table": table.to_dict("records"),
    }


def _verdict(result: Tuned, metric: Metric, keys: dict[str, Any], recipe: Recipe) -> str:
    gain, low, high = result.gain
    words = f"{gain:+.6f} {metric.title} ({low:+.6f} to {high:+.6f}, 95 %), {result.present:.6f} before"
    if not result.accepted:
        return f"Rules chosen on other groups gain {words}: within the noise. Keep the ensemble as it is."
    text = yaml.safe_dump(keys, sort_keys=False)
    return f"Rules chosen on other groups gain {words}. In conf/ensemble/{recipe.name}.yaml:\n{text}"


main = entry_point(tune)

if __name__ == "__main__":
    main()
