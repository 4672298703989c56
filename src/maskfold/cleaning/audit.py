"""The gate before training: nothing that shows one object, or one picture, may lie on both sides of a split.

What validates a network, or tests it, and was seen by it in training, scores better than anything new will.
"""

import hashlib
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.cleaning.fingerprints import CACHE, unseen
from maskfold.cleaning.shift import Shift
from maskfold.cleaning.twin_groups import binding_pairs
from maskfold.cleaning.twins import DISTANCE, find_twins
from maskfold.data.annotations import DECISIONS, named_groups, read_decisions, with_groups
from maskfold.data.folds import read_folds
from maskfold.data.source import Source
from maskfold.data.table import AUTOMATIC
from maskfold.data.task import RECOGNITION
from maskfold.errors import MaskfoldError, listing
from maskfold.files import locked, read_json, sha256, write_json

RECORD = "audit.json"  # in the data's own folder
GROUP, BYTES, TWIN = "group", "same bytes", "near-copy"

_TEST = "the test set"
_NO_FOLD = "the photos that every fold learns from"
_FEW = 2_000  # photos: so many are looked at before a training, in half a minute; more are for `make folds`
_KEPT = 1_000  # crossings in a record
_WAIT_S = 60.0  # for another run that writes the record

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Crossing:
    """Two photos that belong together and are on two sides of a split.

    Attributes:
        kind: `group`, `same bytes` or `near-copy`.
        image_id: The one photo.
        partner: The other one.
        sides: Where the two are: `fold 0 and fold 2`, `fold 1 and the test set`.
        why: The group's name, or in how many bits of 256 the hashes differ; "" for the same bytes.
    """

    kind: str
    image_id: str
    partner: str
    sides: str
    why: str

    def __str__(self) -> str:
        why = f" ({self.why})" if self.why else ""
        return f"{self.kind}{why}: {self.image_id} and {self.partner}, {self.sides}"


@dataclass(frozen=True)
class Audit:
    """What an audit of one split has found.

    Attributes:
        key: What the split, the photos and the decisions were, as `_key` returns it.
        distance: Up to how many bits photos counted as near-copies; 0 where bytes alone were compared.
        photos: How many were looked at, train and test.
        count: How many crossings there are.
        crossings: The first thousand of them.
        shift: How well test photos were told from train photos, if that was asked: `maskfold.cleaning.shift.Shift`.
    """

    key: str
    distance: int
    photos: int
    count: int
    crossings: tuple[Crossing, ...]
    shift: dict[str, Any] | None = None


def find_crossings(
    table: pd.DataFrame, folds: pd.DataFrame, pairs: pd.DataFrame, named: pd.Series | None = None
) -> list[Crossing]:
    """Return what crosses a fold or the test set: groups, then photos of the same bytes, then near-copies.

    Args:
        table: The image table that stages work on.
        folds: The split: `image_id, fold`.
        pairs: Twins that must not be parted.
        named: Groups that the user has named since, by `image_id`.
    """
    rows = table.assign(side=_sides(table, folds))
    crossings = _groups(rows)
    if named is not None and len(named):
        seen = {crossing.why for crossing in crossings}
        crossings += [crossing for crossing in _groups(with_groups(rows, named)) if crossing.why not in seen]
    side_of = rows.set_index("image_id")["side"]
    sides = pairs["image_id"].map(side_of), pairs["partner"].map(side_of)
    across = pairs.assign(one=sides[0], other=sides[1])[sides[0] != sides[1]]
    for pair in across.sort_values("same_bytes", ascending=False, kind="stable").itertuples():
        kind, why = (BYTES, "") if pair.same_bytes else (TWIN, f"{pair.distance} bits")
        crossings.append(Crossing(kind, pair.image_id, pair.partner, f"{pair.one} and {pair.other}", why))
    return crossings


def _sides(table: pd.DataFrame, folds: pd.DataFrame) -> pd.Series:
    """Return the side of the split that each row is on; an automatic label is on that of its group."""
    fold = table["image_id"].map(folds.set_index("image_id")["fold"])
    of_group = table["group"].map(fold.groupby(table["group"]).first())
    is_automatic = table["split"] == AUTOMATIC
    side = "fold " + fold.mask(is_automatic, of_group).astype("Int64").astype("str")
    return side.mask(is_automatic & of_group.isna(), _NO_FOLD).mask(table["split"] == "test", _TEST)


def _groups(rows: pd.DataFrame) -> list[Crossing]:
    """Return each group that is on several sides, with a photo of each of two."""
    several = rows.groupby("group")["side"].transform("nunique") > 1
    firsts = rows[several].sort_values(["group", "side", "image_id"]).drop_duplicates(["group", "side"])
    crossings = []
    for group, of_group in firsts.groupby("group"):
        (one, first), (other, second) = of_group[["image_id", "side"]].to_numpy().tolist()[:2]
        crossings.append(Crossing(GROUP, one, other, f"{first} and {second}", str(group)))
    return crossings


def audit(
    source: Source,
    table: pd.DataFrame,
    split: Path,
    *,
    distance: int = DISTANCE,
    pairs: pd.DataFrame | None = None,
    shift: Shift | None = None,
) -> Audit:
    """Audit a split, and keep the result in the data's own folder.

    Args:
        source: The data.
        table: Its image table.
        split: The file of the folds.
        distance: Up to how many bits photos count as near-copies.
        pairs: The table's twins, where they are known already.
        shift: What is to be kept with the result.

    Raises:
        MaskfoldError: If the split or the decisions cannot be read, or the record cannot be written.
    """
    if pairs is None:
        pairs = _twins(source, table, distance)
    result = _audited(source, table, split, distance, pairs)
    result = replace(result, shift=None if shift is None else asdict(shift))
    _keep(source, split, result)
    return result


def _twins(source: Source, table: pd.DataFrame, distance: int) -> pd.DataFrame:
    return find_twins(table, channels=source.channels, cache=source.folder / CACHE, distance=distance)


def _keep(source: Source, split: Path, result: Audit) -> None:
    with locked(source.folder, wait=_WAIT_S):
        write_json(source.folder / RECORD, _records(source) | {sha256(split): asdict(result)})


def _audited(source: Source, table: pd.DataFrame, split: Path, distance: int, pairs: pd.DataFrame) -> Audit:
    decisions = read_decisions(source.folder)
    pairs = binding_pairs(pairs, table, decisions)
    folds = read_folds(split, table, left_out=source.left_out)
    crossings = find_crossings(table, folds, pairs, named_groups(decisions))
    key = _key(source, table, distance)
    return Audit(key, distance, len(table), len(crossings), tuple(crossings[:_KEPT]))


def gate(source: Source, table: pd.DataFrame, split: Path) -> None:
    """Let only a split pass that parts nothing that belongs together: by its record, or by an audit now.

    Where many photos were never looked at, near-copies are left to `make folds`, and the log says so.

    Args:
        source: The data.
        table: Its image table.
        split: The file of the folds.

    Raises:
        MaskfoldError: If a group, photos of the same bytes or near-copies cross a fold or the test set; the message
            names them and the ways out.
    """
    records = _records(source)
    record = _parsed(records.get(sha256(split)))
    distance = DISTANCE if record is None else record.distance
    if record is None or record.key != _key(source, table, distance):
        missing = unseen(table, source.folder / CACHE) if distance else 0
        if missing > _FEW:
            _log.warning(
                "%s: %d photos were never compared with one another, so near-copies across this split are not "
                "looked for. `make folds` looks at all of them, once.",
                split,
                missing,
            )
            record = _audited(source, table, split, 0, find_twins(table, distance=0))
        else:
            record = _audited(source, table, split, distance, _twins(source, table, distance))
            try:
                _keep(source, split, record)
            except MaskfoldError as error:  # a training reads its data, and need not be able to write there
                _log.warning("The audit is made again next time: %s", error)
    if record.count:
        raise MaskfoldError(f"{split}: {describe(record, source)}\nOr train all the same: audit=off.")


def describe(result: Audit, source: Source) -> str:
    """Say what crosses, and each way out of it."""
    kinds = {crossing.kind for crossing in result.crossings}
    test = any(_TEST in crossing.sides for crossing in result.crossings)
    decisions = source.folder / DECISIONS
    ways = []
    if any(_TEST not in crossing.sides for crossing in result.crossings):
        ways.append("cut it anew, which joins them (`make folds` with overwrite=true), and train every member again")
    if test:
        grows = source.task == RECOGNITION  # a split whose other photos keep their folds
        again = "run `make folds` again" if grows else "cut the split anew (`make folds` with overwrite=true)"
        ways.append(f"take a train photo out that the test set has too: `<image_id>,drop` in {decisions}, and {again}")
    if TWIN in kinds:
        ways.append(f"say that two near-copies show two objects: `<image_id>,keep` of both in {decisions}")
    if GROUP in kinds:
        ways.append(
            f"give photos that show another object a group of their own: `<image_id>,group=<name>` in {decisions}"
        )
    return (
        f"the audit failed: {result.count} times photos that belong together are on two sides of this split, so scores "
        f"would flatter:\n{listing(result.crossings)}\nWays out:\n" + "\n".join(f"  {way}" for way in ways)
    )


def _key(source: Source, table: pd.DataFrame, distance: int) -> str:
    """Return what changes with the photos, their groups and splits, the decisions and what counts as a near-copy."""
    rows = table.reindex(columns=["image_id", "split", "group", "image_hash"]).sort_values("image_id")
    digest = hashlib.sha256(f"{distance}\n{rows.to_csv(index=False)}".encode())
    decisions = source.folder / DECISIONS
    digest.update(decisions.read_bytes() if decisions.exists() else b"")
    return digest.hexdigest()


def _records(source: Source) -> dict[str, Any]:
    """Return all records by their split's content; a damaged file has none, and is written anew."""
    try:
        return read_json(source.folder / RECORD)
    except MaskfoldError:
        return {}


def _parsed(record: Any) -> Audit | None:
    """Return a record as it was written, None if it is none."""
    try:
        crossings = tuple(Crossing(**crossing) for crossing in record["crossings"])
        parsed = Audit(**(record | {"crossings": crossings}))
        return parsed if isinstance(parsed.distance, int) and isinstance(parsed.count, int) else None
    except (TypeError, KeyError):
        return None
