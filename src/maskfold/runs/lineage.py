"""What a trained network has seen: the photos, and their groups, that it or a teacher of it learned from.

A network that is scored on what it has learned from scores better without being better. Whoever scores out of fold,
blends, teaches or judges asks here. A pseudo-label carries what its teachers have seen.

A photo counts as seen by its content, by its id and by its group: one that was renamed, or joined to another group, is
still the same.
"""

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pandas as pd

from maskfold import files
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.contents import hashes_of, replaced
from maskfold.runs.layout import MemberFolder
from maskfold.runs.run_folder import RunFolder

CONTENT = "content "

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lineage:
    """Where a run's knowledge comes from.

    Attributes:
        data: The name of the labelled data.
        round: 0 when trained on true masks alone, else one more than that of the teachers it learned from.
        seen: What it, or a teacher of it, was trained on, as `sights` returns it.
        held_out: What it is validated on, likewise.
        folds: How many folds its split has; None if that is not known.
        photos: `image_id -> hash` of the labelled photos, for training and validation, as they were.
        masks: The same of their masks.
        parents: Of a mean of weights: the SHA-256 of the checkpoints that it was made of.
    """

    data: str
    round: int
    seen: tuple[str, ...]
    held_out: tuple[str, ...]
    folds: int | None = None
    photos: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()

    def leaks_into(self, sights: Iterable[str]) -> list[str]:
        """Return those of `sights` that were seen, sorted."""
        return sorted({*sights} & {*self.seen})

    def replaced(self, photos: dict[str, str], masks: dict[str, str]) -> list[str]:
        """Return which photos and masks of now, as `hashes_of` returns them, are not the files they were in training.

        Returns:
            `photo of <id>` and `mask of <id>`.
        """
        pairs = (("photo", self.photos, photos), ("mask", self.masks, masks))
        return [f"{kind} of {image_id}" for kind, before, now in pairs for image_id in replaced(before, now)]


def lineage_of_split(data: str, training: pd.DataFrame, validation: pd.DataFrame, *, folds: int | None) -> Lineage:
    """Return the lineage of a network that learns from some rows of the image table and is validated on others.

    The content of a photo that is in both, byte for byte, does not count as seen, or no fold could be scored at all;
    its ids and groups do, and `keep_lineage` names it.

    Args:
        data: The name of the data.
        training: Rows to learn from.
        validation: Rows to measure; none of a training on all photos.
        folds: How many folds the split has; None where there is none.
    """
    seen, held_out = {*sights(training)}, {*sights(validation)}
    twins = {sight for sight in seen & held_out if sight.startswith(CONTENT)}
    labelled = pd.concat([training, validation])
    photos, masks = hashes_of(labelled, "image"), hashes_of(labelled, "mask")
    return Lineage(data, 0, tuple(sorted(seen - twins)), tuple(sorted(held_out)), folds, photos, masks)


def sights(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return what rows of the image table show, sorted: `group <name>`, `image <id>` and `content <hash>` of each.

    Images as well as groups: another `data.group` gives every group another name, and the photos stay the same.
    Contents as well as images: another folder gives every photo another name.
    """
    return tuple(sorted({sight for column in _sights(rows) for sight in column.dropna()}))


def shows_any_of(rows: pd.DataFrame, sights: Iterable[str]) -> pd.Series:
    """Tell of each row of the image table whether its group, its id or its content is among `sights`."""
    group, image, content = (column.isin({*sights}) for column in _sights(rows))
    return group | image | content


def _sights(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Return each row's group, id and content as they are written among `sights`; what is not known is missing."""
    contents = rows["image_id"].map(hashes_of(rows, "image")).astype("str")
    return rows["group"].map(sight_of_group), "image " + rows["image_id"], CONTENT + contents


def sight_of_group(group: str) -> str:
    """Return how a group is written among `sights`."""
    return f"group {group}"


def write_lineage(run: Path, lineage: Lineage) -> None:
    """Keep it in a run folder."""
    files.write_json(RunFolder(run).lineage, asdict(lineage))


def keep_lineage(run: RunFolder, lineage: Lineage) -> None:
    """Write down what a run is about to see; what was written before anything was trained stays as it is.

    Args:
        run: A folder that this run has begun, or may go on in: data, split and configuration are the same.
        lineage: What it sees, with the files as they are now.
    """
    if not run.holds_training:
        _warn_of_twins(lineage)
        write_lineage(run.path, lineage)
    elif not run.lineage.exists():  # of an older version, which kept no such file: nobody knows which files there were
        write_lineage(run.path, replace(lineage, photos={}, masks={}))


def _warn_of_twins(lineage: Lineage) -> None:
    """Name the photos that are byte for byte both among those to learn from and among those to validate on."""
    held_out = {*lineage.held_out}
    sides: dict[str, set[bool]] = {}
    for image_id, content in lineage.photos.items():
        sides.setdefault(content, set()).add(f"image {image_id}" in held_out)
    twins = sorted(image_id for image_id, content in lineage.photos.items() if len(sides[content]) == 2)
    if twins:
        log.warning(
            "%s: %d photos are byte for byte both among those to learn from and among those to validate on, so scores "
            "will flatter. Give them one group and write the split before anything is trained, or remove one of "
            "each:\n%s",
            lineage.data,
            len(twins),
            listing(twins),
        )


def refuse_replaced(run: RunFolder, lineage: Lineage) -> None:
    """Refuse to go on with a run whose photos or masks are not the files any more that it was begun with.

    Args:
        run: A run folder, in which nothing need be yet.
        lineage: What the run would see now.

    Raises:
        MaskfoldError: If they are not; the message names them.
    """
    if not run.holds_training or not run.lineage.exists():
        return
    changed = read_lineage(run.path).replaced(lineage.photos, lineage.masks)
    if changed:
        raise MaskfoldError(
            f"{run.path} was trained on other files of the same names; replaced since:\n{listing(changed)}\n"
            "Put the old files back; or train on the new ones, in a folder of their own with name=..., or in place of "
            "the old run with overwrite=true."
        )


def read_lineage(run: Path) -> Lineage:
    """Read it from a run folder.

    Raises:
        MaskfoldError: If it is not there (a folder of maps from other code, say) or damaged.
    """
    path = RunFolder(run).lineage
    if not path.is_file():
        raise MaskfoldError(
            f"{path}: missing, so nobody knows what this network was trained on, and out-of-fold scores might leak. "
            "Leave it out, unless it is a run of an older version: its `make train` command writes the file if data "
            "and split are still the same, and refuses if they are not."
        )
    try:
        content = files.read_json(path)
        folds, images = content.get("folds"), len(content["seen"]) + len(content["held_out"])
        if folds is not None and not (isinstance(folds, int) and 0 < folds <= images):
            raise ValueError(f"folds: {folds}")
        return Lineage(
            content["data"],
            content["round"],
            tuple(content["seen"]),
            tuple(content["held_out"]),
            folds,
            dict(content.get("photos", {})),
            dict(content.get("masks", {})),
            tuple(content.get("parents", ())),
        )
    except (KeyError, TypeError, ValueError, MaskfoldError) as error:
        raise MaskfoldError(f"{path}: damaged ({error}). Train this fold again with overwrite=true.") from error


def every_fold(member: MemberFolder) -> list[int]:
    """Return the numbers of the folds that a member should have: those of its split, and those that have a folder.

    A run of an older version does not say how many there are.
    """
    known = (read_lineage(run.path).folds for run in member.runs() if run.lineage.exists())
    return sorted({*member.folds(), *range(next(known, None) or 0)})


def refuse_leak(run: RunFolder, photos: pd.DataFrame) -> Lineage:
    """Refuse to score a run on photos that its network has seen, by itself or through teachers; return its lineage.

    Args:
        run: A run folder.
        photos: Rows of the image table that it is to be scored on.

    Raises:
        MaskfoldError: If it has seen one of them, or another photo of its group, or nobody knows what it has seen.
    """
    lineage = read_lineage(run.path)
    seen = photos[shows_any_of(photos, lineage.seen)]
    if seen.empty:
        return lineage
    leaking = (seen["image_id"] + " (group " + seen["group"] + ")").tolist()
    raise MaskfoldError(
        f"{run.path} has learned from {len(leaking)} of the {len(photos)} photos that it would be scored on, from "
        f"others of their groups, or from teachers that have:\n{listing(leaking)}\n"
        "Out of fold a network is scored on photos that it has never seen. Put back the split that it was trained on, "
        "or train it on this one: in a folder of its own with name=..., or in place of the old run with overwrite=true."
    )


def describe_leak(leaking: list[str], *, teacher: str, student: str) -> str:
    """Say why a teacher that has seen what its student is validated on must not teach it.

    Args:
        leaking: What is both, at least one.
        teacher: Who has seen them.
        student: Who is validated on them.
    """
    return (
        f"{teacher} has seen {len(leaking)} groups and images that {student} is validated on, by itself or through "
        f"teachers of its own:\n{listing(leaking, 5)}\n"
        "Its labels would carry their masks into the out-of-fold score."
    )
