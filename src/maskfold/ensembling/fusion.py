"""An ensemble predicted in one pass over the photos: which networks are in it, and what its maps say they come from."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from maskfold import files
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import Leaf, leaf_nodes, trained_leaves
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.store import CLASSES, ORIGIN
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.run_folder import RunFolder, run_of


def fusible(recipe: Recipe, *, split: str, experiments: Path) -> list[Leaf]:
    """Return the leaves of an ensemble that can be predicted in one pass; `fusible_means` has those of its other means.

    Raises:
        MaskfoldError: As `fusible_means`.
    """
    return fusible_means(recipe, split=split, experiments=experiments)[0]


def fusible_means(recipe: Recipe, *, split: str, experiments: Path) -> list[list[Leaf]]:
    """Return the leaves of each of `Recipe.trees` of an ensemble that can be predicted in one pass.

    Raises:
        MaskfoldError: If a member has no networks, or is not trained to its end; or the split is not the test photos.
    """
    if split != "test":
        raise MaskfoldError(
            f"split={split}: out of fold every photo has networks of its own, so only test photos are predicted in one "
            "pass. Predict the folds one by one (make predict SPLIT=oof)."
        )
    means = [trained_leaves(tree, experiments=experiments) for tree in recipe.trees]
    for leaf in (leaf for members in means for leaf in members):
        if not all(run_of(store).finished.exists() for store in leaf.stores):
            raise MaskfoldError(
                f"{leaf.name}: a folder of maps has no network that could predict. Predict the experiments one by one "
                "(make predict) and average all maps (make ensemble)."
            )
    if recipe.unusual_mean:
        raise MaskfoldError(
            f"{recipe.unusual_mean} is of members' maps on disk, and networks that look at a photo together have the "
            "mean of their probabilities. Predict the experiments one by one (make predict, or own_maps=true), or take "
            "ensemble.mean=probability and no temperatures."
        )
    return means


def own_maps_needed(recipe: Recipe) -> str | None:
    """Return what of an ensemble's file asks for maps of its members' own, whatever is trained yet; None for nothing.

    Where this is None, and all is trained, `fusible` refuses nothing.
    """
    nodes = [node for tree in recipe.trees for node in leaf_nodes(tree)]
    if not all("experiment" in node for node in nodes):
        return "a member is a folder of maps"
    if any(node.get("store") for node in nodes):
        return "a member names the store of its maps"
    if recipe.unusual_mean:
        return f"{recipe.unusual_mean} is of members' maps"
    return None


def networks(members: Sequence[Leaf]) -> Iterator[tuple[RunFolder, float]]:
    """Yield the run folder of every network, with its share of the mean."""
    for run, share, _ in named_networks(members):
        yield run, share


def named_networks(members: Sequence[Leaf]) -> Iterator[tuple[RunFolder, float, str]]:
    """Yield the run folder of every network, with its share of the mean, and the name of its member."""
    for leaf in members:
        for store in leaf.stores:
            yield run_of(store), float(leaf.weight / len(leaf.stores)), leaf.name


def shares_of_means(means: Sequence[Sequence[Leaf]]) -> Iterator[tuple[RunFolder, tuple[float, ...], str]]:
    """Yield the run folder of every network, with its share of each mean, and the name of its member.

    Those of the first mean are in its order; a network that is in it several times has its other shares once.
    """
    others: list[dict[Path, float]] = [defaultdict(float) for _ in means[1:]]
    for shares, members in zip(others, means[1:], strict=True):
        for run, share in networks(members):
            shares[run.path] += share
    for number, members in enumerate(means):
        for run, share, name in named_networks(members):
            further = tuple(shares.pop(run.path, 0.0) for shares in others)
            if number == 0 or any(further):
                yield run, (share if number == 0 else 0.0, *further), name


def fused_origin(members: Sequence[Leaf], data: str, classes: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a fused store's maps come from: the data's fingerprint and classes, and of each network what it is.

    Raises:
        MaskfoldError: If a run folder is damaged, or has no best checkpoint.
    """
    origin: dict[str, Any] = {"data": data} | ({CLASSES: [*classes]} if classes else {})
    for run, share in networks(members):
        if not run.best.is_file():
            raise MaskfoldError(f"{run.best}: no such checkpoint. Train this fold first.")
        origin[str(run.path)] = {
            "checkpoint": checkpoint_hash(run.best),
            "tta": run.read_config()["tta"],
            "share": round(share, 12),
        }
    return origin


def fused_ingredients(members: Sequence[Leaf], origin: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what `maskfold.ensembling.manifest.ingredients` would, had each network its own maps.

    Args:
        members: The ensemble's.
        origin: As `fused_origin` returns it.
    """
    return [
        {
            "name": leaf.name,
            "weight": str(leaf.weight),
            "maps": [
                {"folder": str(store), **{key: origin[str(run_of(store).path)][key] for key in ("checkpoint", "tta")}}
                for store in leaf.stores
            ],
        }
        for leaf in members
    ]


def refuse_other_networks(folder: Path, origin: dict[str, Any]) -> None:
    """Refuse a fused store whose maps come from other networks, weights or photos than `origin` says.

    Raises:
        MaskfoldError: If they do, or there are no maps.
    """
    if not (folder / ORIGIN).exists():
        raise MaskfoldError(f"{folder}: nothing has been predicted in one pass yet. Run make fuse first.")
    before = files.read_json(folder / ORIGIN)
    differing = sorted(key for key in before.keys() | origin.keys() if before.get(key) != origin.get(key))
    if differing:
        raise MaskfoldError(
            f"{folder}: its maps come from something else than this ensemble; different are:\n{listing(differing)}\n"
            "Delete the folder and run make fuse, or the campaign, again."
        )
