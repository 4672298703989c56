"""Predict the test photos with a whole ensemble in one pass: `maskfold fuse ensemble=linknet34`."""

import logging
from contextlib import nullcontext
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, resolved
from maskfold.data.source import Source
from maskfold.data.table import fingerprint
from maskfold.ensembling.fusion import fused_origin, fusible, networks
from maskfold.ensembling.manifest import data_of
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import Leaf
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.files import locked
from maskfold.networks import branches_of
from maskfold.prediction.members import refuse_other_classes
from maskfold.prediction.photos import claim_photos
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.splits import photos_of
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.run_folder import binding

log = logging.getLogger(__name__)


def fuse(config: DictConfig) -> ProbabilityStore:
    """Add every map that is missing to an ensemble's fused store, one mean map a photo; return the store."""
    recipe: Recipe = build(config.ensemble)
    trainer = resolved(config.trainer)
    members = fusible(recipe, split="test", experiments=EXPERIMENTS)
    data = _common_data(members) if config.data is None else resolved(config.data)
    source: Source = build(data)
    refuse_other_classes([run for run, _ in networks(members)], source.classes)
    photos = photos_of(source.load(), "test")
    store = ProbabilityStore(EnsembleFolder(SUBMISSIONS / recipe.name).fused)
    branches = branches_of(members)
    first = rank_zero_only.rank == 0  # of several processes of one run, the one that keeps the folder
    with locked(store.folder) if first else nullcontext():
        if first:
            store.claim(
                fused_origin(members, fingerprint(photos), source.classes),
                keep_both="or keep both with ensemble.name=<another name>",
            )
            claim_photos(store, photos)
        predict_together(branches, photos, store=store, **trainer)
    if first:
        log.info("%s: %d maps, each the mean of %d networks", store.folder, len(photos), len([*networks(members)]))
    return store


def _common_data(members: list[Leaf]) -> dict[str, Any]:
    """Return the data that all members were trained on."""
    data = data_of(members)
    same = binding({"data": data})
    for run, _ in networks(members):
        if binding({"data": run.read_config()["data"]}) != same:
            raise MaskfoldError(
                f"{run.path} was trained on other data than {members[0].name}: name the photos to predict with data=..."
            )
    return data


main = entry_point(fuse)

if __name__ == "__main__":
    main()
