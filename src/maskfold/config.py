"""The door: how a stage's configuration is composed, checked and built; what it may hold is in `maskfold.schemas`.

Nothing below the entry points receives a configuration object.
"""

import functools
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from maskfold.errors import MaskfoldError
from maskfold.runs.layout import EXPERIMENTS as EXPERIMENTS
from maskfold.runs.layout import SUBMISSIONS as SUBMISSIONS
from maskfold.schemas import STAGES

CONF = str(Path(__file__).parents[2] / "conf")


def compose(stage: str, overrides: list[str], *, choices: bool = False) -> DictConfig:
    """Compose a stage's configuration in this process, as the command line would.

    Args:
        stage: A name of `STAGES`.
        overrides: What would follow the command, such as `experiment=linknet34` or `fold=1`.
        choices: Leave Hydra's own node in, whose `runtime.choices` has the option taken of each group.

    Raises:
        hydra.errors.ConfigCompositionException: If a key or a group's option is unknown, or a value has the wrong type.
    """
    running = GlobalHydra.instance().is_initialized()  # called by another stage, whose folder is the same
    with nullcontext() if running else hydra.initialize_config_dir(CONF, version_base="1.3"):
        return hydra.compose(stage, overrides, return_hydra_config=choices)


def entry_point(stage: Callable[[DictConfig], Any], config_name: str | None = None) -> Callable[[], None]:
    """Turn `stage(config)` into a command: composes, runs, and prints a `MaskfoldError` without its traceback.

    Args:
        stage: The stage, whose name is its configuration's unless `config_name` gives another.
        config_name: A name of `STAGES`.
    """

    @functools.wraps(stage)
    def run(config: DictConfig) -> None:
        quiet_console()
        try:
            refuse_unknown(config, STAGES[config_name or stage.__name__].__dataclass_fields__)
            stage(config)
        except MaskfoldError as error:
            _give_up(error)
        except MissingMandatoryValue as error:
            _give_up(MaskfoldError(f"{error.full_key}: not given. Add {error.full_key}=... to the command."))
        except KeyboardInterrupt:
            again = "the same command without overwrite=true" if config.get("overwrite") else "the same command again"
            sys.exit(f"\nStopped. Run {again} to go on from what is finished.")

    return hydra.main(version_base="1.3", config_path=CONF, config_name=config_name or stage.__name__)(run)


def _give_up(error: MaskfoldError) -> NoReturn:
    """End the process; one of several runs that a launcher has started ends alone, and Hydra tells in the end."""
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        raise error
    sys.exit(f"\n{error}")


def refuse_unknown(keys: Iterable[str], known: Iterable[str], *, group: str = "") -> None:
    """Refuse keys that `+key=value` has forced into a configuration and nothing would read.

    Args:
        keys: Those that are there.
        known: Those that there may be.
        group: What stands before them, such as `trainer.`.

    Raises:
        MaskfoldError: Naming the keys, and those that there are.
    """
    unknown = sorted({*keys} - {*known})
    if unknown:
        listed = ", ".join(group + key for key in unknown)
        raise MaskfoldError(f"{listed}: no such key. There are {', '.join(known)}.")


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
