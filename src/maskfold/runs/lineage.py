"""What a trained network has seen: the photos, and their groups, that it or a teacher of it learned from.

A pseudo-label carries what its teachers have seen. A network that learns from it and is then scored on one of those
groups is scored on what it has learned; out-of-fold scores would rise without the ensemble getting better.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from maskfold import files
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.run_folder import RunFolder

_DIGITS = 16  # of a hash: no two of some millions of files share them


@dataclass(frozen=True)
class Lineage:
    """Where a run's knowledge comes from.

    Attributes:
        data: The name of the labelled data.
        round: 0 when trained on true masks alone, else one more than that of the teachers it learned from.
        seen: What it, or a teacher of it, was trained on, as `sights` returns it.
        held_out: What it is validated on, likewise.
    """

    data: str
    round: int
    seen: tuple[str, ...]
    held_out: tuple[str, ...]

    def leaks_into(self, sights: Iterable[str]) -> list[str]:
        """Return those of `sights` that were seen, sorted."""
        return sorted({*sights} & {*self.seen})


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
    hashes = rows["image_hash"] if "image_hash" in rows else pd.Series(None, rows.index, dtype="str")
    return rows["group"].map(sight_of_group), "image " + rows["image_id"], "content " + hashes.str[:_DIGITS]


def sight_of_group(group: str) -> str:
    """Return how a group is written among `sights`."""
    return f"group {group}"


def write_lineage(run: Path, lineage: Lineage) -> None:
    """Keep it in a run folder."""
    files.write_json(RunFolder(run).lineage, asdict(lineage))


def read_lineage(run: Path) -> Lineage:
    """Read it from a run folder.

    Raises:
        MaskfoldError: If it is not there (a folder of maps from other code, say) or damaged.
    """
    path = RunFolder(run).lineage
    if not path.is_file():
        raise MaskfoldError(
            f"{path}: missing, so nobody knows what this member was trained on, and its labels might leak into "
            "out-of-fold scores. Teachers are experiments trained here: leave it out of ensemble.members, or train it "
            "again."
        )
    content = files.read_json(path)
    try:
        return Lineage(content["data"], content["round"], tuple(content["seen"]), tuple(content["held_out"]))
    except (KeyError, TypeError) as error:
        raise MaskfoldError(f"{path}: damaged ({error}). Train this fold again with overwrite=true.") from error


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
