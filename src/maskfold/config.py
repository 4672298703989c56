"""The door: how a stage's configuration is composed, checked and built; what it may hold is in `maskfold.schemas`.

Nothing below the entry points receives a configuration object.
"""

import functools
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue

from maskfold.command.catalogue import options, stages
from maskfold.command.helping import explain
from maskfold.errors import MaskfoldError
from maskfold.places import CONF
from maskfold.runs.layout import EXPERIMENTS as EXPERIMENTS
from maskfold.runs.layout import SUBMISSIONS as SUBMISSIONS
from maskfold.schemas import STAGES as STAGES

log = logging.getLogger(__name__)

_FULL_ERROR = "HYDRA_FULL_ERROR"
OVERLAY = "experiment"  # the group whose options set keys of other groups


def compose(stage: str, overrides: list[str], *, choices: bool = False) -> DictConfig:
    """Compose a stage's configuration in this process, as the command line would.

    Args:
        stage: A name of `STAGES`.
        overrides: What would follow the command, such as `experiment=linknet34` or `fold=1`.
        choices: Leave Hydra's own node in, whose `runtime.choices` has the option taken of each group.

    Raises:
        hydra.errors.ConfigCompositionException: If a key or a group's option is unknown, or a value has the wrong type.
        MaskfoldError: If `+key=value` forces a key where a type says which there are.
    """
    running = GlobalHydra.instance().is_initialized()  # called by another stage, whose folder is the same
    with nullcontext() if running else hydra.initialize_config_dir(CONF, version_base="1.3"):
        config = hydra.compose(stage, overrides, return_hydra_config=choices)
        return _finish(stage, config, overrides)


def _finish(stage: str, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Do what Hydra leaves undone: a group that was chosen by hand beats an experiment; nothing is forced in."""
    _prefer_chosen_groups(stage, config, overrides)
    _refuse_forced(config)
    return config


def _prefer_chosen_groups(stage: str, config: DictConfig, overrides: Sequence[str]) -> None:
    """Give each group that the command line chooses as its file has it, without what an experiment sets in it.

    Hydra lays the experiment over the option: `schedule=cosine` would have the experiment's phases.
    """
    named = {override: re.split("[=@.]", override.lstrip("+~"))[0] for override in overrides}
    if not any(re.match(rf"\+?{OVERLAY}=(?!null$)", override) for override in overrides):
        return
    for group in [group for override, group in named.items() if re.match(rf"\+?{group}=", override)]:
        if group == OVERLAY or group not in config or not Path(CONF, group).is_dir():
            continue
        own = [
            told for told, about in named.items() if about in (group, "scale") or told.startswith("hydra.searchpath")
        ]
        removed = [override.lstrip("~") for override in own if override.startswith("~")]
        alone = hydra.compose(stage, [override for override in own if not override.startswith("~")])[group]
        with open_dict(alone):
            for key in removed:
                alone.pop(key.partition(".")[2], None)
        before, now = (OmegaConf.to_container(node, resolve=False) for node in (config[group], alone))
        keys = [f"{group}.{key}" for key in before | now if before.get(key) != now.get(key)]
        if keys:
            log.info("%s is taken as its own file has it, whatever the experiment says of %s.", group, ", ".join(keys))
            config[group] = alone


def _refuse_forced(config: DictConfig, prefix: str = "") -> None:
    """Refuse keys that `+key=value` has forced into a typed node, where nothing would read them.

    Raises:
        MaskfoldError: Naming the key, and those that there are.
    """
    kind = OmegaConf.get_type(config)
    known = [field.name for field in fields(kind)] if is_dataclass(kind) else [*config]
    for key, value in config.items_ex(resolve=False):
        if key == "hydra" and not prefix:
            continue
        if key not in known:
            raise MaskfoldError(unknown_key(f"{prefix}{key}", [f"{prefix}{name}" for name in known]))
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_missing():
            _refuse_forced(value, f"{prefix}{key}.")


def unknown_key(key: str, known: Sequence[str]) -> str:
    """Return the sentence that refuses a key."""
    near = get_close_matches(key, known, n=1, cutoff=0.7)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"{key}: no such key.{guess} There are {', '.join(known)}."


def _search_path() -> list[str]:
    """Return where else the command line told Hydra to look for options."""
    return [told for told in HydraConfig.get().overrides.hydra if told.startswith("hydra.searchpath=")]


def overrides_of(config: DictConfig) -> list[str]:
    """Return what the command line said, such as `ensemble=demo`.

    Args:
        config: The configuration of the stage that runs, or one that was composed with `choices=True`.
    """
    node = config.hydra if "hydra" in config else HydraConfig.get()
    return [*node.overrides.task]


def entry_point(stage: Callable[[DictConfig], Any], config_name: str | None = None) -> Callable[[], None]:
    """Turn `stage(config)` into a command: composes, runs, and prints a `MaskfoldError` without its traceback.

    Args:
        stage: The stage, whose name is its configuration's unless `config_name` gives another.
        config_name: A name of `STAGES`.
    """
    name = config_name or stage.__name__

    @functools.wraps(stage)
    def run(config: DictConfig) -> None:
        quiet_console()
        try:
            stage(_finish(name, config, [*_search_path(), *overrides_of(config)]))
        except MaskfoldError as error:
            _give_up(error)
        except MissingMandatoryValue as error:
            _give_up(MaskfoldError(f"{error.full_key}: not given. Add {error.full_key}=... to the command."))
        except KeyboardInterrupt:
            again = "the same command without overwrite=true" if config.get("overwrite") else "the same command again"
            sys.exit(f"\nStopped. Run {again} to go on from what is finished.")

    composed = hydra.main(version_base="1.3", config_path=CONF, config_name=name)(run)

    @functools.wraps(stage)
    def command() -> None:
        if {"--help", "-h"} & {*sys.argv[1:]}:
            print(explain(stages()[name]))
            return
        try:
            with _errors_as_they_are():
                composed()
        except MaskfoldError as error:
            sys.exit(f"\n{error}")
        except HydraException as error:
            sys.exit(f"\n{_refusal(name, error)}")
        except AssertionError as error:
            if not f"{error}".startswith("Unexpected type for root: NoneType"):  # OmegaConf's, of a key below a null
                raise
            sys.exit(f"\n{_below_null(name, sys.argv[1:])}")

    return command


def _give_up(error: MaskfoldError) -> NoReturn:
    """End the process; one of several runs that a launcher has started ends alone, and the first one tells."""
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        raise error
    sys.exit(f"\n{error}")


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
    """Return what Hydra has to say of a command line; of a key that does not exist, which ones there are."""
    cause = error.__cause__
    if not isinstance(cause, ConfigKeyError | ConfigAttributeError) or cause.parent_node is None:
        return f"{error}" if cause is None else f"{error}\n{cause}"
    prefix, dot, _ = cause.full_key.rpartition(".")
    known = [f"{prefix}{dot}{key}" for key in cause.parent_node if not f"{key}".startswith("_")]
    if not dot:
        known.remove("hydra")
        known += [group for group in stages()[stage].groups if group not in known]
    builds = cause.parent_node.get("_target_")
    more = f" What else {builds} takes is added with +{cause.full_key}=..." if builds else ""
    return unknown_key(cause.full_key, known) + more


def _below_null(stage: str, overrides: Sequence[str]) -> str:
    """Return what to do about a key of a group of which no option was chosen."""
    empty = [group for group, option in stages()[stage].groups.items() if option == "null"]
    key = next((told for told in overrides if told.partition(".")[0] in empty), "")
    group = key.partition(".")[0]
    return f"{key}: {group} is null here. Choose it first, as in {group}={next(iter(options(group)), '...')}."


def quiet_console() -> None:
    """Say what the stages say, and of the libraries only their warnings."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    for library in ("lightning.pytorch", "lightning.fabric", "numexpr", "httpx", "wandb"):
        logging.getLogger(library).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning's own affair with torch
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")  # a resumed run's
    warnings.filterwarnings("ignore", message="predict returned None.*")  # the maps are in the store
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # none, on purpose, on a CPU


def build(node: DictConfig | dict, **arguments: Any) -> Any:
    """Instantiate a `_target_` node; what its constructor says is said to the user.

    Raises:
        MaskfoldError: If the constructor refuses a key or a value; the message names both.
    """
    try:
        return hydra.utils.instantiate(node, **arguments, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, MaskfoldError):
            raise cause from error
        failed = re.search(r"target '([^']+)'", str(error))  # it may be a part inside this one
        name = failed[1] if failed else node["_target_"]
        raise MaskfoldError(f"{name}: {cause or error}. Check this part's keys in the config.") from error


def resolved(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as plain dictionaries with every interpolation resolved."""
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def recorded(config: DictConfig) -> dict[str, Any]:
    """Return a training's configuration as its run folder keeps it: resolved, but for what `task` takes from elsewhere.

    Each value stands in it once, so that a difference is told once; `OmegaConf.create` makes the whole of it again.
    """
    return resolved(config) | {"task": OmegaConf.to_container(config.task, resolve=False)}
