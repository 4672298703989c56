"""Label photos that have no masks, for training: `maskfold pseudo ensemble=linknet34`."""

import hashlib
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from maskfold import arrays, files
from maskfold.config import EXPERIMENTS, build, resolved
from maskfold.data.loading import content_hash
from maskfold.data.source import Source
from maskfold.data.table import fingerprint
from maskfold.data.windows import refuse_large
from maskfold.ensembling.by_class import threshold_of
from maskfold.ensembling.manifest import data_of, ingredients, last_changes, refuse_other_data
from maskfold.ensembling.merge import MergeJob, merge
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.steps import check_clusters, cluster_facts, open_steps
from maskfold.ensembling.tree import leaves, open_members
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.prediction.splits import photos_of
from maskfold.pseudo.label_set import LabelSet
from maskfold.pseudo.labelling import Labeller, draw_sheet, write_labels
from maskfold.pseudo.selection import confident
from maskfold.pseudo.teachers import Teachers, teachers_of_folds
from maskfold.runs.contents import contents_fingerprint
from maskfold.runs.layout import fold_name
from maskfold.runs.lineage import shows_any_of

log = logging.getLogger(__name__)


def pseudo(config: DictConfig) -> LabelSet:
    """Write `data/<name>/pseudo/<ensemble>/`: labels of confident photos for every fold, and their ledger."""
    recipe: Recipe = build(config.ensemble)
    if recipe.steps_by_members and not config.soft:
        raise MaskfoldError(
            "soft=false: ensemble.postprocess has a step that looks at some of the members, who may not all teach a "
            "fold. Keep the probabilities with soft=true, or leave the step out with ensemble.postprocess=[]."
        )
    members = leaves(recipe.members, split="test", experiments=EXPERIMENTS, mean=recipe.mean)
    source: Source = build(config.data or data_of(members))
    photos = photos_of(source.load(), "test")
    if config.soft:
        refuse_large(photos, "and training takes no soft labels of these. Keep masks with soft=false.")
    else:
        check_clusters(recipe, photos, data=source.name)
    refuse_other_data(members, fingerprint(photos))
    folds = teachers_of_folds(members)
    labels = LabelSet(source.folder / "pseudo" / recipe.name)
    choices = {key: config[key] for key in ("quantile", "soft", "weight", "empty")}
    manifest = {
        "ensemble": resolved(config.ensemble),
        "labelled": folds[0].lineage.data,
        "unlabelled": fingerprint(photos),
        "contents": contents_fingerprint(photos),
        **(cluster_facts(recipe, photos) if not config.soft else {}),
        "members": ingredients(members),
        **choices,
        **({"classes": [*source.classes]} if source.classes else {}),
    }
    with files.locked(labels.path, anew=config.overwrite):
        key = _hash(manifest)
        work = labels.begin(key, state=_hash([key, last_changes(members)]))
        if work is None:
            log.info("%s is finished; overwrite=true makes it again.", labels.path)
            return labels
        label = partial(_label, recipe, config, source, photos, labels, work)
        rows = [label(teachers) for teachers in folds]
        ledger = pd.concat(rows, ignore_index=True)
        sheet = draw_sheet(rows[0], labels.path, soft=config.soft, channels=source.channels)
        files.write_bytes(labels.sheet, sheet)
        entries = {str(one.fold): _fold_entry(one, len(taken)) for one, taken in zip(folds, rows, strict=True)}
        labels.finish(ledger, manifest | {"key": key, "folds": entries})
    log.info("%s: %s. Look at %s.", labels.path, _summary(folds, rows, len(photos)), labels.sheet.name)
    return labels


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _label(
    recipe: Recipe,
    config: DictConfig,
    source: Source,
    photos: pd.DataFrame,
    labels: LabelSet,
    work: Path,
    teachers: Teachers,
) -> pd.DataFrame:
    """Write a fold's labels; return its rows of the ledger."""
    fold, lineage = teachers.fold, teachers.lineage
    # A photo that the fold is validated on, or of its group, would show the network what it is to be tested with.
    photos = photos[~shows_any_of(photos, lineage.held_out)].reset_index(drop=True)
    if photos.empty:
        raise MaskfoldError(
            f"Fold {fold} of {teachers.leaves[0].name} is validated on every photo to be labelled, or on one of "
            "its group, so there is nothing to learn from. Name other photos with data=..."
        )
    classes = source.classes
    sources = tuple(open_members(teachers.leaves, photos, split="test", classes=classes))
    threshold = threshold_of(recipe.threshold, classes)
    whole = {"classes": classes, "exclusive": source.exclusive}
    job = MergeJob(sources, threshold, (), work / fold_name(fold), **whole)
    scores = merge(job, photos, description=f"fold {fold}: score", jobs=config.jobs)
    taken = confident(scores, quantile=config.quantile, empty=config.empty)[["image_id", "unconfidence"]]
    opened = {"split": "test", "experiments": EXPERIMENTS, "classes": classes}
    steps = () if config.soft else open_steps(recipe.postprocess, photos, **opened)
    path = partial(labels.mask, fold, suffix=arrays.SUFFIX if classes else ".png")
    labeller = Labeller(sources, config.soft, threshold, steps, path, exclusive=source.exclusive)
    write_labels(labeller, taken["image_id"].tolist(), description=f"fold {fold}: label", jobs=config.jobs)
    masks = [path(image_id) for image_id in taken["image_id"]]
    return taken.merge(photos[["image_id", "group", "image", "image_hash", "height", "width"]], on="image_id").assign(
        fold=fold,
        mask=[str(mask.relative_to(labels.path)) for mask in masks],
        mask_hash=[content_hash(mask) for mask in masks],
        teachers=" ".join(teachers.names),
        round=lineage.round,
        weight=config.weight,
    )


def _fold_entry(teachers: Teachers, labels: int) -> dict[str, Any]:
    """Return what the manifest keeps of a fold."""
    lineage = teachers.lineage
    return {"teachers": teachers.names, "labels": labels, "round": lineage.round, "seen": list(lineage.seen)}


def _summary(folds: list[Teachers], rows: list[pd.DataFrame], photos: int) -> str:
    counts = ", ".join(f"fold {one.fold} {len(taken)}" for one, taken in zip(folds, rows, strict=True))
    return f"round {max(one.lineage.round for one in folds)}, labels of {photos} photos: {counts}"


main = entry_point(pseudo)

if __name__ == "__main__":
    main()
