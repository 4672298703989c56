"""All findings about a data set: measured, compared, ranked within their kind, and what was decided of them."""

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd

from maskfold.cleaning.fingerprints import CACHE
from maskfold.cleaning.kinds import ALIKE, COLUMNS, KINDS, OTHER_LABEL, OTHER_MASK, SIZE, TURNED, TWIN
from maskfold.cleaning.label_findings import differing, label_findings
from maskfold.cleaning.measuring import MEASURES, measurable, measure_pairs
from maskfold.cleaning.pairs import mask_findings, twin_findings
from maskfold.cleaning.sizes import sizes, unusable
from maskfold.cleaning.suspicions import suspicions
from maskfold.cleaning.twins import find_twins
from maskfold.data.annotations import DROP, KEEP, annotate, read_decisions
from maskfold.data.folds import fold_numbers, split_path
from maskfold.data.source import Source
from maskfold.data.table import AUTOMATIC, STRAYS, STRETCHED
from maskfold.data.task import RECOGNITION
from maskfold.errors import MaskfoldError, listing

_FOLDS = 5  # of a split that is not there yet
_NOT_MEASURED = pd.DataFrame(columns=["image_id", "class", *MEASURES], dtype=np.float64)  # labels have no masks

_log = logging.getLogger(__name__)


class Inspected(NamedTuple):
    """A data set that was looked at.

    Attributes:
        rows: All rows of its image table, see `maskfold.data.table.examine`.
        measured: See `maskfold.cleaning.suspicions`.
        findings: Rows of `maskfold.cleaning.kinds.COLUMNS`.
        decisions: What the user has decided, by `image_id`.
        notes: What could not be looked at, sentences.
    """

    rows: pd.DataFrame
    measured: pd.DataFrame
    findings: pd.DataFrame
    decisions: pd.Series
    notes: list[str]


def inspect_source(source: Source, *, jobs: int = -1) -> Inspected:
    """Look for what is wrong with a source's photos and masks; none of its files is touched.

    Args:
        source: Whose files are looked at, also those that its other stages refuse. What was measured is remembered in
            its own folder by content.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If folders are missing, a file vanishes meanwhile, or what the user has written beside the data
            makes no sense.
    """
    rows = source.examined(jobs=jobs)
    rows["split"] = rows["split"].replace(AUTOMATIC, "train")  # a mask is looked at whoever has made it
    decisions = read_decisions(source.folder, rows, left_out=source.left_out)
    twins, notes = _twins(source, rows, jobs)
    if source.task == RECOGNITION:
        measured, findings = _NOT_MEASURED, _of_labels(source, rows, twins)
    else:
        measured, findings = _of_masks(source, rows, twins, notes, jobs)
    findings += [sizes(rows), unusable(rows)]
    if strays := rows.attrs[STRAYS]:
        notes.append(f"{len(strays):,} things among the files can be no image of the set:\n{listing(strays)}")
    return Inspected(rows, measured, _ranked(_without_repeats(pd.concat(findings)), decisions), decisions, notes)


def _of_labels(source: Source, rows: pd.DataFrame, twins: pd.DataFrame) -> list[pd.DataFrame]:
    """Return what is found of labels, and near-copies of one label."""
    split = split_path(source)
    folds = len(fold_numbers(split)) if split.exists() else _FOLDS
    alike = twins[~differing(rows, twins)]
    near = twin_findings(alike, _with_groups(rows, source), pd.Series(dtype=np.float64))
    return [*label_findings(rows, twins, folds=folds), near]


def _of_masks(
    source: Source, rows: pd.DataFrame, twins: pd.DataFrame, notes: list[str], jobs: int
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Return what was measured of masks, and what is found of them; add to the notes what was not."""
    pairs = rows[measurable(rows)]
    measured = measure_pairs(pairs, channels=source.channels, cache=source.folder / "measured.parquet", jobs=jobs)
    measured["class"] = measured["plane"].map(dict(enumerate(source.classes)).get) if source.classes else ""
    fits = measured.groupby("image_id")["edge_ratio"].min()
    overlaps = source.folder / "overlaps.parquet"
    findings = [
        mask_findings(twins, pairs, fits, cache=overlaps, jobs=jobs),
        _of_single_masks(rows, measured),
        twin_findings(twins, _with_groups(rows, source), fits),
    ]
    unmeasured = int((rows["image_hash"].notna() & rows["mask_hash"].notna()).sum()) - len(pairs)
    if unmeasured:
        notes.append(f"{unmeasured:,} very large photos were not measured: their masks were not looked at.")
    return measured, findings


def _twins(source: Source, rows: pd.DataFrame, jobs: int) -> tuple[pd.DataFrame, list[str]]:
    """Return near-copies, and what is to be said where photos could not be compared by their looks."""
    usable = rows[rows["image_hash"].notna() & (rows["height"] > 0)]
    options = {"channels": source.channels, "cache": source.folder / CACHE, "jobs": jobs}
    try:
        return find_twins(usable, **options), []
    except MaskfoldError as error:
        _log.warning("Photos are compared by their bytes alone: %s", error)
        return find_twins(usable, **options, distance=0), [f"Photos were compared by their bytes alone: {error}"]


def _of_single_masks(rows: pd.DataFrame, measured: pd.DataFrame) -> pd.DataFrame:
    """Return findings about masks; of those that fit no shape of their photo, only that they are turned.

    No decision is offered for what the loader refuses anyway: a file has to be mended before one could be obeyed.
    """
    findings = suspicions(measured)
    problem = findings["image_id"].map(rows.set_index("image_id")["problem"].astype("str"))
    findings = findings.assign(decision=findings["decision"].where(problem == "", ""))
    return findings[(problem != STRETCHED) | (findings["kind"] == TURNED.name)]


def _with_groups(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return rows with the groups that are in force; a photo that is dropped has its own."""
    joined = annotate(rows, source.folder, left_out=source.left_out).set_index("image_id")["group"]
    return rows.assign(group=rows["image_id"].map(joined).fillna(rows["group"]))


def _without_repeats(findings: pd.DataFrame) -> pd.DataFrame:
    """Leave out what is said twice: that a mask which is turned by 90 degrees has another shape than its photo."""
    turned = findings.loc[findings["kind"] == TURNED.name, "image_id"]
    swapped = (findings["kind"] == SIZE.name) & findings["image_id"].isin(turned) & (findings["decision"].isna())
    return findings[~swapped]


def _ranked(findings: pd.DataFrame, decisions: pd.Series) -> pd.DataFrame:
    """Return findings by kind, those that are settled behind the others, with their places."""
    findings = findings.fillna({"partner": "", "class": "", "decision": ""})
    order = findings["kind"].map({kind.name: number for number, kind in enumerate(KINDS)})
    findings = findings.assign(settled=_settled(findings, decisions), order=order)
    findings = findings.sort_values(["order", "settled"], kind="stable", ignore_index=True)
    findings["rank"] = findings.groupby("order").cumcount() + 1
    return findings[COLUMNS]


def _settled(findings: pd.DataFrame, decisions: pd.Series) -> pd.Series:
    """Return what settles each finding, "" where nothing does.

    A photo that is dropped or kept settles what is found of it. A pair is settled when one is dropped, both are kept,
    or both are in one group by decision.
    """
    one = findings["image_id"].map(decisions).fillna("").astype("str")
    other = findings["partner"].map(decisions).fillna("").astype("str")
    is_pair = findings["kind"].isin([OTHER_MASK.name, OTHER_LABEL.name, ALIKE.name, TWIN.name])
    alone = one.where(one.isin([KEEP, DROP]), "")
    dropped = (one == DROP) | (other == DROP)
    together = one.where((one == other) & (one != DROP), "")
    return alone.where(~is_pair, together.mask(dropped, DROP))
