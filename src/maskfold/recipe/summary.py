"""What a recipe says to people: members, their minutes, the total and the budget, what to run, what more buys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maskfold.recipe.budget import RESERVE, MemberCost, fitting, usable
from maskfold.recipe.looking import DataLook
from maskfold.recipe.machine import Device
from maskfold.recipe.rules import InputSize, Said, Training, remarks


@dataclass(frozen=True)
class RecipeProposal:
    """All that was seen and decided.

    Attributes:
        name: Of the ensemble, and what its members' names begin with.
        hours: The budget.
        look: At the data.
        device: What networks run on.
        folds: How many, and why.
        size: What networks are shown.
        trainings: By the member's name, the most valuable first.
        costs: Of those that could be probed, in that order.
        epochs: Of those that fit.
        failed: By the member's name, why it could not be probed.
    """

    name: str
    hours: float
    look: DataLook
    device: Device
    folds: Said
    size: InputSize
    trainings: Mapping[str, Training]
    costs: Sequence[MemberCost]
    epochs: Mapping[str, int]
    failed: Mapping[str, str]

    @property
    def total(self) -> float:
        """Seconds of all that fits."""
        return sum(cost.seconds(self.epochs[cost.name]) for cost in self.costs if cost.name in self.epochs)


def rows(proposal: RecipeProposal) -> list[tuple[str, str, str, str]]:
    """Return of each network its name, epochs, minutes of all folds, and why it is in or out."""
    by_name = {cost.name: cost for cost in proposal.costs}
    lines = []
    for name, training in proposal.trainings.items():
        if name in proposal.epochs:
            epochs = proposal.epochs[name]
            lines.append((name, str(epochs), _minutes(by_name[name].seconds(epochs)), training.family.why))
        elif name in by_name:
            least = training.least
            lines.append(
                (name, "-", "-", f"Left out: {least} epochs take {_minutes(by_name[name].seconds(least))} min.")
            )
        else:
            lines.append((name, "-", "-", f"Left out: {proposal.failed[name]}"))
    return lines


def total(proposal: RecipeProposal) -> str:
    """Say what all takes of what there is."""
    return (
        f"{_minutes(proposal.total)} of {proposal.hours * 60:g} minutes, of which {RESERVE:.0%} are kept free: the "
        "times are estimated from a few steps of each member, one run at a time on this machine."
    )


def twice(proposal: RecipeProposal) -> str:
    """Say what twice the budget would add."""
    more = fitting(proposal.costs, usable(2 * proposal.hours))
    added = [
        f"{name} with {epochs} epochs"
        if name not in proposal.epochs
        else f"{epochs} epochs of {name}, not {proposal.epochs[name]}"
        for name, epochs in more.items()
        if epochs != proposal.epochs.get(name)
    ]
    if added:
        return f"Twice the budget would add: {'; '.join(added)}."
    return (
        "Twice the budget would add nothing by these rules. What could use it: photos shown larger (size=[<height>,"
        "<width>]), longer trainings (epochs=<n>), or a member once more with another seed."
    )


def commands(proposal: RecipeProposal) -> list[str]:
    """Return what to run, in order."""
    ens = f"ENS={proposal.name}"
    return [
        f"make plan {ens}",
        f"make campaign {ens}",
        f"make report {ens}",
        *([f"make doctor {ens}"] if proposal.look.test else []),
    ]


def document(proposal: RecipeProposal) -> str:
    """Return the summary as Markdown."""
    look, size, folds = proposal.look, proposal.size, proposal.folds
    thickness = "unknown" if look.thickness is None else f"{look.thickness:.1%} of the long side"
    shown = "as they are" if size.geometry == "pad" else f"{size.width} x {size.height}"
    first = proposal.trainings[next(iter(proposal.epochs))]
    begun = [f"{name}: {_begun(training)}" for name, training in proposal.trainings.items()]
    lines = [
        f"# {proposal.name}: a recipe for {proposal.hours:g} hours",
        "",
        f"- **Data**: {look.photos:,} photos with masks in {look.groups:,} groups, {look.test:,} to predict; "
        f"{look.width} x {look.height} in the middle; objects cover {look.area:.1%} and are {thickness} wide; "
        f"{look.empty:.0%} are empty.",
        f"- **Device**: {proposal.device}.",
        f"- **Folds**: {folds.value}: {folds.why}.",
        f"- **Input**: {shown}, geometry={size.geometry}: {size.why}.",
        f"- **Weights**: {'; '.join(begun)}.",
        f"- **Steps**: {first.batch} photos each: {first.why['batch']}. Epochs: {first.why['epochs']}.",
        *(f"- {remark}" for remark in remarks(look)),
        "",
        "| member | epochs | minutes, all folds | why |",
        "|---|---:|---:|---|",
        *(f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in rows(proposal)),
        "",
        f"Together {total(proposal)}",
        "",
        twice(proposal),
        "",
        "```sh",
        *commands(proposal),
        "```",
        "",
        f"Each member is `conf/experiment/<member>.yaml`, the ensemble `conf/ensemble/{proposal.name}.yaml`: read and "
        "edit them. What was edited is never written over. What it gains is measured by no rule: `make evaluate` says.",
    ]
    return "\n".join(lines) + "\n"


def _begun(training: Training) -> str:
    weights = training.family.weights
    return "random" if weights is None else "pretrained" if weights is True else str(weights)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}" if seconds < 600 else f"{seconds / 60:.0f}"
