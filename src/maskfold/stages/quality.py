"""Say how good masks are without their truth, and where each goes: `maskfold quality ensemble=carvana`."""

import hashlib
import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from maskfold import files
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build
from maskfold.data.loading import read_image, read_mask
from maskfold.data.source import Source
from maskfold.data.table import CLUSTER, fingerprint
from maskfold.ensembling.by_class import threshold_of
from maskfold.ensembling.manifest import data_of, ingredients, refuse_other_data
from maskfold.ensembling.mean_map import merged_probability
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import Leaf, leaves, open_members
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.maskers import identity_where_trained
from maskfold.prediction.splits import photos_of
from maskfold.quality.certificate import Terms
from maskfold.quality.coverage import risk_curve
from maskfold.quality.judging import Learned, Wishes, in_words, judge, risk_facts
from maskfold.quality.measuring import TRUTH, Measurer, check_views, measure_photos, mirror_nodes, parts_key
from maskfold.quality.model import QualityModel
from maskfold.quality.names import HALF
from maskfold.quality.routes import MEASURE, write_routes
from maskfold.quality.routing import in_routes, route_photos
from maskfold.quality.suited import refuse_other_cut, warn_of_other_networks
from maskfold.runs.contents import contents_fingerprint
from maskfold.runs.ensemble_folder import EnsembleFolder, QualityFolder
from maskfold.terminal import RESULT

log = logging.getLogger(__name__)


def quality(config: DictConfig) -> pd.DataFrame:
    """Learn out of fold how an ensemble's masks are judged, or judge the test ones; return the routes."""
    recipe: Recipe = build(config.ensemble)
    folder = EnsembleFolder(SUBMISSIONS / recipe.name).quality
    wishes = _wishes(config)
    if recipe.unusual_mean:
        raise MaskfoldError(
            f"{recipe.name}: {recipe.unusual_mean}, and what is shown, judged and corrected is the mean of "
            "probabilities. Take ensemble.mean=probability and no temperatures here."
        )
    model = _learned(recipe, folder) if config.split == "test" else None
    members = leaves(recipe.members, split=config.split, experiments=EXPERIMENTS)
    source: Source = build(config.data or data_of(members))
    if source.classes:
        raise MaskfoldError(f"{source.name} has {len(source.classes)} classes; quality is of masks of one object.")
    photos = photos_of(source.load(), config.split)
    if model is None:
        photos = photos[photos["mask"].notna()].reset_index(drop=True)
    measurer = _measurer(config, recipe, members, photos, folder, model)
    path = folder.routes(config.split)
    with files.locked(folder.path):
        table = photos.merge(measure_photos(measurer, photos, jobs=config.jobs), on="image_id")
        if model is None:
            model = _learn(table, wishes, recipe, measurer, folder)
        identity = hashlib.sha256(json.dumps(ingredients(members)).encode()).hexdigest()[:16]
        routes = route_photos(table, model, measurer.members, path=path, identity=identity)
        write_routes(path, routes)
        if config.split == "oof":
            files.write_text(folder.page, _page(table, routes, model, measurer, folder))
        shutil.rmtree(folder.parts, ignore_errors=True)
    log.info("%s: %s", path, in_routes(routes), extra=RESULT)
    return routes


def _learned(recipe: Recipe, folder: QualityFolder) -> QualityModel:
    """Read what was learned out of fold."""
    model = QualityModel.read(folder.model)
    refuse_other_cut(model, str(folder.model))
    warn_of_other_networks(model, identity_where_trained(recipe), str(folder.model))
    return model


def _wishes(config: DictConfig) -> Wishes:
    """Return what the keys ask for.

    Raises:
        MaskfoldError: If one of the two costs is missing.
    """
    costs = config.review_cost, config.bad_cost
    if (costs[0] is None) != (costs[1] is None):
        raise MaskfoldError("review_cost and bad_cost go together: give both, or neither to go by the promise.")
    return Wishes(
        predictor=config.predictor,
        terms=Terms(config.level, config.alpha, config.confidence, config.begin),
        costs=None if costs[0] is None else costs,
        reject_below=config.reject_below,
        k=config.k,
        seed=config.seed,
    )


def _measurer(
    config: DictConfig,
    recipe: Recipe,
    members: list[Leaf],
    photos: pd.DataFrame,
    folder: QualityFolder,
    model: QualityModel | None,
) -> Measurer:
    """Open the maps, those of the mirror images too where they are asked for."""
    mirrored: list[Leaf] = []
    if config.mirror is not None:
        mirrored = leaves(mirror_nodes(recipe.members, config.mirror), split=config.split, experiments=EXPERIMENTS)
        check_views(members, mirrored)
    elif model is not None and model.wants_mirrored:
        raise MaskfoldError(f"{folder.model} looks at mirror images: name the store of their maps with mirror=<store>.")
    if config.split == "test":
        refuse_other_data([*members, *mirrored], fingerprint(photos))
    cut = HALF if model is None else model.cut
    if threshold_of(recipe.threshold, ()) != cut:
        log.warning(
            "%s: threshold=%s is of submissions. Quality is of masks cut at %d of 255, where cut-outs, the service, "
            "review and store cut them.",
            recipe.name,
            recipe.threshold,
            cut,
        )
    opened, back = (tuple(open_members(some, photos, split=config.split, classes=())) for some in (members, mirrored))
    key = parts_key([*members, *mirrored], contents_fingerprint(photos), cut)
    return Measurer(opened, back, cut, folder.parts / key)


def _learn(
    table: pd.DataFrame, wishes: Wishes, recipe: Recipe, measurer: Measurer, folder: QualityFolder
) -> QualityModel:
    """Make the model from labelled photos, and write it with what led to it."""
    made_of = ingredients([member.leaf for member in measurer.members])
    about = {"cut": measurer.cut, "made_of": made_of, "masker": identity_where_trained(recipe)}
    judgement = judge(table, wishes, ensemble=recipe.name, **about)
    words = in_words(judgement, table)
    model = replace(judgement.model, promise={**judgement.model.promise, "summary": words})
    model.write(folder.model)
    files.write_text(folder.comparison, judgement.comparison.to_csv(index=False, float_format="%.6f"))
    with files.atomic_path(folder.measures) as part:
        _measures(table, judgement).to_parquet(part, index=False)
    log.info("%s\n%s", folder.model, judgement.comparison.round(3).to_string(index=False))
    log.info("%s", "\n".join(words))
    return model


def _measures(table: pd.DataFrame, judgement: Learned) -> pd.DataFrame:
    """Return the table of what was learned from: measures, true IoU, score, and the IoU estimated from other photos."""
    names = [column for column in table if column.startswith(MEASURE)]
    rows = table.filter(["image_id", "group", CLUSTER, TRUTH, *names])
    return rows.assign(score=judgement.scores, estimated_iou=judgement.estimated)


def _page(
    table: pd.DataFrame, routes: pd.DataFrame, model: QualityModel, measurer: Measurer, folder: QualityFolder
) -> str:
    """Compose the page, which loads matplotlib."""
    from maskfold.analysis.evidence import Case
    from maskfold.analysis.quality_page import PageFacts, compose, worst_misses

    kept = files.read_table(folder.measures, again="Run the same command again.")
    photos = kept.assign(route=routes["route"], image=table["image"], mask=table["mask"])
    ious, scores = photos[TRUTH].to_numpy(float), photos["score"].to_numpy(float)
    misses = []
    for row in worst_misses(photos).itertuples():
        probability = merged_probability(measurer.members, row.image_id)
        prediction = (probability >= model.cut).astype(np.uint8)
        truth = read_mask(row.mask, size=probability.shape)
        words = f"{row.image_id}: IoU {row.true_iou:.3f}, estimated {row.estimated_iou:.3f}, {row.route}"
        misses.append((words, Case(read_image(row.image), probability, prediction, truth)))
    findings = PageFacts(
        name=model.ensemble,
        predictor=model.predictor.name,
        words=model.promise["summary"],
        photos=photos,
        level=model.promise["level"],
        curves=(risk_curve(scores, 1 - ious), risk_curve(ious, 1 - ious)),
        areas=risk_facts(scores, ious),
        comparison=files.read_table(folder.comparison, again="Run the same command again."),
        misses=misses,
    )
    return compose(findings)


main = entry_point(quality)

if __name__ == "__main__":
    main()
