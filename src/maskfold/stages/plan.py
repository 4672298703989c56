"""What members will cost, before they run: `maskfold plan experiments=[linknet34]`."""

import shlex

from omegaconf import DictConfig
from rich.console import Console

from maskfold.campaign.members import Member, find_members
from maskfold.campaign.plan import draw, left_to_do, refuse_full_disk
from maskfold.campaign.probe import Cost, free_bytes, probe
from maskfold.config import EXPERIMENTS, build, compose, resolved
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.parallel import progress


def plan(config: DictConfig) -> dict[str, tuple[Member, Cost]]:
    """Print what training and prediction of every member will cost; refuse what the disk cannot hold."""
    trees = [] if config.ensemble is None else [one.members for one in build(config.ensemble).passes]
    named = find_members(trees, shlex.split(config.train), experiments=config.experiments)
    members = {member.name: member for member in named}
    if not members:
        raise MaskfoldError("Nothing to plan: name experiments=[linknet34], ensemble=carvana, or both.")
    predict = resolved(compose("predict", ["name=any", *shlex.split(config.predict)]))["trainer"]
    sample = {"batches": config.batches, "photos": config.photos, "map_bytes": config.map_bytes}
    costs = {
        name: (member, probe(member, predict=predict, **sample))
        for name, member in progress(members.items(), "probe", unit="members")
    }
    left, free = left_to_do(costs), free_bytes(EXPERIMENTS)
    console = Console()
    console.width = max(console.width, 110)  # what the table takes, also where it goes into a file
    console.print(draw(costs, left=left, free=free))
    console.print(_how(config), *(f"{name}: map {cost.map_from}." for name, (_, cost) in costs.items()), sep="\n")
    refuse_full_disk(left, free)
    return costs


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
