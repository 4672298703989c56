"""Average, rank, post-process and write a submission: `python -m maskfold.stages.ensemble ensemble=carvana`."""

import hashlib
import json
import logging
import shutil
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from maskfold import files
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, entry_point, resolved
from maskfold.data.table import fingerprint
from maskfold.ensembling.manifest import ingredients, refuse_other_data
from maskfold.ensembling.merge import Job, merge_with_repair
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import Leaf, leaves, open_sources
from maskfold.errors import MaskfoldError
from maskfold.submission.writer import write_submission
from maskfold.training.run_folder import RunFolder

log = logging.getLogger(__name__)


def ensemble(config: DictConfig) -> pd.DataFrame:
    """Write an ensemble's submission, scores and manifest; return the scores, a row an image."""
    recipe: Recipe = build(config.ensemble)
    found = leaves(recipe.members, split=config.split, experiments=EXPERIMENTS)
    best = leaves(recipe.repair.members or recipe.members, split=config.split, experiments=EXPERIMENTS)
    data = _data(config, found)
    table = build(data).load()
    photos = table[table["split"] == ("train" if config.split == "oof" else "test")].reset_index(drop=True)
    folder = SUBMISSIONS / recipe.name / ("oof" if config.split == "oof" else "")
    manifest = {
        "ensemble": resolved(config.ensemble),
        "split": config.split,
        "source": resolved(data),
        "images": len(photos),
        "data": fingerprint(photos),
        "members": ingredients(found),
        "repair_members": ingredients(best),
    }
    if config.split == "test":
        refuse_other_data([*found, *best], manifest["data"])
    with files.locked(folder):
        parts = folder / "parts"
        key = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()[:16]
        usual, repair = (
            Job(tuple(open_sources(part, photos["image_id"], split=config.split)), threshold, steps, parts / key / name)
            for name, part, threshold, steps in (
                ("usual", found, recipe.threshold, recipe.postprocess),
                ("repair", best, recipe.repair_threshold, recipe.repair_steps),
            )
        )
        rows = merge_with_repair(usual, repair, recipe.repair.count(len(photos)), photos, jobs=config.jobs)
        scores = _write(folder, rows, photos, manifest)
        shutil.rmtree(parts, ignore_errors=True)
    log.info("%s: %d images, %d repaired", folder, len(scores), scores["repaired"].sum())
    return scores


def _data(config: DictConfig, found: list[Leaf]) -> DictConfig:
    """Return the data that was named, or else that of the first experiment."""
    if config.data is not None:
        return config.data
    runs = [RunFolder(leaf.stores[0].parents[1]) for leaf in found]
    experiments = [run for run in runs if run.config.exists()]
    if not experiments:
        raise MaskfoldError("This ensemble has only folders of maps: name their photos with data=...")
    return OmegaConf.create(experiments[0].read_config()).data


def _write(folder: Path, rows: pd.DataFrame, photos: pd.DataFrame, manifest: dict) -> pd.DataFrame:
    names = [Path(image).name for image in photos["image"]]
    submission = folder / "submission.csv.gz"
    write_submission(submission, zip(names, rows["rle"], strict=True))
    about = photos[["image_id", "group", "view", "height", "width"]].reset_index(drop=True)
    scores = about.merge(rows.drop(columns="rle"), on="image_id").dropna(axis="columns", how="all")
    with files.atomic_path(folder / "scores.parquet") as part:
        scores.to_parquet(part, index=False)
    files.write_json(folder / "manifest.json", manifest | {"submission_sha256": files.sha256(submission)})
    return scores


main = entry_point(ensemble)

if __name__ == "__main__":
    main()
