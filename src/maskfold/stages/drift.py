"""Compare photos of now with those of the promise: `maskfold drift quality=... routes=cutouts/routes.parquet`."""

import logging
import shlex
from dataclasses import asdict
from datetime import UTC, datetime
from math import isfinite

from omegaconf import DictConfig

from maskfold import files
from maskfold.corrections.drift import Moved, compare
from maskfold.corrections.month import EVERY, read_month
from maskfold.corrections.promise import read_promise
from maskfold.data.snapshots import has_snapshot
from maskfold.entry import entry_point
from maskfold.storage import file_here
from maskfold.terminal import RESULT, counted, show_table

log = logging.getLogger(__name__)

RECORD = "drift.json"  # beside the routes


def drift(config: DictConfig) -> list[Moved]:
    """Show what has moved, write it beside the routes, and print the command that retrains; it is never run here."""
    routes = file_here(config.routes, key="routes")
    promise, cut = read_promise(file_here(config.quality, key="quality"))
    month, name = read_month(routes, cut=cut, name=config.month)
    comparisons = compare(promise, month)
    command = _command(config, name)
    rows = [one.as_json() for one in comparisons]
    shown = config.month or name
    log.info("%s of %s", counted(len(month.scores), "photo"), "every month" if shown == EVERY else shown)
    about = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "month": shown, "photos": len(month.scores)}
    about |= {"quality": config.quality, "routes": config.routes}
    record = about | {"promise": asdict(promise), "comparisons": rows, "retrain": command}
    files.write_json(routes.parent / RECORD, record)
    headings = ("what", "promised", "now", "index or share", "limit", "")
    show_table(headings, [_cells(one) for one in comparisons])
    for one in comparisons:
        if one.is_alarm:
            log.warning("ALARM %s: %s above %s", one.what, _number(one.value), _number(one.limit))
    log.info("%s", routes.parent / RECORD)
    log.info("To retrain: %s", command, extra=RESULT)
    return comparisons


def _cells(one: Moved) -> list[str]:
    alarm = "ALARM" if one.is_alarm else ""
    note = f"{alarm}: {one.note}" if alarm and one.note else alarm or one.note
    return [one.what, one.promised, one.now, _number(one.value), _number(one.limit), note]


def _number(value: float) -> str:
    return f"{value:.4f}" if isfinite(value) else "-"


def _command(config: DictConfig, month: str) -> str:
    """Return the line that trains every fold on what the store has; on its snapshot of the month, if there is one."""
    frozen = f" data.snapshot={month}" if has_snapshot(config.store, month) else ""
    data = f"data=store data.root={config.store}{frozen}"
    split = shlex.quote(data.removeprefix("data=store "))
    member = shlex.quote(f"{data} name={config.name}_{month}")
    return f"make folds DATA=store ARGS={split} && make train EXP={config.name} FOLD=all ARGS={member}"


main = entry_point(drift)

if __name__ == "__main__":
    main()
