"""The command that trained a run, as an experiment and what was set besides; found by composing it again."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.runs.kinship import SOUP
from maskfold.runs.layout import EXPERIMENTS
from maskfold.runs.run_folder import RunFolder, run_of_checkpoint

Compose = Callable[[Sequence[str]], dict[str, Any] | None]
"""Returns the configuration that overrides ask for, as a run folder keeps it; None where they ask for none."""

_ABSENT = "absent"  # what a run folder says of a key that one of two configurations has not


@dataclass(frozen=True)
class TrainCommand:
    """How a run is made again.

    Attributes:
        overrides: What follows `maskfold train`, or another stage.
        differing: The keys in which the result would be another configuration all the same.
        stage: The stage's name.
        before: What has to be trained before: the networks that a soup is the mean of.
    """

    overrides: tuple[str, ...]
    differing: tuple[str, ...]
    stage: str = "train"
    before: tuple["TrainCommand", ...] = ()

    @property
    def lines(self) -> list[str]:
        """The commands for a shell."""
        earlier = [line for one in self.before for line in one.lines]
        return [*earlier, shlex.join(["maskfold", self.stage, *self.overrides])]

    @property
    def first(self) -> "TrainCommand":
        """The training that all begins with."""
        return self.before[0].first if self.before else self


def train_command(run: RunFolder, compose: Compose, *, experiments: Iterable[str], data: Iterable[str]) -> TrainCommand:
    """Return the shortest of some commands whose configuration is a run's, or comes nearest to it.

    Args:
        run: The run.
        compose: Composes a training.
        experiments: Names of experiments that it may have been of; the run's own first.
        data: Names of options of data that it may have been on.
    """
    fold = [f"fold={run.read_config()['fold']}"]
    nearest = _nearest(run, compose, [*([f"experiment={name}", *fold] for name in experiments), fold])
    if nearest is None:
        return TrainCommand(tuple(fold), ("everything: no experiment can be composed any more",))
    others = [[*nearest[1][:-1], f"data={option}", *fold] for option in data]
    differing, base = _nearest(run, compose, [nearest[1], *others]) or nearest
    added = [_override(key, before, now) for key, (before, now) in differing.items()]
    left = _differing(run, compose, [*base, *added])
    if left is None:
        return TrainCommand(tuple(base), tuple(differing))
    return TrainCommand((*base, *added), tuple(left))


def soup_command(run: RunFolder, train: Callable[[RunFolder], TrainCommand]) -> TrainCommand:
    """Return how a soup is made again, behind the trainings of its networks.

    Args:
        run: The soup's folder.
        train: Returns how one of its networks is trained again.
    """
    about = run.read_config()[SOUP]
    paths = [Path(one["checkpoint"]) for one in files.read_json(run.run)[SOUP]["checkpoints"]]
    runs = [*{one.path: one for one in map(run_of_checkpoint, paths)}.values()]
    gone = [f"{one.path}, which is not here any more" for one in runs if not one.config.is_file()]
    name = next(member for one in runs if (member := _member(one)) not in about["runs"])
    given = [f"{key}={hydra_text(value)}" for key, value in about.items() if value not in ([], None, False)]
    overrides = (f"name={name}", f"fold={run.read_config()['fold']}", f"to={_member(run)}", *given)
    before = [train(one) for one in runs if one.config.is_file()]
    differing = [key for one in before for key in one.differing]
    return TrainCommand(overrides, (*differing, *gone), SOUP, tuple(before))


def _member(run: RunFolder) -> str:
    return run.path.parent.relative_to(EXPERIMENTS).as_posix()


def _nearest(
    run: RunFolder, compose: Compose, starts: Sequence[list[str]]
) -> tuple[Mapping[str, tuple[Any, Any]], list[str]] | None:
    """Return the overrides in whose configuration the fewest keys differ from a run's, with these keys."""
    tried = [(differing, base) for base in starts if (differing := _differing(run, compose, base)) is not None]
    return min(tried, key=lambda one: len(one[0])) if tried else None


def _differing(run: RunFolder, compose: Compose, overrides: Sequence[str]) -> Mapping[str, tuple[Any, Any]] | None:
    try:
        config = compose(overrides)
        return None if config is None else run.differing(config)
    except MaskfoldError:
        return None


def _override(key: str, before: Any, now: Any) -> str:
    """Return what brings a key from the value of now to that of the run."""
    if before == _ABSENT:
        return f"~{key}"
    return f"{'+' if now == _ABSENT else ''}{key}={hydra_text(before)}"


def hydra_text(value: Any) -> str:
    """Write a plain value as Hydra's command line reads it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{hydra_text(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(hydra_text, value)) + "]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value not in ("null", "true", "false", "inf", "nan")
        return value if plain else "'" + value.replace("'", "\\'") + "'"
    return json.dumps(value)
