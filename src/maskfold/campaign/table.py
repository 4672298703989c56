"""The live table of a campaign: a line a member, a column a fold."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.table import Table

from maskfold import files
from maskfold.campaign.jobs import SCORE
from maskfold.campaign.standings import Standing, State
from maskfold.masks.scoring import Judged, title_of
from maskfold.runs.results import pooled, score_columns
from maskfold.terminal import duration, table_style

STYLES = {State.WAITING: "dim", State.RUNNING: "bold", State.DONE: "green", State.FAILED: "red", State.BLOCKED: "red"}


def draw(standings: Iterable[Standing], *, title: str, seconds: float, scores: dict[str, str]) -> Table:
    """Return the table.

    Args:
        standings: Of all jobs.
        title: What stands above it.
        seconds: How long the campaign has run.
        scores: What a row's last column says once its job is done.
    """
    standings = list(standings)
    cells: dict[tuple[str, str], list[Standing]] = {}
    for standing in standings:
        cells.setdefault((standing.job.row, standing.job.column), []).append(standing)
    columns = sorted({column for _, column in cells}, key=_order)
    table = Table(title=title, caption=_caption(standings, seconds), **table_style())
    table.title_justify = table.caption_justify = "left"
    table.add_column(no_wrap=True)
    for column in columns:
        table.add_column(column, overflow="fold", vertical="bottom")
    for row in dict.fromkeys(row for row, _ in cells):
        texts = [_cell(cells.get((row, column), []), scores.get(row, "done")) for column in columns]
        table.add_row(row, *texts)
    return table


def _order(column: str) -> tuple[bool, int, str]:
    """Folds by their number, then the rest."""
    word, _, number = column.partition(" ")
    return (word != "fold", int(number) if number.isdecimal() else 0, column)


def _cell(standings: list[Standing], done: str) -> str:
    """Say what is being done in a cell, else what is wrong, else what it waits for."""
    for state in (State.RUNNING, State.FAILED, State.BLOCKED, State.WAITING):
        for standing in standings:
            if standing.state is state:
                return f"[{STYLES[state]}]{_status(standing)}[/]"
    if not standings:
        return ""
    return f"[{STYLES[State.DONE]}]{done if standings[0].job.column == SCORE else 'done'}[/]"


def _status(standing: Standing) -> str:
    job, again = standing.job, f", try {standing.tries}" if standing.tries > 1 else ""
    if standing.state is State.RUNNING:
        return f"{job.label} {job.progress()}".rstrip() + again
    if standing.state is State.FAILED:
        return f"{job.label} failed"
    return "waits" if standing.state is State.WAITING else f"{job.label} {standing.state.value}"


def _caption(standings: list[Standing], seconds: float) -> str:
    counts = {state: sum(standing.state is state for standing in standings) for state in State}
    counted = [f"{counts[state]} {state.value}" for state in State if counts[state] or state is State.DONE]
    return f"{len(standings)} jobs: {', '.join(counted)}; {duration(seconds)}"


def scores_so_far(results: Mapping[str, Path], ensemble: Path) -> dict[str, str]:
    """Return what each row is worth out of fold, by the row's name: the first score of its task, with its name.

    Args:
        results: By member its `results.csv`, which need not be there yet.
        ensemble: The ensemble's out-of-fold `scores.parquet`, likewise; it has the scores of its members' task.
    """
    tables = {
        name: files.read_table(path, again=f"`make evaluate EXP={name}` makes it anew.")
        for name, path in results.items()
        if path.exists()
    }
    leading = {name: score_columns(table)[0] for name, table in tables.items()}
    scores = {name: _score(leading[name], pooled(table)[leading[name]]) for name, table in tables.items()}
    if ensemble.exists():
        merged = files.read_table(ensemble, again="Delete it, and run the same command again.")
        column = next((column for column in leading.values() if column in merged), None)
        if column is not None:
            scores["ensemble"] = _score(column, Judged(column).total(merged))
    return scores


def _score(column: str, value: float) -> str:
    return f"{title_of(column)} {value:.5f}"
