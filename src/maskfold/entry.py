"""The door: how a stage becomes a command, and how Hydra's errors are worded for whoever typed it."""

import functools
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, ValidationError

from maskfold.command.catalogue import options, stages
from maskfold.command.helping import explain
from maskfold.config import finish, overrides_of, unknown_key
from maskfold.credentials import censored
from maskfold.errors import MaskfoldError
from maskfold.files import is_utf8
from maskfold.memory import resume_collection
from maskfold.places import CONF
from maskfold.terminal import print_messages
from maskfold.termination import STATUS, has_come, listen
from maskfold.values import advice

_FULL_ERROR = "HYDRA_FULL_ERROR"


def _search_path() -> list[str]:
    """Return the overrides that name further folders in which Hydra looks for options."""
    return [override for override in HydraConfig.get().overrides.hydra if override.startswith("hydra.searchpath=")]


def entry_point(
    stage: Callable[[DictConfig], Any],
    config_name: str | None = None,
    *,
    objective: Callable[[DictConfig], float | None] | None = None,
) -> Callable[[], None]:
    """Turn `stage(config)` into a command: composes, runs, and prints a `MaskfoldError` without its traceback.

    Args:
        stage: The stage, whose name is its configuration's unless `config_name` gives another.
        config_name: A name of `STAGES`.
        objective: What a finished run is worth to a sweep, which looks for the best.
    """
    name = config_name or stage.__name__

    @functools.wraps(stage)
    def run(config: DictConfig) -> float | None:
        quiet_console()
        try:
            finished = finish(name, config, [*_search_path(), *overrides_of(config)])
            if task := stages()[name].task:
                from maskfold.tasks import refuse_other_task  # it looks at data, which --help has none of

                refuse_other_task(name, finished, task=task)
            stage(finished)
            return None if objective is None else objective(config)
        except MaskfoldError as error:
            _give_up(error)
        except MissingMandatoryValue as error:
            _give_up(MaskfoldError(f"{error.full_key}: not given. Add {error.full_key}=... to the command."))
        except KeyboardInterrupt:
            _stop("the same command without overwrite=true" if config.get("overwrite") else "the same command again")

    composed = hydra.main(version_base="1.3", config_path=CONF, config_name=name)(run)

    @functools.wraps(stage)
    def command() -> None:
        resume_collection()
        if {"--help", "-h"} & {*sys.argv[1:]}:
            print(explain(stages()[name]))
            return
        other = next((override for override in sys.argv[1:] if not is_utf8(override)), None)
        if other is not None:
            sys.exit(
                censored(f"\n{other!a}: not UTF-8. Rename what it names, or type it in a terminal of that encoding.")
            )
        listen()
        try:
            with _errors_as_they_are():
                composed()
        except KeyboardInterrupt:
            _stop("the same command again")
        except MaskfoldError as error:
            sys.exit(censored(f"\n{error}"))
        except HydraException as error:
            sys.exit(censored(f"\n{_refusal(name, error)}"))
        except AssertionError as error:
            if not f"{error}".startswith("Unexpected type for root: NoneType"):  # OmegaConf's, of a key below a null
                raise
            sys.exit(censored(f"\n{_below_null(name, sys.argv[1:])}"))

    return command


def _stop(again: str) -> NoReturn:
    """End the process that Ctrl+C or SIGTERM stops, and say how to go on."""
    if not has_come():
        sys.exit(f"\nStopped. Run {again} to go on from what is finished.")
    sys.stderr.write(f"\nStopped by SIGTERM. Run {again} to go on from what is finished.\n")
    sys.exit(STATUS)


def _give_up(error: MaskfoldError) -> NoReturn:
    """End the process; one of several runs under a launcher raises, and the launcher ends the process."""
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        raise error
    sys.exit(censored(f"\n{error}"))


@contextmanager
def _errors_as_they_are() -> Iterator[None]:
    """Keep Hydra from printing errors, and ending the process, in its own way."""
    before = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    try:
        yield
    finally:
        os.environ.pop(_FULL_ERROR)
        if before is not None:
            os.environ[_FULL_ERROR] = before


def _refusal(stage: str, error: HydraException) -> str:
    """Return the message about a command line that Hydra refuses; for an unknown key, with the keys that there are."""
    cause = error.__cause__
    if isinstance(cause, ValidationError) and cause.parent_node is not None:
        wanted, value = advice(cause.parent_node, f"{cause.key}"), re.match("Value '(.*?)'", f"{cause}", re.DOTALL)
        if wanted and value:
            return f"{cause.full_key}={value[1]}: {wanted}"
    if not isinstance(cause, ConfigKeyError | ConfigAttributeError) or cause.parent_node is None:
        return f"{error}" if cause is None else f"{error}\n{cause}"
    prefix, dot, _ = cause.full_key.rpartition(".")
    keys = [f"{prefix}{dot}{key}" for key in cause.parent_node if not f"{key}".startswith("_")]
    if not dot:
        keys.remove("hydra")
        keys += [group for group in stages()[stage].groups if group not in keys]
    builds = cause.parent_node.get("_target_")
    more = f" What else {builds} takes is added with +{cause.full_key}=..." if builds else ""
    return unknown_key(cause.full_key, keys) + more


def _below_null(stage: str, overrides: Sequence[str]) -> str:
    """Return what to do about a key of a group of which no option was chosen."""
    empty = [group for group, option in stages()[stage].groups.items() if option == "null"]
    key = next((override for override in overrides if override.partition(".")[0] in empty), "")
    group = key.partition(".")[0]
    return f"{key}: {group} is null here. Choose it first, as in {group}={next(iter(options(group)), '...')}."


def _print_censored(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody has worded, with its traceback."""
    sys.stderr.write(censored("".join(traceback.format_exception(kind, error, trace))))


def quiet_console() -> None:
    """Print the stages' own messages, and of the libraries only their warnings; nothing with credentials in it."""
    print_messages(quiet=("lightning.pytorch", "lightning.fabric", "numexpr", "httpx", "wandb"))
    sys.excepthook = _print_censored
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # what cannot be found is said by who looked for it
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning's own affair with torch
    warnings.filterwarnings("ignore", message="You're resuming from a checkpoint that ended before the epoch")
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")  # a resumed run's
    warnings.filterwarnings("ignore", message="It is recommended to use `self.log")  # torchmetrics adds up the ranks
    warnings.filterwarnings("ignore", message="predict returned None.*")  # the maps are in the store
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # none, on purpose, on a CPU
