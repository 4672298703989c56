"""The classes that a trained network's outputs stand for, against those that the data has now."""

import hashlib

from maskfold.data.class_table import FILE, ClassTable
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder

CLASS_TABLE = "class_table"  # a key of what answers come from: `classes_digest` of the network's classes


def trained_classes(run: RunFolder, now: ClassTable) -> ClassTable:
    """Return the classes that a run was trained on, retired as the data has them now.

    Args:
        run: A run folder.
        now: The data's classes, those of the run and perhaps others behind them.

    Raises:
        MaskfoldError: If the data has other classes, or these in another order, or the run does not know its own.
    """
    path = run.path / FILE
    if not path.exists():
        raise MaskfoldError(
            f"{path}: missing, so nobody knows which products this network's outputs stand for. Put a copy back: it is "
            f"the data's {FILE} of the time of the training, and the run's other folds have the same."
        )
    before = ClassTable.read(path)
    theirs, ours = before.labels, now.labels[: len(before)]
    if theirs != ours:
        place = next(
            (place for place, pair in enumerate(zip(theirs, ours, strict=False)) if pair[0] != pair[1]), len(ours)
        )
        there = repr(ours[place]) if place < len(ours) else "no class"
        raise MaskfoldError(
            f"{run.path} was trained on other classes than the data has now: number {place} is {theirs[place]!r} in "
            f"{path}, and {there} in the data, which has {len(now)}. Classes may only come behind those of a training: "
            f"put the data's own {FILE} back (or its data.until), or train on this data with name=..."
        )
    return ClassTable(now.rows[: len(before)])


def classes_digest(classes: ClassTable) -> str:
    """Return 16 hexadecimal digits that stand for the labels, their order, and which of them are retired."""
    lines = [f"{label}\t{active}\n" for label, active in zip(classes.labels, classes.active(), strict=True)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
