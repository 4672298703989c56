"""From the cost of one network to that of all: the table that a plan prints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table

from maskfold.campaign.members import Member
from maskfold.campaign.probe import Cost
from maskfold.ensembling.stores import store_in
from maskfold.errors import MaskfoldError
from maskfold.terminal import duration, readable


@dataclass(frozen=True)
class CostSum:
    """What a number of networks costs together: seconds of training and prediction, bytes of disk."""

    train: float = 0.0
    oof: float = 0.0
    test: float = 0.0
    checkpoints: float = 0.0
    maps: float = 0.0

    def __add__(self, other: "CostSum") -> "CostSum":
        return CostSum(*(one + two for one, two in zip(self.numbers(), other.numbers(), strict=True)))

    def numbers(self) -> tuple[float, ...]:
        """Return the fields in order."""
        return self.train, self.oof, self.test, self.checkpoints, self.maps

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return self.train + self.oof + self.test

    @property
    def disk(self) -> float:
        """For all files."""
        return self.checkpoints + self.maps


def cost_of_fold(member: Member, cost: Cost, fold: int, *, left: bool = False, own_maps: bool = True) -> CostSum:
    """Return what a fold costs, or what is left of that.

    Args:
        member: The fold's.
        cost: Of one network of it.
        fold: The fold.
        left: Count neither a training that is finished nor maps that are there.
        own_maps: Whether it predicts the test photos by itself.

    Raises:
        MaskfoldError: If nobody knows how many epochs it is trained for.
    """
    if member.epochs is None:
        raise MaskfoldError(f"{member.name}: its schedule has no length of its own. Set trainer.max_epochs.")
    run = member.run(fold)
    trained = left and run.finished.exists()
    maps = {"oof": 0, "test": 0}
    for split in ("oof", "test") if own_maps else ("oof",):
        ids = member.ids(fold, split)
        maps[split] = len(store_in(run.store(split)).missing(ids) if left else ids)
    return CostSum(
        train=0.0 if trained else cost.start + member.epochs * cost.epoch,
        oof=(cost.start if maps["oof"] else 0.0) + maps["oof"] * cost.photo,
        test=(cost.start if maps["test"] else 0.0) + maps["test"] * cost.photo,
        checkpoints=0.0 if trained else cost.checkpoints,
        maps=sum(maps.values()) * cost.map,
    )


@dataclass(frozen=True)
class OnePass:
    """The test photos predicted by all networks of an ensemble together.

    Attributes:
        members: The names of its experiments.
        stores: Where the maps go, one for each mean that is kept.
    """

    members: frozenset[str]
    stores: tuple[Path, ...]

    def networks(self, costs: Mapping[str, tuple[Member, Cost]]) -> int:
        """Return how many there are."""
        return sum(len(member.folds) for name, (member, _) in costs.items() if name in self.members)

    def cost(self, costs: Mapping[str, tuple[Member, Cost]], *, left: bool = False) -> CostSum:
        """Return what it costs, or what is left of that; seconds at most, for photos are decoded once.

        Args:
            costs: By the member's name.
            left: Do not count the maps that are there.
        """
        own = [(member, cost) for name, (member, cost) in costs.items() if name in self.members]
        ids = own[0][0].test
        missing = [store_in(store).missing(ids) if left else ids for store in self.stores]
        maps, photos = sum(map(len, missing)), len({image_id for gap in missing for image_id in gap})
        seconds = sum(len(member.folds) * (cost.start + photos * cost.photo) for member, cost in own)
        return CostSum(test=seconds if photos else 0.0, maps=maps * max(cost.map for _, cost in own))


def left_to_do(costs: Mapping[str, tuple[Member, Cost]], one_pass: OnePass | None = None) -> CostSum:
    """Return what is left to do of all folds of all members, and of the pass over the test photos."""
    folds = ((member, cost, fold) for member, cost in costs.values() for fold in member.folds)
    together = one_pass.members if one_pass else ()
    sums = [
        cost_of_fold(member, cost, fold, left=True, own_maps=member.name not in together)
        for member, cost, fold in folds
    ]
    return sum(sums, one_pass.cost(costs, left=True) if one_pass else CostSum())


def draw(
    costs: Mapping[str, tuple[Member, Cost]], *, left: CostSum, free: int, one_pass: OnePass | None = None
) -> Table:
    """Return the table: a row a member, one of the pass over the test photos if there is one, and what is left to do.

    Args:
        costs: By the member's name.
        left: Of all of them.
        free: Bytes of disk that are free.
        one_pass: The test photos predicted by all networks together; None where each predicts them by itself.
    """
    table = Table(box=box.SIMPLE, caption_justify="left")
    table.add_column()
    for heading in ("train", "oof", "test", "folds", "in all", "device", "RAM", "weights", "maps"):
        table.add_column(heading, justify="right", no_wrap=True)
    everything = CostSum()
    for name, (member, cost) in costs.items():
        own_maps = one_pass is None or name not in one_pass.members
        one = cost_of_fold(member, cost, member.folds[0], own_maps=own_maps)
        every = sum((cost_of_fold(member, cost, fold, own_maps=own_maps) for fold in member.folds), CostSum())
        everything += every
        times = (duration(one.train), duration(one.oof), duration(one.test) if own_maps else "")
        memory = (readable(cost.device) if cost.device else "none", readable(cost.ram))
        table.add_row(name, *times, str(len(member.folds)), *_in_all(every, *memory))
    if one_pass is not None:
        whole = one_pass.cost(costs)
        everything += whole
        table.add_row("test, one pass", "", "", duration(whole.test), "", *_in_all(whole, "", ""))
    for name, total in (("together", everything), ("left to do", left)):
        table.add_row(name, "", "", "", "", *_in_all(total, "", ""))
    table.caption = (
        "train, oof and test are of one fold, the last two columns of all folds; one run at a time on this machine. "
        f"{readable(free)} of disk are free."
    )
    if one_pass is not None:
        kept = "one mean map" if len(one_pass.stores) == 1 else f"{len(one_pass.stores)} mean maps"
        table.caption += (
            f" The test photos are decoded once for all {one_pass.networks(costs)} networks, at most in the time given "
            f"here, and keep {kept} each; with own_maps=true each network decodes them and keeps a map."
        )
    return table


def _in_all(total: CostSum, device: str, ram: str) -> tuple[str, ...]:
    return duration(total.seconds), device, ram, readable(total.checkpoints), readable(total.maps)


def refuse_full_disk(left: CostSum, free: int) -> None:
    """Refuse what the disk cannot hold.

    Raises:
        MaskfoldError: If it cannot.
    """
    if left.disk > free:
        raise MaskfoldError(
            f"The disk has {readable(free)} free, and what is left to do needs {readable(left.disk)}: make room, or "
            "work in a folder on a larger disk. If a trained network's maps are known to be smaller than was taken "
            "here, say so with map_bytes=<bytes>."
        )
