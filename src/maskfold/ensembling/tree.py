"""The tree of an ensemble: which maps are averaged, and how much each counts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.store import ProbabilityStore

KINDS = ("experiment", "maps", "members")
KEYS = {"experiment": {"experiment", "folds", "store"}, "maps": {"maps"}, "members": {"members", "name"}}


@dataclass(frozen=True)
class Leaf:
    """A member with its share of the ensemble.

    Attributes:
        name: The experiment's name, or the folder of maps.
        weight: Its share; the shares of a tree add up to 1.
        stores: Its folders of maps. For the test split each has every image, and their mean is the member's; out of
            fold each has the images of its own fold.
    """

    name: str
    weight: Fraction
    stores: tuple[Path, ...]


def leaves(members: Sequence[dict[str, Any]], *, split: str, experiments: Path) -> list[Leaf]:
    """Flatten a tree of members into its leaves.

    Args:
        members: Nodes: `{experiment: name}` with `folds: [0, 1]` for some of its folds only and `store: name` for
            maps under another name than the split's; `{maps: folder}`, in which `{split}` is replaced; or
            `{members: [...]}`, whose mean is one member. Each may have a `weight`, 1 by default.
        split: `oof` or `test`.
        experiments: The folder of run folders.

    Raises:
        MaskfoldError: If a node is malformed, or an experiment has no fold with maps of this split.
    """
    return _leaves(members, split, experiments, Fraction(1))


def _leaves(members: Sequence[dict[str, Any]], split: str, experiments: Path, share: Fraction) -> list[Leaf]:
    if not members:
        raise MaskfoldError("ensemble.members is empty: name at least one experiment or folder of maps.")
    weights = [_weight(node) for node in members]
    found: list[Leaf] = []
    for node, weight in zip(members, weights, strict=True):
        part = share * weight / sum(weights)
        kind = _kind(node)
        if kind == "members":
            found += _leaves(node["members"], split, experiments, part)
        elif kind == "maps":
            found.append(Leaf(node["maps"], part, (Path(node["maps"].format(split=split)),)))
        else:
            found.append(Leaf(node["experiment"], part, _fold_stores(node, split, experiments)))
    return found


def _kind(node: dict[str, Any]) -> str:
    kinds = [kind for kind in KINDS if kind in node]
    unknown = sorted(node.keys() - KEYS[kinds[0]] - {"weight"}) if len(kinds) == 1 else []
    if len(kinds) != 1 or unknown:
        raise MaskfoldError(
            f"ensemble member {node}: give exactly one of {', '.join(KINDS)}, with nothing beside it but weight, "
            "and folds and store for an experiment."
        )
    return kinds[0]


def _weight(node: dict[str, Any]) -> Fraction:
    weight = Fraction(str(node.get("weight", 1)))
    if weight <= 0:
        raise MaskfoldError(f"ensemble member {node}: weight must be above 0; leave the member out instead.")
    return weight


def _fold_stores(node: dict[str, Any], split: str, experiments: Path) -> tuple[Path, ...]:
    member = experiments / node["experiment"]
    store = node.get("store") or split
    if node.get("folds") is not None:
        return tuple(member / f"fold{fold}" / "predictions" / store for fold in node["folds"])
    found = sorted(member.glob(f"fold*/predictions/{store}"), key=lambda path: int(path.parts[-3].removeprefix("fold")))
    if not found:
        raise MaskfoldError(
            f"{member}: no fold has predictions/{store}. Run "
            f"`make predict EXP={node['experiment']} FOLD=all SPLIT={split}` first."
        )
    return tuple(found)


@dataclass(frozen=True)
class Source:
    """Where the maps of a member are, image by image."""

    leaf: Leaf
    fold_of: dict[str, int] | None

    def maps(self, image_id: str) -> list[tuple[ProbabilityStore, Fraction]]:
        """Return the stores that hold this image's maps, with the share of each."""
        stores = self.leaf.stores
        if self.fold_of is not None:
            stores = (stores[self.fold_of[image_id]],)
        return [(ProbabilityStore(store), self.leaf.weight / len(stores)) for store in stores]


def open_sources(found: Iterable[Leaf], image_ids: Sequence[str], *, split: str) -> list[Source]:
    """Check that every member has exactly one map of every image (for the test split: one in every fold).

    Raises:
        MaskfoldError: If maps are missing, or an image was predicted out of fold twice.
    """
    return [_open_oof(leaf, image_ids) if split == "oof" else _open_test(leaf, image_ids) for leaf in found]


def _open_test(leaf: Leaf, image_ids: Sequence[str]) -> Source:
    for folder in leaf.stores:
        _refuse_gaps(ProbabilityStore(folder).missing(image_ids), folder, len(image_ids))
    return Source(leaf, None)


def _open_oof(leaf: Leaf, image_ids: Sequence[str]) -> Source:
    fold_of: dict[str, int] = {}
    for number, folder in enumerate(leaf.stores):
        ids = ProbabilityStore(folder).paths().keys()
        double = sorted(ids & fold_of.keys())
        if double:
            raise MaskfoldError(
                f"{leaf.name}: predicted out of fold twice, the second time in {folder}:\n{listing(double)}"
            )
        fold_of |= dict.fromkeys(ids, number)
    missing = [image_id for image_id in image_ids if image_id not in fold_of]
    _refuse_gaps(missing, leaf.stores[0].parents[2], len(image_ids))
    return Source(leaf, fold_of)


def _refuse_gaps(missing: list[str], folder: Path, total: int) -> None:
    if missing:
        raise MaskfoldError(
            f"{folder}: {len(missing)} of {total} images have no map:\n{listing(missing)}\n"
            "Run the prediction again (it adds what is missing), or check that all members are of the same data."
        )
