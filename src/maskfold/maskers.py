"""Open what answers photos with maps, as a stage's keys name it: an exported file, or the networks of an ensemble."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from maskfold.config import EXPERIMENTS
from maskfold.errors import MaskfoldError
from maskfold.prediction.masker import Masker

if TYPE_CHECKING:  # an exported file runs where none of this is installed
    from maskfold.ensembling.recipe import Recipe
    from maskfold.ensembling.tree import Leaf


def open_masker(*, exported: str | None, recipe: "Recipe | None", accelerator: str = "auto") -> Masker:
    """Open a masker.

    Args:
        exported: A file that `make export` has written, `model.onnx`, its folder, or its address; or the folder or
            address of a published model.
        recipe: An ensemble whose members are trained here; one of the two.
        accelerator: `cpu`, `gpu`, or `auto` for a GPU where there is one.

    Raises:
        MaskfoldError: If both are named or neither, a member is not trained to its end, its classes are several, or a
            file is missing or damaged.
    """
    if (exported is None) == (recipe is None):
        raise MaskfoldError(
            "Name what masks the photos: exported=<model.onnx>, which `make export` writes, or ensemble=<name> of "
            "trained members; one of the two."
        )
    if exported is not None:
        from maskfold.export.session import OnnxMasker

        return OnnxMasker(exported, accelerator=accelerator)
    return _of_networks(recipe, accelerator)


def _of_networks(recipe: "Recipe", accelerator: str) -> Masker:
    from maskfold.networks import branches_of
    from maskfold.prediction.network_masker import NetworkMasker

    members = members_of_one_object(recipe)
    identity = identity_of(members)
    return NetworkMasker(branches_of(members), name=recipe.name, identity=identity, accelerator=accelerator)


def members_of_one_object(recipe: "Recipe") -> "list[Leaf]":
    """Return the trained members of an ensemble whose maps are of one object; its steps and repair are left out.

    Raises:
        MaskfoldError: If one is not trained to its end, was trained on several classes, or makes no masks.
    """
    from maskfold.data.classes import classes_of
    from maskfold.ensembling.fusion import fusible, networks
    from maskfold.ensembling.recipe import Recipe

    bare = Recipe(name=recipe.name, members=recipe.members, mean=recipe.mean)
    members = fusible(bare, split="test", experiments=EXPERIMENTS)
    for run, _ in networks(members):
        trained = run.read_config()
        if "geometry" not in trained:
            raise MaskfoldError(
                f"{run.path} recognises products and makes no masks. Export it, make export "
                f"EXP={run.path.parent.name}, and serve that: make serve MODEL=exports/<name>."
            )
        if classes := classes_of(trained["data"]):
            raise MaskfoldError(
                f"{run.path} was trained on {len(classes)} classes, and a cut-out, its quality and its correction are "
                "of one object. Name members that were trained on one class."
            )
    return members


def identity_where_trained(recipe: "Recipe") -> str | None:
    """Return the identity of an ensemble's networks; None where there are maps alone, or some that are not usual."""
    try:
        return identity_of(members_of_one_object(recipe))
    except MaskfoldError:
        return None


def identity_of(members: "Sequence[Leaf]") -> str:
    """Return 16 hexadecimal digits that stand for networks, their weights and the way to them, wherever they lie."""
    from maskfold.ensembling.fusion import fused_origin, networks

    origin = fused_origin(members, "")
    parts = [
        origin[str(run.path)] | {key: run.read_config()[key] for key in ("geometry", "preprocess")}
        for run, _ in networks(members)
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
