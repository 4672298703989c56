"""Average, rank, post-process and write a submission: `maskfold ensemble ensemble=carvana`."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.verdicts import ensemble_worth, worth
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, resolved
from maskfold.credentials import censored_tree
from maskfold.data.labelled import LabelledSource
from maskfold.data.source import Source
from maskfold.data.table import CLUSTER, LABEL, fingerprint
from maskfold.data.task import RECOGNITION
from maskfold.ensembling.answered import refuse_other_products, score_store
from maskfold.ensembling.by_class import threshold_of
from maskfold.ensembling.fused_stores import FusedStores, ingredients_of_passes, leaves_of_passes
from maskfold.ensembling.fusion import fusible
from maskfold.ensembling.large import warn_of_unscored
from maskfold.ensembling.manifest import data_of, ingredients, last_changes, refuse_other_data
from maskfold.ensembling.merge import MergeJob, merge_with_repair, read_masks
from maskfold.ensembling.merged_answers import dense_portions, merged_answers, refuse_pixels
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.steps import check_clusters, cluster_facts, open_steps
from maskfold.ensembling.tree import Leaf, open_members
from maskfold.entry import entry_point
from maskfold.masks.metrics import named
from maskfold.masks.scoring import Judged, columns_of
from maskfold.prediction.splits import photos_of
from maskfold.recognition.answers import AnswerStore
from maskfold.recognition.scoring import check_metric
from maskfold.recognition.trained import CLASS_TABLE, classes_digest
from maskfold.runs.contents import contents_fingerprint
from maskfold.runs.ensemble_folder import EnsembleFolder, ResultFolder
from maskfold.submission.labels import WantedRows, label_rows, rows_wanted
from maskfold.submission.sample import Sample
from maskfold.submission.shape import sample_of, shape_of
from maskfold.submission.writer import rows_of, write_submission, write_table
from maskfold.terminal import RESULT, counted

log = logging.getLogger(__name__)


def ensemble(config: DictConfig) -> pd.DataFrame:
    """Write an ensemble's submission, scores and manifest; return the scores, a row an image."""
    recipe: Recipe = build(config.ensemble)
    folder = EnsembleFolder(SUBMISSIONS / recipe.name)
    result, fused = folder.result(config.split), FusedStores(recipe, folder) if config.fused else None
    usual_leaves, repair_leaves = leaves_of_passes(recipe, split=config.split, experiments=EXPERIMENTS, fused=fused)
    members = fusible(recipe, split=config.split, experiments=EXPERIMENTS) if config.fused else usual_leaves
    data = data_of(members) if config.data is None else resolved(config.data)
    source: Source = build(data)
    if source.task == RECOGNITION:
        return _of_answers(config, recipe, members, source, data)
    metric = named(source.metric)
    photos = photos_of(source.load(), config.split)
    warn_of_unscored(photos, metric)
    check_clusters(recipe, photos, data=source.name)
    if fused is not None:
        fused.refuse_others(fingerprint(photos), source.classes, experiments=EXPERIMENTS)
    made_of = ingredients_of_passes(recipe, split=config.split, experiments=EXPERIMENTS, fused=fused)
    manifest = {
        "ensemble": resolved(config.ensemble),
        "split": config.split,
        "source": censored_tree(data),
        **shape_of(source).facts,
        "images": len(photos),
        "data": fingerprint(photos),
        "contents": contents_fingerprint(photos),
        **cluster_facts(recipe, photos),
        "fused": config.fused,
        "members": made_of[0],
        "repair_members": made_of[1],
    }
    used = [*usual_leaves, *repair_leaves, *(fused.every_leaf if fused else ())]
    order: Sequence[str] = ()
    if config.split == "test":
        refuse_other_data(used, manifest["data"])
        photos, order = _as_in_sample(photos, source)
    with files.locked(result.path):
        # Parts of anything else are not gone on with, nor those of a version with other scores.
        state = json.dumps([manifest, last_changes(used), columns_of(metric, source.classes)])
        key = hashlib.sha256(state.encode()).hexdigest()[:16]
        whose = {"split": config.split, "classes": source.classes}
        opened = [tuple(open_members(usual_leaves, photos, **whose))]
        same = repair_leaves == usual_leaves
        opened.append(opened[0] if same else tuple(open_members(repair_leaves, photos, **whose)))
        usual, repair = (
            MergeJob(
                sources,
                threshold_of(one.threshold, source.classes),
                open_steps(one.steps, photos, experiments=EXPERIMENTS, mean=recipe.mean, fused=fused, **whose),
                result.parts / key / name,
                classes=source.classes,
                exclusive=source.exclusive,
                metric=metric,
                rules=source.rules,
            )
            for sources, (name, one) in zip(opened, recipe.passes._asdict().items(), strict=True)
        )
        rows = merge_with_repair(usual, repair, recipe.repair.count(len(photos)), photos, jobs=config.jobs)
        masks = read_masks(usual, repair, photos, rows["repaired"])
        written = rows_of(_names(photos), masks, source.classes, order=order)
        scores = _write(result, rows, written, photos, manifest, source)
        shutil.rmtree(result.parts, ignore_errors=True)
    log.info("%s: %s, %d repaired", result.submission, counted(len(scores), "photo"), scores["repaired"].sum())
    judged = Judged(metric.name)
    if judged.column in scores and scores[judged.column].notna().any():
        log.info("%s", ensemble_worth(recipe, scores, experiments=EXPERIMENTS, judged=judged), extra=RESULT)
    return scores


def _of_answers(
    config: DictConfig, recipe: Recipe, members: Sequence[Leaf], source: LabelledSource, data: dict[str, Any]
) -> pd.DataFrame:
    """Average recognisers' probabilities; write answers, scores, a submission and a manifest; return the scores."""
    refuse_pixels(recipe, fused=config.fused)
    result, classes = EnsembleFolder(SUBMISSIONS / recipe.name).result(config.split), source.class_table()
    photos, judged = photos_of(source.load(), config.split), Judged(check_metric(source.metric))
    manifest = {
        "ensemble": resolved(config.ensemble),
        "split": config.split,
        "source": censored_tree(data),
        "images": len(photos),
        "data": fingerprint(photos),
        "contents": contents_fingerprint(photos),
        "members": ingredients(members),
        "repair_members": ingredients(members),
    }
    order = WantedRows.of_photos(photos) if config.split == "oof" else rows_wanted(source, photos)
    if config.split == "test":
        refuse_other_data(members, manifest["data"])
    opened = open_members(members, photos, split=config.split, classes=())
    known = refuse_other_products(members, classes)
    with files.locked(result.path):
        store = AnswerStore(result.answers)
        shutil.rmtree(store.folder, ignore_errors=True)
        store.claim({"data": manifest["data"], CLASS_TABLE: classes_digest(classes)})
        for answers in merged_answers(opened, photos["image_id"].tolist(), classes, known=known):
            store.write(answers)
        scores = score_store(store, photos, classes)
        whole = dense_portions(store, order.image_ids, classes)
        write_table(result.submission, order.shape.header, label_rows(order, whole, classes.labels))
        with files.atomic_path(result.scores) as part:
            scores.to_parquet(part, index=False)
        files.write_json(result.manifest, manifest | {"submission_sha256": files.sha256(result.submission)})
    log.info("%s: %s", result.submission, counted(len(order.names), "photo"))
    labelled = scores[scores[LABEL].notna()]
    if config.split == "oof":
        log.info("%s", ensemble_worth(recipe, labelled, experiments=EXPERIMENTS, judged=judged), extra=RESULT)
    elif len(labelled):
        log.info("%s, test photos with labels: %s", recipe.name, worth(labelled, judged), extra=RESULT)
    return scores


def _names(photos: pd.DataFrame) -> list[str]:
    return [Path(image).name for image in photos["image"]]


def _as_in_sample(photos: pd.DataFrame, source: Source) -> tuple[pd.DataFrame, Sequence[str]]:
    """Return the photos in the order of the sample submission, and the classes in its order, if there is one."""
    path = sample_of(source)
    if path is None:
        return photos, ()
    sample = Sample(path, shape_of(source))
    order = sample.labels if {*sample.labels} == {*source.classes} else ()
    return sample.in_order(photos, source.rules), order


def _write(
    result: ResultFolder,
    rows: pd.DataFrame,
    written: Iterable[tuple[str, str, str]],
    photos: pd.DataFrame,
    manifest: dict,
    source: Source,
) -> pd.DataFrame:
    write_submission(result.submission, written, source.rules)
    about = photos.filter(["image_id", "group", "view", CLUSTER, "height", "width"]).reset_index(drop=True)
    scores = about.merge(rows, on="image_id")
    judged = columns_of(named(source.metric), source.classes) if photos["mask"].notna().any() else []
    scores = scores[[column for column in scores if column in judged or scores[column].notna().any()]]
    with files.atomic_path(result.scores) as part:
        scores.to_parquet(part, index=False)
    files.write_json(result.manifest, manifest | {"submission_sha256": files.sha256(result.submission)})
    return scores


main = entry_point(ensemble)

if __name__ == "__main__":
    main()
