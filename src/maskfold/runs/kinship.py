"""Which checkpoints may be averaged weight by weight: those of runs that began with the same weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskfold import files
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder, binding

SOUP = "soup"  # of a configuration: which checkpoints it is the mean of
_ALIKE = ("model", "geometry", "preprocess", "deep")  # what the networks and the way to them are made of
_INERT = ("name", "tta", "split_file", "splits", "averaging")  # what changes nothing of how the weights are trained


@dataclass(frozen=True)
class Ingredient:
    """A checkpoint that may be averaged with others.

    Attributes:
        path: The file.
        sha256: Of its content.
        epoch: Its own, from 0.
        score: What its training has found it worth, by the run's monitor.
    """

    path: Path
    sha256: str
    epoch: int
    score: float


def ingredients_of(runs: Sequence[RunFolder], *, keep: int | None) -> list[Ingredient]:
    """Return the checkpoints of some runs, the best first: of each its best, and what `keep_best` has kept.

    Args:
        runs: Finished ones that `refuse_unlike` has nothing against.
        keep: Of each run at most so many, the best; None for all.

    Raises:
        MaskfoldError: If there is but one, or one is there twice.
    """
    monitor = runs[0].monitor()
    every = [one for run in runs for one in _of_run(run, monitor)[:keep]]
    if len(every) < 2:
        raise MaskfoldError(
            f"{runs[0].path}: a soup is the mean of several checkpoints, and here is one, {every[0].path.name}. Train "
            "with keep_best=5 to keep the five best of a run, or name other runs that began with the same weights: "
            "runs=[<member>]."
        )
    by_content: dict[str, list[str]] = {}
    for one in every:
        by_content.setdefault(one.sha256, []).append(str(one.path))
    twice = [", ".join(paths) for paths in by_content.values() if len(paths) > 1]
    if twice:
        raise MaskfoldError(f"These checkpoints are the same, and would count double:\n{listing(twice)}\nName one run.")
    sign = -1 if monitor.mode == "max" else 1
    return sorted(every, key=lambda one: sign * one.score)


def _of_run(run: RunFolder, monitor: Monitor) -> list[Ingredient]:
    ranked = monitor.ranked(run.epochs())
    best = int(run.summary()["epoch"])
    paths = run.kept_checkpoints() | {best: run.best}
    rows = [(int(row["epoch"]), float(row[monitor.name])) for row in ranked if int(row["epoch"]) in paths]
    return [Ingredient(paths[epoch], checkpoint_hash(paths[epoch]), epoch, score) for epoch, score in rows]


def refuse_unlike(runs: Sequence[RunFolder]) -> None:
    """Refuse runs of which a mean of weights would be no network, or would count a run double.

    Args:
        runs: The first says what the others must be like.

    Raises:
        MaskfoldError: If one is not finished, a soup itself, of other data, folds, architecture or geometry, has begun
            with other weights, or is another one's weights averaged in another way.
    """
    for run in runs:
        if SOUP in run.read_config():
            raise MaskfoldError(f"{run.path}: a soup already, whose checkpoints would count double. Name its members.")
        if not run.finished.exists():
            raise MaskfoldError(f"{run.path}: not trained to its end. Finish it first: the same `make train` command.")
    for number, run in enumerate(runs):
        for before in runs[:number]:
            _refuse_pair(before, run)


def _refuse_pair(one: RunFolder, other: RunFolder) -> None:
    if one.path == other.path:
        raise MaskfoldError(f"{one.path}: named twice. Name each run once.")
    first, second = one.read_config(), other.read_config()
    identities = [files.read_json(run.run)["identity"] for run in (one, other)]
    differing = [part for part in _ALIKE if first.get(part) != second.get(part)]
    differing += [part for part in ("data", "folds") if identities[0].get(part) != identities[1].get(part)]
    if differing or one.monitor() != other.monitor():
        what = ", ".join(differing) or "what they are judged by"
        raise MaskfoldError(
            f"{other.path} and {one.path} differ in {what}: weights can be "
            "averaged only of one architecture, trained on the same folds of the same photos in the same geometry. "
            "Average their maps instead: make ensemble."
        )
    if reason := _other_beginning((first, second), identities):
        raise MaskfoldError(
            f"{other.path} and {one.path} have not begun with the same weights: {reason}. The mean of weights from "
            "two beginnings is no network. Train both from one run (start_from=<run>) or by one seed, or average their "
            "maps instead: make ensemble."
        )
    trained = [{**binding(config), **identity} for config, identity in zip((first, second), identities, strict=True)]
    if all(trained[0].get(key) == trained[1].get(key) for key in {*trained[0], *trained[1]} if not _is_inert(key)):
        raise MaskfoldError(
            f"{other.path} and {one.path} are one training, whose weights are kept or averaged (averaging=...) in two "
            "ways: it would count double. Name one of them."
        )


def _other_beginning(configs: Sequence[dict[str, Any]], identities: Sequence[dict[str, str]]) -> str | None:
    starts = [identity.get("start") for identity in identities]
    if starts[0] != starts[1]:
        given = [config.get("start_from") or "no other run" for config in configs]
        return f"one began with {given[1]}, the other with {given[0]}"
    if starts[0] is None and configs[0]["seed"] != configs[1]["seed"]:
        return (
            f"seed={configs[1]['seed']} and seed={configs[0]['seed']} draw other first weights for all layers that "
            "are not pretrained"
        )
    return None


def _is_inert(key: str) -> bool:
    return key.partition(".")[0] in _INERT
