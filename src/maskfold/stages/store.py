"""Fill the store that training feeds on: `maskfold store routes=cutouts/routes.parquet store=store`."""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import build, compose
from maskfold.corrections.audit_sample import draw_audit
from maskfold.corrections.decisions import Decided, audit_path, labelled, newest, read_decisions
from maskfold.corrections.filling import fill
from maskfold.data.ledger import REJECTED, Ledger, counts_of, current
from maskfold.data.snapshots import write_snapshot
from maskfold.data.source import Source
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.files import locked
from maskfold.storage import file_here, is_address, open_storage
from maskfold.terminal import RESULT, counted, show_table

log = logging.getLogger(__name__)

_LISTED = 30  # photos that are left out


def store(config: DictConfig) -> dict[str, int]:
    """Add what was reviewed and what shipped, and write a snapshot; return how many photos count by source."""
    if not config.routes and config.data is None and not config.snapshot:
        raise MaskfoldError(
            "routes: not given. Add ROUTES=<routes.parquet>, what make quality or the cut-outs have left; or "
            "SNAPSHOT=2026-11 alone; or labelled pairs with data=pairs data.root=<folder>."
        )
    with _held(config.store):
        ledger = Ledger(config.store)
        if config.routes or config.data is not None:
            _add(config, ledger)
        if config.snapshot:
            rows, is_new = write_snapshot(config.store, config.snapshot)
            state = "made" if is_new else "stands as it was made"
            log.info("snapshot %s of %s, %s", config.snapshot, counted(len(rows), "pair"), state)
        counts = counts_of(current(ledger.read()))
    show_table(["source", "photos"], [[source, f"{count:,}"] for source, count in counts.items()])
    usable = sum(counts.values()) - counts[REJECTED]
    log.info("%s: %s to learn from", config.store, counted(usable, "photo"), extra=RESULT)
    return counts


def _held(place: str) -> AbstractContextManager[None]:
    """Keep other writers out of a folder; those of an address add files of their own."""
    return nullcontext() if is_address(place) else locked(Path(place))


def _add(config: DictConfig, ledger: Ledger) -> None:
    """Add what was decided of routes and of labelled pairs, and say what has become of it."""
    routes = file_here(config.routes, key="routes") if config.routes else None
    judge = None if config.judge is None else _judge(config.judge)
    if judge is None:
        log.warning("judge=null: nobody looks whether photos of the judge set get into the store. Name it with JUDGE=.")
    decided = read_decisions(routes) if routes else Decided()
    before = ledger.begin()
    drawn = draw_audit(routes, decided.decisions, config.audit, before) if routes else set()
    decisions = [*decided.decisions, *([] if config.data is None else labelled(build(config.data), jobs=config.jobs))]
    filled = fill(newest(decisions), ledger, open_storage(config.store), audit=drawn, judge=judge, jobs=config.jobs)
    faults = [*decided.faults, *filled.faults]
    if faults:
        log.warning("%s left out:\n%s", counted(len(faults), "photo"), listing(faults, limit=_LISTED))
    if decided.waiting:
        log.info("%s for a person: make review ROUTES=%s", counted(decided.waiting, "photo"), config.routes)
    if routes and drawn:
        where = audit_path(routes)
        log.info("%s for an audit of what shipped: make review ROUTES=%s", counted(len(drawn), "photo"), where)
    log.info("%s added, %s known already", counted(len(filled.rows), "photo"), counted(filled.known, "decision"))


def _judge(text: str) -> Source:
    """Return the judge set: that of a folder of pairs, or of an option of `data`."""
    if not Path(text).is_dir():
        return build(compose("folds", [f"data={text}"]).data)
    data = compose("folds", ["data=pairs"]).data
    data.root = text
    return build(data)


main = entry_point(store)

if __name__ == "__main__":
    main()
