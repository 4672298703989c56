"""Which runs there are and how each stands, read from their folders; and how one is named and removed."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import FULL, MemberFolder, fold_name
from maskfold.runs.monitor import UNKNOWN
from maskfold.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Listed:
    """How a run stands.

    Attributes:
        name: `<member>/fold<k>`.
        data: The name of its data.
        state: `running`, `finished`, `stopped`, or `damaged` where its files cannot be read.
        epochs: How many are trained, and of how many where the run says so.
        score: The best epoch's, with its name; nothing before the first epoch.
        when: Of the last epoch, or else of its beginning.
    """

    name: str
    data: str = ""
    state: str = "damaged"
    epochs: str = ""
    score: str = ""
    when: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the row of a table, in the order of `HEADINGS`."""
        return self.name, self.data, self.state, self.epochs, self.score, self.when


HEADINGS = ("run", "data", "state", "epochs", "validation", "last epoch")


def runs_by_name(experiments: Path) -> dict[str, RunFolder]:
    """Return every run that was begun, by `<member>/fold<k>`."""
    members = [MemberFolder(path) for path in sorted(experiments.glob("*/"))]
    return {
        f"{member.name}/{fold_name(fold)}": member.run(fold)
        for member in members
        for fold in (*member.folds(), FULL)
        if member.run(fold).config.exists() or member.run(fold).run.exists()
    }


def listed(name: str, run: RunFolder) -> Listed:
    """Return how a run stands; whatever is damaged is said, and ends nothing."""
    try:
        return _listed(name, run)
    except (MaskfoldError, KeyError, TypeError, ValueError, OSError):
        return Listed(name)


def _listed(name: str, run: RunFolder) -> Listed:
    config = run.read_config()
    state = "running" if files.is_held(run.path) else "finished" if run.finished.exists() else "stopped"
    begun = run.metrics if run.metrics.exists() else run.run
    when = datetime.fromtimestamp(begun.stat().st_mtime).strftime("%d %b %H:%M")
    trained, score = 0, ""
    if run.metrics.exists():
        rows, monitor = run.epochs(), run.monitor()
        trained, best = len(rows), monitor.best(rows)[monitor.name]
        score = "unknown" if monitor == UNKNOWN else f"{monitor.label.removeprefix('validation ')} {best:.5f}"
    planned = config["trainer"]["max_epochs"]
    epochs = f"{trained}/{planned}" if planned and state != "finished" else str(trained)
    return Listed(name, str(config["data"].get("name", "")), state, epochs, score, when)


def find_runs(name: str, runs: dict[str, RunFolder]) -> dict[str, RunFolder]:
    """Return the runs that a name means: one `<member>/fold<k>`, or all of a member.

    Args:
        name: With or without `experiments/` before it.
        runs: Those that there are.

    Raises:
        MaskfoldError: If it means none.
    """
    wanted = Path(name).as_posix().removeprefix("experiments/")
    meant = {key: run for key, run in runs.items() if wanted in (key, key.partition("/")[0])}
    if not meant:
        near = get_close_matches(wanted, [*runs, *(key.partition("/")[0] for key in runs)], n=1, cutoff=0.5)
        guess = f" Did you mean {near[0]}?" if near else ""
        raise MaskfoldError(f"{name}: no such run.{guess} `maskfold runs` lists them.")
    return meant


def size_of(runs: Sequence[RunFolder]) -> int:
    """Return the bytes that runs take on the disk."""
    return sum(path.stat(follow_symlinks=False).st_size for run in runs for path in _files(run.path))


def _files(folder: Path) -> Iterator[os.DirEntry]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry


def refuse_busy(runs: dict[str, RunFolder]) -> None:
    """Refuse runs that are being trained or predicted.

    Raises:
        MaskfoldError: Naming them.
    """
    busy = [name for name, run in runs.items() if any(map(files.is_held, [run.path, *run.predictions.glob("*/")]))]
    if busy:
        raise MaskfoldError(f"{', '.join(busy)}: running. Wait for it, or stop it, first.")


def remove(run: RunFolder) -> None:
    """Remove a run's folder whole: in one rename, so that a kill leaves all of it or nothing.

    Raises:
        MaskfoldError: If another process holds it, or it cannot be moved away.
    """
    with files.locked(run.path, anew=True):
        (run.path / files.LOCK).unlink(missing_ok=True)
        run.path.rmdir()
