"""`fold=all`: a stage of one fold, for each of them in turn."""

import functools
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, build, overrides_of
from maskfold.data.folds import fold_numbers, split_path
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import MemberFolder
from maskfold.schemas import ALL
from maskfold.termination import has_come


def for_each_fold(
    stage: Callable[[DictConfig], Any], folds: Callable[[DictConfig], list[int]]
) -> Callable[[DictConfig], Any]:
    """Turn the command of a stage that works on `config.fold` into one that takes `fold=all` as well.

    Each fold has a process of its own, with the same overrides; the first that fails ends the command.

    Args:
        stage: Works on one fold.
        folds: Returns the folds that `all` stands for.
    """

    @functools.wraps(stage)
    def run(config: DictConfig) -> Any:
        if config.fold != ALL:
            return stage(config)
        for fold in folds(config):
            _run_alone(stage.__name__, fold, overrides_of(config))
        return None

    return run


def _run_alone(stage: str, fold: int, overrides: list[str]) -> None:
    """Run a stage's command for one fold, without the overrides' own `fold`."""
    others = [override for override in overrides if override.partition("=")[0] != "fold"]
    run_stage(stage, [*others, f"fold={fold}"])


def run_stage(stage: str, overrides: list[str]) -> None:
    """Run a stage's command in a process of its own; where it fails, this process ends as it did."""
    command = [sys.executable, "-m", f"maskfold.stages.{stage}", *overrides]
    with subprocess.Popen(command) as process:
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:  # which the fold has got as well: it says how to go on
                if has_come():  # SIGTERM goes to one process alone
                    process.terminate()
    if process.returncode:
        sys.exit(process.returncode if process.returncode > 0 else 1)


def folds_of_split(config: DictConfig) -> list[int]:
    """Return the folds that a training's split has.

    Raises:
        MaskfoldError: If there is no split, or it is damaged.
    """
    return fold_numbers(split_path(build(config.data), config.split_file))


def folds_with_a_run(config: DictConfig) -> list[int]:
    """Return the folds of a member that have been trained, or begun.

    Raises:
        MaskfoldError: If there is none.
    """
    member = MemberFolder(EXPERIMENTS / config.name)
    folds = member.folds()
    if not folds:
        raise MaskfoldError(
            f"{member.path}: no fold has been trained. Run `make train EXP={member.name} FOLD={ALL}` first."
        )
    return folds
