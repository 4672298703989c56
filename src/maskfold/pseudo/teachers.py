"""Who may teach which fold: only networks that have never seen what the fold is validated on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.layout import fold_of, is_full
from maskfold.runs.lineage import Lineage, describe_leak, read_lineage
from maskfold.runs.run_folder import run_of


@dataclass(frozen=True)
class Teachers:
    """The teachers of one fold.

    Attributes:
        fold: The fold that learns from them.
        leaves: The ensemble's members, each with those of its stores that may teach.
        lineage: What the student will have learned from: `seen` is all that its teachers have seen, `held_out` what it
            is validated on, `round` its round.
    """

    fold: int
    leaves: tuple[Leaf, ...]
    lineage: Lineage

    @property
    def names(self) -> list[str]:
        """Return the teachers as `member/fold<k>`."""
        return [f"{leaf.name}/{run_of(store).path.name}" for leaf in self.leaves for store in leaf.stores]


def teachers_of_folds(leaves: Sequence[Leaf]) -> list[Teachers]:
    """Find the teachers of every fold of an ensemble's first member.

    Args:
        leaves: The ensemble's members, with the stores of all their folds.

    Raises:
        MaskfoldError: If a member has no network that may teach a fold, members were trained on different data, or
            nobody knows what one of them was trained on.
    """
    full = [run_of(store).path for store in leaves[0].stores if is_full(run_of(store))]
    if full:
        raise MaskfoldError(
            f"{full[0]}: trained on all photos, so it may teach no fold, and is none itself. Name the member's folds."
        )
    lineages = {store: read_lineage(run_of(store).path) for leaf in leaves for store in leaf.stores}
    refuse_other_data(lineages)
    return [_teachers(leaves, lineages, store) for store in leaves[0].stores]


def _teachers(leaves: Sequence[Leaf], lineages: dict[Path, Lineage], own: Path) -> Teachers:
    fold, held_out = fold_of(run_of(own)), lineages[own].held_out
    chosen = [who_may_teach(leaf, lineages, fold, held_out) for leaf in leaves]
    theirs = [lineages[store] for leaf in chosen for store in leaf.stores]
    return Teachers(
        fold,
        tuple(chosen),
        Lineage(
            data=lineages[own].data,
            round=1 + max(lineage.round for lineage in theirs),
            seen=tuple(sorted({sight for lineage in theirs for sight in lineage.seen})),
            held_out=held_out,
        ),
    )


def who_may_teach(
    leaf: Leaf, lineages: dict[Path, Lineage], fold: int | str, held_out: Sequence[str], *, what: str = "Pseudo-labels"
) -> Leaf:
    """Return a member with those of its stores whose networks have not seen what a fold is validated on.

    Args:
        leaf: The member.
        lineages: What each store's network has seen.
        fold: That of the student.
        held_out: What it is validated on, as `sights` returns it.
        what: What would leak, the beginning of a sentence.

    Raises:
        MaskfoldError: If there is none.
    """
    leaking = {store: lineages[store].leaks_into(held_out) for store in leaf.stores}
    innocent = tuple(store for store in leaf.stores if not leaking[store])
    if not innocent:
        nearest = min(leaf.stores, key=lambda store: len(leaking[store]))
        reason = describe_leak(leaking[nearest], teacher=str(run_of(nearest).path), student=f"fold {fold}")
        raise MaskfoldError(
            f"{what} of fold {fold} would leak: no fold of {leaf.name} may teach it. {reason} Leave this member "
            "out with ensemble.members=[...], or train it on the split of the others."
        )
    return replace(leaf, stores=innocent)


def refuse_other_data(lineages: dict[Path, Lineage]) -> None:
    """Refuse networks that were trained on different data.

    Args:
        lineages: What each has seen, by one of its stores.

    Raises:
        MaskfoldError: If they were.
    """
    of_data = {lineage.data: run_of(store).path for store, lineage in lineages.items()}
    if len(of_data) > 1:
        named = listing([f"{run}: {data}" for data, run in of_data.items()])
        raise MaskfoldError(f"The members were trained on different data:\n{named}\nTeachers must share their split.")
