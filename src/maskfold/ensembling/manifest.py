"""What went into an ensemble, so that a submission can be explained, and made again, years later."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskfold import files
from maskfold.ensembling.means import PROBABILITY
from maskfold.ensembling.stores import store_in
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ORIGIN, ProbabilityStore
from maskfold.runs.run_folder import run_of


def ingredients(leaves: Sequence[Leaf]) -> list[dict[str, Any]]:
    """Return each member's `name`, `weight` and `maps`: its folders, with the `checkpoint` hash of each if known.

    A `temperature` that is not 1, and a `mean` that is not of probabilities, stand beside them.
    """
    return [
        {"name": leaf.name, "weight": str(leaf.weight), "maps": maps_of(leaf.stores), **_unusual(leaf)}
        for leaf in leaves
    ]


def _unusual(leaf: Leaf) -> dict[str, Any]:
    temperature = {} if leaf.temperature == 1 else {"temperature": leaf.temperature}
    return temperature if leaf.mean == PROBABILITY else temperature | {"mean": leaf.mean}


def maps_of(stores: Sequence[Path]) -> list[dict[str, Any]]:
    """Return what tells the maps of some folders from others that they might have held.

    That is each `folder`, and what its maps come from; where nobody says that, a hash of their `content`. Never a time:
    clocks go wrong.
    """
    return [{"folder": str(folder)} | (store_origin(folder) or {"content": content_of(folder)}) for folder in stores]


def content_of(folder: Path) -> str:
    """Return a hash of the names and bytes of a folder's predictions; an empty text if there is no such folder."""
    return store_in(folder).digest()


def store_origin(folder: Path) -> dict[str, Any]:
    """Return what a store says its maps come from; nothing for a folder of maps from other code."""
    path = folder / ORIGIN
    return files.read_json(path) if path.exists() else {}


def data_of(leaves: Sequence[Leaf]) -> dict[str, Any]:
    """Return the data that the first experiment of an ensemble was trained on, as its run folder has it.

    Raises:
        MaskfoldError: If there is no experiment among the members.
    """
    runs = [run_of(leaf.stores[0]) for leaf in leaves]
    experiments = [run for run in runs if run.config.exists()]
    if not experiments:
        raise MaskfoldError("This ensemble has only folders of maps: name their photos with data=...")
    return experiments[0].part("data")


def last_changes(leaves: Sequence[Leaf]) -> dict[str, int]:
    """Return by store when a map was last written to it or taken from it, in nanoseconds.

    Half-finished work that was made of the maps of before is not gone on with, whatever they say they come from.
    """
    stores = {folder for leaf in leaves for folder in leaf.stores if folder.is_dir()}
    folders = stores.union(*(ProbabilityStore(folder).class_folders() for folder in stores))
    return {str(folder): folder.stat().st_mtime_ns for folder in sorted(folders)}


def refuse_other_data(leaves: Sequence[Leaf], data: str) -> None:
    """Refuse members whose maps say that they are of other photos.

    Raises:
        MaskfoldError: If a store's fingerprint is not `data`.
    """
    for leaf in leaves:
        for folder in leaf.stores:
            theirs = store_origin(folder).get("data", data)
            if theirs != data:
                raise MaskfoldError(
                    f"{folder}: its maps are of other photos (data {theirs}) than this ensemble's (data {data}). "
                    "Predict all members on the same data, or name the data with data=..."
                )
