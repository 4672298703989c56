"""Write the split of a data set, and audit it: `maskfold folds data=carvana`."""

import logging
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold.cleaning.audit import Audit, audit, describe
from maskfold.cleaning.fingerprints import CACHE
from maskfold.cleaning.shift import Shift, measure_shift
from maskfold.cleaning.twin_groups import binding_pairs, grown_groups, joined_groups
from maskfold.cleaning.twins import find_twins
from maskfold.config import build
from maskfold.data.annotations import DROP, decided, read_decisions, read_twins, with_groups, write_twins
from maskfold.data.folds import is_drawn, read_known, refuse_changed, refuse_other_split, split_path, write_folds
from maskfold.data.folds_by_label import still_there
from maskfold.data.source import Source
from maskfold.data.task import RECOGNITION
from maskfold.entry import entry_point
from maskfold.errors import listing
from maskfold.files import locked
from maskfold.terminal import counted, show_table

log = logging.getLogger(__name__)

_WAIT_S = 60.0  # for another run that writes there


def folds(config: DictConfig) -> Path:
    """Assign every training image of a source to a fold, twins to one, and audit it; return the path of the split."""
    source: Source = build(config.data)
    deal = build(config.folds)
    everything = source.as_found()
    decisions = read_decisions(source.folder, everything, left_out=source.left_out)
    table = decided(everything, decisions)
    looks = {"channels": source.channels, "cache": source.folder / CACHE}
    pairs = find_twins(table, **looks, distance=config.twins)
    path = split_path(source)
    known = None if config.overwrite or source.task != RECOGNITION or not hasattr(deal, "more") else read_known(path)
    joined = pd.Series(dtype="str")
    if is_drawn(deal):
        train = table[table["split"] != "test"]
        joined = joined_groups(train, binding_pairs(pairs, table, decisions))
        _tell_joined(joined)
        if known is not None:
            joined = grown_groups(train, joined, known)
    table = with_groups(table, joined)
    if known is None:
        assigned = deal(table)
        if not config.overwrite:
            refuse_other_split(path, assigned)
    else:
        ids = {"dropped": decisions.index[decisions == DROP], "left_out": source.left_out}
        assigned = deal.more(table, still_there(known, table, forget=config.forget, **ids))
        _tell_grown(known, assigned, path)
        before = read_twins(source.folder)
        joined = pd.concat([joined, before[before.index.isin(source.left_out)]])
    source.prepare_classes(table)
    with locked(source.folder, wait=_WAIT_S):
        if known is not None:
            refuse_changed(path, known)
        # Twins first: killed in between, the old split has other groups than the data, which every stage refuses.
        write_twins(source.folder, joined)
        write_folds(path, assigned, overwrite=config.overwrite or known is not None)
    sizes = assigned.groupby("fold").agg(images=("image_id", "size"), groups=("group", "nunique"))
    log.info("%s\n%s", path, sizes.to_string())
    shift = measure_shift(table, **looks)
    _tell(audit(source, table, path, distance=config.twins, pairs=pairs, shift=shift), source, shift)
    return path


def _tell_grown(known: pd.DataFrame, assigned: pd.DataFrame, path: Path) -> None:
    """Say how many photos are new to a split, and how many it has no longer."""
    new = int((~assigned["image_id"].isin(known["image_id"])).sum())
    gone = len(known) + new - len(assigned)
    log.info("%s: %s new, %d taken out; all others keep their folds.", path, counted(new, "photo"), gone)


def _tell_joined(joined: pd.Series) -> None:
    """Say which photos share a group from now on."""
    lines = [f"{group}: {', '.join(sorted(of_group.index))}" for group, of_group in joined.groupby(joined)]
    if lines:
        log.info("near-copies and their groups are joined, %s:\n%s", counted(len(lines), "group"), listing(lines))


def _tell(result: Audit, source: Source, shift: Shift | None) -> None:
    """Show what the audit has found, and how far test photos are from train photos."""
    if result.count:
        rows = [(crossing.kind, crossing.image_id, crossing.partner, crossing.sides) for crossing in result.crossings]
        show_table(["crosses", "photo", "and", "on"], rows[:20])
        log.warning("%s\nTraining refuses this split until then.", describe(result, source))
    else:
        log.info("audit passed: no group, near-copy or byte-equal photo crosses a fold or the test set.")
    if shift is None:
        log.info("train against test: too few photos or groups of one of them to tell how far they differ.")
    else:
        level = logging.WARNING if shift.is_far else logging.INFO
        log.log(level, "train against test: %s.%s", shift, _FAR if shift.is_far else "")


_FAR = " They were taken otherwise: scores out of fold may say little of them. Augment towards them, or ask why."

main = entry_point(folds)

if __name__ == "__main__":
    main()
