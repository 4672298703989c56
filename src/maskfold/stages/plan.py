"""What members will cost, before they run: `maskfold plan experiments=[linknet34]`."""

import shlex
from collections.abc import Mapping

from omegaconf import DictConfig
from rich.console import Console

from maskfold.campaign.fusing import why_own_maps
from maskfold.campaign.members import Member, find_members
from maskfold.campaign.plan import OnePass, draw, left_to_do, refuse_full_disk
from maskfold.campaign.probe import Cost, free_bytes, probe
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, compose, resolved
from maskfold.ensembling.fused_stores import FusedStores
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import leaf_nodes
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.parallel import progress
from maskfold.prediction.tta import cost_of
from maskfold.runs.ensemble_folder import EnsembleFolder


def plan(config: DictConfig) -> dict[str, tuple[Member, Cost]]:
    """Print what training and prediction of every member will cost; refuse what the disk cannot hold."""
    recipe: Recipe | None = None if config.ensemble is None else build(config.ensemble)
    trees = [] if recipe is None else [one.members for one in recipe.passes]
    named = find_members(trees, shlex.split(config.train), experiments=config.experiments)
    members = {member.name: member for member in named}
    if not members:
        raise MaskfoldError("Nothing to plan: name experiments=[linknet34], ensemble=carvana, or both.")
    asked = compose("predict", ["name=any", *shlex.split(config.predict)])
    shown = {"predict": resolved(asked.trainer), "tta": asked.tta, "geometry": resolved(asked.geometry)}
    sample = {"batches": config.batches, "photos": config.photos, "map_bytes": config.map_bytes}
    costs = {
        name: (member, probe(member, **shown, **sample))
        for name, member in progress(members.items(), "probe", unit="members")
    }
    one_pass = None if recipe is None else _one_pass(recipe, members, config)
    left, free = left_to_do(costs, one_pass), free_bytes(EXPERIMENTS)
    console = Console()
    console.width = max(console.width, 110)  # what the table takes, also where it goes into a file
    console.print(draw(costs, left=left, free=free, one_pass=one_pass))
    sentences = [_of_member(member, cost, asked.tta) for member, cost in costs.values()]
    console.print(_how(config), *sentences, sep="\n")
    refuse_full_disk(left, free)
    return costs


def _one_pass(recipe: Recipe, members: Mapping[str, Member], config: DictConfig) -> OnePass | None:
    """Return the pass of all networks of an ensemble over the test photos, as a campaign would have it."""
    nodes = [node for one in recipe.passes for node in leaf_nodes(one.members)]
    own = [members[name] for name in dict.fromkeys(node.get("experiment") for node in nodes) if name in members]
    folder = EnsembleFolder(SUBMISSIONS / recipe.name)
    why = why_own_maps(recipe, own, folder.fused, own_maps=config.own_maps, predict=shlex.split(config.predict))
    if why is not None or not all(member.test for member in own):
        return None
    return OnePass(frozenset(member.name for member in own), tuple(FusedStores(recipe, folder).folders))


def _of_member(member: Member, cost: Cost, tta: str | None) -> str:
    views = tta or member.config["tta"]
    pixels = f" tta={views} shows a network {cost_of(views):g} times the pixels." if cost_of(views) != 1 else ""
    return f"{member.name}: map {cost.map_from}.{pixels}"


def _how(config: DictConfig) -> str:
    return (
        f"Estimated from two epochs of {config.batches} batches, of which the second counts, and {config.photos} "
        "photos, at the real size: seconds an image times the images of a fold times the epochs, and the start once "
        "for every stage. Device memory is the peak of these steps, RAM that of all their processes. Checkpoints are "
        "those of the probe."
    )


main = entry_point(plan)

if __name__ == "__main__":
    main()
