"""Write the split of a data set, and audit it: `maskfold folds data=carvana`."""

import logging
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold.cleaning.audit import Audit, audit, describe
from maskfold.cleaning.fingerprints import CACHE
from maskfold.cleaning.shift import Shift, measure_shift
from maskfold.cleaning.twin_groups import binding_pairs, joined_groups
from maskfold.cleaning.twins import find_twins
from maskfold.config import build
from maskfold.data.annotations import decided, read_decisions, with_groups, write_twins
from maskfold.data.folds import is_drawn, refuse_other_split, split_path, write_folds
from maskfold.data.source import Source
from maskfold.entry import entry_point
from maskfold.errors import listing
from maskfold.terminal import counted, show_table

log = logging.getLogger(__name__)


def folds(config: DictConfig) -> Path:
    """Assign every training image of a source to a fold, twins to one, and audit it; return the path of the split."""
    source: Source = build(config.data)
    deal = build(config.folds)
    everything = source.as_found()
    decisions = read_decisions(source.folder, everything)
    table = decided(everything, decisions)
    looks = {"channels": source.channels, "cache": source.folder / CACHE}
    pairs = find_twins(table, **looks, distance=config.twins)
    joined = pd.Series(dtype="str")
    if is_drawn(deal):
        joined = joined_groups(table[table["split"] != "test"], binding_pairs(pairs, table, decisions))
        _tell_joined(joined)
    table = with_groups(table, joined)
    assigned = deal(table)
    path = split_path(source)
    if not config.overwrite:
        refuse_other_split(path, assigned)
    # Twins first: killed in between, the old split has other groups than the data, which every stage refuses.
    source.prepare_classes(table)
    write_twins(source.folder, joined)
    write_folds(path, assigned, overwrite=config.overwrite)
    sizes = assigned.groupby("fold").agg(images=("image_id", "size"), groups=("group", "nunique"))
    log.info("%s\n%s", path, sizes.to_string())
    shift = measure_shift(table, **looks)
    _tell(audit(source, table, path, distance=config.twins, pairs=pairs, shift=shift), source, shift)
    return path


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
