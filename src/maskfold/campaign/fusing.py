"""Whether a campaign predicts the test photos once, with all networks together, or with each network by itself."""

from collections.abc import Sequence
from pathlib import Path

from maskfold.campaign.members import Member
from maskfold.config import EXPERIMENTS, build, compose
from maskfold.data.table import fingerprint
from maskfold.data.task import RECOGNITION
from maskfold.ensembling.fused_stores import FusedStores
from maskfold.ensembling.fusion import fused_origin, own_maps_needed, refuse_other_networks
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.stores import store_in
from maskfold.errors import MaskfoldError
from maskfold.prediction.photos import refuse_replaced_photos
from maskfold.prediction.splits import photos_of
from maskfold.prediction.store import ORIGIN, ProbabilityStore
from maskfold.runs.contents import hashes_of
from maskfold.runs.run_folder import RunFolder, binding

_TRAINER = "trainer"  # the part of a prediction that a pass with all networks has as well


def why_own_maps(
    recipe: Recipe, members: Sequence[Member], fused: Path, *, own_maps: bool, predict: Sequence[str]
) -> str | None:
    """Return why every network predicts the test photos by itself; None where all do in one pass.

    What was begun in one way goes on so: a fused store that is there decides before members' maps that are there.

    Args:
        recipe: The ensemble.
        members: Its experiments, which need not be trained yet.
        fused: Where the maps of all networks together go.
        own_maps: Whether the user asks for members' own maps.
        predict: Further overrides of every prediction.
    """
    if own_maps:
        return "own_maps=true"
    if needed := own_maps_needed(recipe):
        return needed
    if any(build(member.config["data"]).task == RECOGNITION for member in members):
        return "recognisers leave answers, not maps"
    if len({str(binding({"data": member.config["data"]})) for member in members}) > 1:
        return "its members are trained on different data"
    if foreign := _not_of_a_pass(predict, members):
        return f"predict='{' '.join(foreign)}' is of one network's prediction"
    runs = _networks(members)
    if len(runs) == 1:
        return "it is one network"
    begun = [run for run in runs if _has_maps(run.store("test"))]
    if begun and not (fused / ORIGIN).exists():
        return (
            f"{len(begun)} of {len(runs)} networks have maps of their own, the first in {begun[0].store('test')}; "
            "delete these folders to predict with all networks in one pass"
        )
    return None


def fuse_overrides(predict: Sequence[str]) -> list[str]:
    """Return those overrides of a prediction that a pass with all networks takes as well."""
    return [override for override in predict if _node(override) == _TRAINER]


def _not_of_a_pass(predict: Sequence[str], members: Sequence[Member]) -> list[str]:
    """Return those overrides that it does not take; each network has the test-time augmentation of its run."""
    tta = compose("predict", ["name=any", *predict]).tta
    usual = tta is None or all(member.config["tta"] == tta for member in members)
    others = [override for override in predict if _node(override) != _TRAINER]
    return [override for override in others if not (usual and _node(override) == "tta")]


def _node(override: str) -> str:
    return override.lstrip("+~").partition("=")[0].partition(".")[0]


def _networks(members: Sequence[Member]) -> list[RunFolder]:
    return [member.run(fold) for member in members for fold in member.folds]


def _has_maps(folder: Path) -> bool:
    return folder.is_dir() and bool(store_in(folder).image_ids())


def refuse_other_fused(stores: FusedStores, members: Sequence[Member]) -> None:
    """Refuse fused stores whose maps are of other networks or photos than they would be of now.

    Raises:
        MaskfoldError: If they are; the message names the store and what differs.
    """
    begun = [folder for folder in stores.folders if _has_maps(folder)]
    if not begun:
        return
    gone = [run.path for run in _networks(members) if not run.finished.exists()]
    if gone:
        raise MaskfoldError(
            f"{begun[0]}: its maps are of other networks than those of now, for {gone[0]} is not trained to its end. "
            "Delete the folder to predict anew, or keep both with ensemble.name=<another name>."
        )
    photos = photos_of(members[0].table, "test")
    trained = stores.networks(EXPERIMENTS)
    classes = build(members[0].config["data"]).classes
    for folder in begun:
        refuse_other_networks(folder, fused_origin(trained[folder], fingerprint(photos), classes))
        refuse_replaced_photos(ProbabilityStore(folder), hashes_of(photos, "image"))
