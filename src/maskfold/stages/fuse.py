"""Predict the test photos with a whole ensemble in one pass: `maskfold fuse ensemble=linknet34`."""

import logging
from contextlib import nullcontext
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, resolved
from maskfold.data.source import Source
from maskfold.data.table import fingerprint
from maskfold.ensembling.fused_stores import FusedStores
from maskfold.ensembling.fusion import fused_origin, networks, shares_of_means
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
from maskfold.prediction.several_stores import SeveralStores
from maskfold.prediction.splits import photos_of
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.run_folder import binding

log = logging.getLogger(__name__)

_KEEP_BOTH = "or keep both with ensemble.name=<another name>"


def fuse(config: DictConfig) -> ProbabilityStore:
    """Add every map that is missing to an ensemble's fused store, one mean map a photo; return the store.

    Beside it are stores of the means of some members that the repair or a step looks at, filled in the same pass.
    """
    recipe: Recipe = build(config.ensemble)
    trainer = resolved(config.trainer)
    means = FusedStores(recipe, EnsembleFolder(SUBMISSIONS / recipe.name)).networks(EXPERIMENTS)
    members, *others = means.values()
    data = (
        _common_data([leaf for mean in means.values() for leaf in mean])
        if config.data is None
        else resolved(config.data)
    )
    source: Source = build(data)
    runs = [run for run, _, _ in shares_of_means([members, *others])]
    refuse_other_classes(runs, source.classes)
    photos = photos_of(source.load(), "test")
    stores = [ProbabilityStore(folder) for folder in means]
    store, branches = stores[0], branches_of(members, *others)
    first = rank_zero_only.rank == 0  # of several processes of one run, the one that keeps the folder
    with locked(store.folder) if first else nullcontext():
        if first:
            for one, averaged in zip(stores, means.values(), strict=True):
                one.claim(fused_origin(averaged, fingerprint(photos), source.classes), keep_both=_KEEP_BOTH)
                claim_photos(one, photos)
        predict_together(branches, photos, store=SeveralStores(stores) if others else store, **trainer)
    if first:
        for one, averaged in zip(stores, means.values(), strict=True):
            log.info("%s: %d maps, each the mean of %d networks", one.folder, len(photos), len([*networks(averaged)]))
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
