"""The tree of an ensemble: which maps are averaged, and how much each counts."""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.ensembling.means import PROBABILITY
from maskfold.ensembling.stores import store_in
from maskfold.ensembling.vetting import refuse_mixed, vet
from maskfold.errors import MaskfoldError, listing
from maskfold.files import check_inside
from maskfold.prediction.splits import check_split
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.layout import FULL, Fold, MemberFolder
from maskfold.runs.lineage import every_fold

KINDS = ("experiment", "maps", "members")
_NAMES = {list: "list of members", str: "text"}
KEYS = {
    "experiment": {"experiment", "folds", "store", "temperature"},
    "maps": {"maps", "temperature"},
    "members": {"members"},
}


@dataclass(frozen=True)
class Leaf:
    """A member with its share of the ensemble.

    Attributes:
        name: The experiment's name, or the folder of maps.
        weight: Its share; the shares of a tree add up to 1.
        stores: Its folders of maps. For the test split each has every image, and their mean is the member's; out of
            fold each has the images of its own fold.
        named: Whether these stores were asked for one by one, as some folds or as a folder of maps.
        temperature: What the logits of its maps are divided by before they are averaged.
        mean: How the maps of the tree are averaged, see `maskfold.ensembling.means`.
    """

    name: str
    weight: Fraction
    stores: tuple[Path, ...]
    named: bool = False
    temperature: float = 1.0
    mean: str = PROBABILITY


def leaves(members: Sequence[dict[str, Any]], *, split: str, experiments: Path, mean: str = PROBABILITY) -> list[Leaf]:
    """Flatten a tree of members into its leaves.

    Args:
        members: Nodes: `{experiment: name}`, all folds of its split, with `folds: [0, 1]` for some of them only,
            `folds: [full]` for the network of all photos, which the test split alone has, and `store: name` for maps
            under another name than the split's; `{maps: folder}`; or `{members: [...]}`, whose mean is one member. In
            the names of stores and folders `{split}` is replaced. Each may have a `weight`, 1 by default; each of the
            first two a `temperature`, likewise.
        split: `oof` or `test`.
        experiments: The folder of run folders.
        mean: How their maps are averaged.

    Raises:
        MaskfoldError: If a node is malformed, there is no such split, or an experiment's maps of it are not there.
    """
    check_split(split)
    flat = _leaves(members, split, Fraction(1), lambda node: _fold_stores(node, split, experiments))
    return flat if mean == PROBABILITY else [replace(leaf, mean=mean) for leaf in flat]


def trained_leaves(members: Sequence[dict[str, Any]], *, experiments: Path) -> list[Leaf]:
    """Flatten a tree into leaves whose networks are trained, whether they have predicted anything yet or not.

    Args:
        members: As for `leaves`, but experiments only.
        experiments: The folder of run folders.

    Returns:
        Leaves with the stores that their test maps would be in.

    Raises:
        MaskfoldError: If a node is malformed or has no networks, or a fold is not trained to its end.
    """
    return _leaves(members, "test", Fraction(1), lambda node: _trained_stores(node, experiments))


def _leaves(
    members: Sequence[dict[str, Any]], split: str, share: Fraction, find: Callable[[dict[str, Any]], tuple[Path, ...]]
) -> list[Leaf]:
    if not members:
        raise MaskfoldError("ensemble.members is empty: name at least one experiment or folder of maps.")
    kinds = [_kind(node) for node in members]
    weights = [_weight(node) for node in members]
    flat: list[Leaf] = []
    for node, kind, weight in zip(members, kinds, weights, strict=True):
        part = share * weight / sum(weights)
        if kind == "members":
            flat += _leaves(node["members"], split, part, find)
        elif kind == "maps":
            stores = (Path(node["maps"].replace("{split}", split)),)
            flat.append(Leaf(node["maps"], part, stores, named=True, temperature=_temperature(node)))
        else:
            named = _folds(node) is not None
            flat.append(Leaf(node["experiment"], part, find(node), named=named, temperature=_temperature(node)))
    return flat


def leaf_nodes(members: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the nodes of a tree's leaves without their weights, in the order of `leaves`."""
    nodes: list[dict[str, Any]] = []
    for node in members:
        bare = {key: value for key, value in node.items() if key != "weight"}
        nodes += leaf_nodes(node["members"]) if _kind(node) == "members" else [bare]
    return nodes


def tree_digest(members: Sequence[dict[str, Any]]) -> str:
    """Return 8 hexadecimal digits that stand for the leaves of a tree and the share of each, however it is nested."""
    shares: dict[str, Fraction] = defaultdict(Fraction)
    shared = _leaves(members, "test", Fraction(1), lambda _: ())
    for node, leaf in zip(leaf_nodes(members), shared, strict=True):
        shares[json.dumps(node, sort_keys=True)] += leaf.weight
    text = json.dumps(sorted((node, str(share)) for node, share in shares.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _kind(node: dict[str, Any]) -> str:
    kinds = [kind for kind in KINDS if kind in node] if isinstance(node, dict) else []
    if len(kinds) != 1 or node.keys() - KEYS[kinds[0]] - {"weight"}:
        raise MaskfoldError(
            f"ensemble member {node}: give exactly one of {', '.join(KINDS)}, with nothing beside it but weight, "
            "temperature for an experiment or maps, and folds and store for an experiment."
        )
    expected = list if kinds[0] == "members" else str
    if not isinstance(node[kinds[0]], expected):
        raise MaskfoldError(f"ensemble member {node}: {kinds[0]} must be a {_NAMES[expected]}.")
    for key in ("experiment", "store"):
        if node.get(key):
            check_inside(node[key], what=f"ensemble member {node}: {key}")
    return kinds[0]


def _weight(node: dict[str, Any]) -> Fraction:
    try:
        weight = Fraction(str(node.get("weight", 1)))
    except (ValueError, ZeroDivisionError) as error:
        raise MaskfoldError(f"ensemble member {node}: weight must be a number such as 2, 0.25 or 1/3.") from error
    if weight <= 0:
        raise MaskfoldError(f"ensemble member {node}: weight must be above 0; leave the member out instead.")
    return weight


def _temperature(node: dict[str, Any]) -> float:
    temperature = node.get("temperature", 1)
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
        raise MaskfoldError(f"ensemble member {node}: temperature must be a number above 0, such as 1.3.")
    return float(temperature)


def _fold_stores(node: dict[str, Any], split: str, experiments: Path) -> tuple[Path, ...]:
    member = MemberFolder(experiments / node["experiment"])
    store = (node.get("store") or split).replace("{split}", split)
    folds = _folds(node)
    if folds is not None:
        if split == "oof" and FULL in folds:
            raise MaskfoldError(
                f"ensemble member {node}: experiments/{node['experiment']}/{FULL} has learned from every photo, so it "
                "has no maps out of fold and its score is unknown. Judge the folds, in an ensemble of their own: "
                f"{{experiment: {node['experiment']}}}."
            )
        stores = [member.run(fold).store(store) for fold in folds]
        for fold, folder in zip(folds, stores, strict=True):
            if not folder.is_dir():
                raise MaskfoldError(f"{folder}: no such folder. {_predict_first(node, fold, split)}")
        return tuple(stores)
    every = every_fold(member)
    there = [fold for fold in every if member.run(fold).store(store).is_dir()]
    if not there:
        raise MaskfoldError(f"{member.path}: no fold has maps of {store}. {_predict_first(node, 'all', split)}")
    missing = [fold for fold in every if fold not in there]
    if missing:
        raise MaskfoldError(
            f"{member.run(missing[0]).store(store)}: no such folder, so {node['experiment']} would be the mean of "
            f"fewer networks than its split has folds. {_predict_first(node, missing[0], split)} Or name "
            f"the folds that are meant: {{experiment: {node['experiment']}, folds: {there}}}"
        )
    return tuple(member.run(fold).store(store) for fold in every)


def _trained_stores(node: dict[str, Any], experiments: Path) -> tuple[Path, ...]:
    if node.get("store"):
        raise MaskfoldError(f"ensemble member {node}: a store has maps, not networks; take store away to predict anew.")
    member = MemberFolder(experiments / node["experiment"])
    folds = _folds(node)
    runs = [member.run(fold) for fold in (every_fold(member) if folds is None else folds)]
    unfinished = [str(run.path) for run in runs if not run.finished.exists()]
    if unfinished or not runs:
        raise MaskfoldError(
            f"{node['experiment']}: not trained to the end: {', '.join(unfinished) or member.path}. Train it first, or "
            "name the folds to use with folds: [...]."
        )
    return tuple(run.store("test") for run in runs)


def _folds(node: dict[str, Any]) -> list[Fold] | None:
    """Return the folds that a node names, or None where it names none."""
    folds = node.get("folds")
    if folds is not None and (not isinstance(folds, list) or not folds or len({*folds}) < len(folds)):
        raise MaskfoldError(f"ensemble member {node}: folds must be a list of different numbers, such as [0, 2].")
    return folds


def _predict_first(node: dict[str, Any], fold: int | str, split: str) -> str:
    return f"Run `make predict EXP={node['experiment']} FOLD={fold} SPLIT={split}` first."


@dataclass(frozen=True)
class MemberMaps:
    """Where the maps of a member are, image by image.

    Attributes:
        leaf: The member.
        fold_of: Which of its stores has an image's map; None where each has.
        classes: Of the maps: the names of several classes, none for one; None where nobody looks at them.
    """

    leaf: Leaf
    fold_of: dict[str, int] | None
    classes: tuple[str, ...] | None = None

    def maps(self, image_id: str) -> list[tuple[ProbabilityStore, Fraction]]:
        """Return the stores that hold this image's maps, with the share of each."""
        stores = self.leaf.stores
        if self.fold_of is not None:
            stores = (stores[self.fold_of[image_id]],)
        return [(ProbabilityStore(store), self.leaf.weight / len(stores)) for store in stores]


def open_members(
    members: Iterable[Leaf], photos: pd.DataFrame, *, split: str, classes: Sequence[str] | None = None
) -> list[MemberMaps]:
    """Check that every member has exactly one map of every image (for the test split: one in every fold), and may.

    Args:
        members: The ensemble's.
        photos: Rows of the image table.
        split: `oof` or `test`.
        classes: Of the data: the names of several classes, none for one; None does not look at those of the maps.

    Raises:
        MaskfoldError: If maps are missing, an image was predicted out of fold twice, or `vet` refuses what is there.
    """
    members, ids = [*members], photos["image_id"].tolist()
    opened = [_open_oof(leaf, ids) if split == "oof" else _open_test(leaf, ids) for leaf in members]
    for leaf in members:
        refuse_mixed(leaf.stores)
    vet({store: leaf.named for leaf in members for store in leaf.stores}, photos, split=split, classes=classes)
    return opened if classes is None else [replace(member, classes=tuple(classes)) for member in opened]


def _open_test(leaf: Leaf, image_ids: Sequence[str]) -> MemberMaps:
    for folder in leaf.stores:
        _refuse_gaps(store_in(folder).missing(image_ids), folder, len(image_ids))
    return MemberMaps(leaf, None)


def _open_oof(leaf: Leaf, image_ids: Sequence[str]) -> MemberMaps:
    fold_of: dict[str, int] = {}
    for number, folder in enumerate(leaf.stores):
        ids = store_in(folder).image_ids()
        double = sorted(ids & fold_of.keys())
        if double:
            raise MaskfoldError(
                f"{leaf.name}: predicted out of fold twice, the second time in {folder}:\n{listing(double)}"
            )
        fold_of |= dict.fromkeys(ids, number)
    missing = [image_id for image_id in image_ids if image_id not in fold_of]
    _refuse_gaps(missing, f"{leaf.name}, out of fold", len(image_ids))
    return MemberMaps(leaf, fold_of)


def _refuse_gaps(missing: list[str], where: Path | str, total: int) -> None:
    if missing:
        raise MaskfoldError(
            f"{where}: {len(missing)} of {total} images have no map:\n{listing(missing)}\n"
            "Run the prediction again (it adds what is missing), or check that all members are of the same data."
        )
